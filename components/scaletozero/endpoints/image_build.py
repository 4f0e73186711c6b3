"""How the serving image is built where Docker is: from which files, under which tag, pushed in which form."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pulumi

import model_packaging
from model_packaging.findings import refuse

EXTRA = "image"
"""The extra of the distribution that brings the provider which builds."""

DOCKERFILE = "serving/Dockerfile"
COPIED = ("__init__.py", "serving/*.py", "serving/requirements.txt")
"""What the Dockerfile takes from its context, this package's `model_packaging`."""


def context_folder() -> str:
    """The build's context, relative to the program where it can be, so that other machines say the same."""
    folder = Path(model_packaging.__file__).parent
    try:
        return Path(os.path.relpath(folder)).as_posix()
    except ValueError:  # another drive
        return folder.as_posix()


def content_tag(location: str) -> str:
    """The tag of the image of a context: other content has another one, and so has the same content elsewhere.

    A registry whose tags never move refuses a second image under a tag, and the provider builds anew where only the
    context's place differs; an image that is built twice has not the same digest twice.

    Args:
        location: as `context_folder()` gives it.
    """
    digest = hashlib.sha256(location.encode())
    folder = Path(location)
    for path in sorted({folder / DOCKERFILE, *(each for pattern in COPIED for each in folder.glob(pattern))}):
        digest.update(f"\0{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return f"sha-{digest.hexdigest()[:24]}"


def need_docker(path: str) -> None:
    """Refuses to build where it could only fail half way, with the registry made and no image in it.

    Args:
        path: of the setting that asks for it.

    Raises:
        FindingsError: the provider is not installed, or no Docker engine answers.
    """
    otherwise = "or leave `build` out, and push from a machine that has it"
    try:
        import pulumi_docker_build  # noqa: F401
    except ImportError:
        fix = f"pip install 'scaletozero[{EXTRA}]', {otherwise}"
        raise refuse(path, "needs the provider of Docker builds", "none", "there would be no image", fix) from None
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, timeout=30
        )
        said = asked.stderr.strip().partition("\n")[0] if asked.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said:
        raise refuse(path, "needs a Docker engine", said, "there would be no image", f"start Docker, {otherwise}")


def built_image(name: str, repository_url: pulumi.Output[str], opts: pulumi.ResourceOptions) -> Any:
    """The serving image, built and pushed by the provider of Docker builds; its `digest` is what an endpoint needs.

    The registry's password is that of `docker login` or of a credential helper: given here, it would be in the state.

    Args:
        name: of the resource.
        repository_url: where it is pushed.
        opts: of the resource.
    """
    # An extra: who pushes an image elsewhere does without.
    import pulumi_docker_build as docker_build

    location = context_folder()
    return docker_build.Image(
        name,
        context={"location": location},
        dockerfile={"location": f"{location}/{DOCKERFILE}"},
        # Of SageMaker's containers; a machine with another processor would build for its own.
        platforms=[docker_build.Platform.LINUX_AMD64],
        tags=[repository_url.apply(lambda url: f"{url}:{content_tag(location)}")],
        # SageMaker refuses OCI's media types ("Unsupported manifest media type").
        exports=[{"registry": {"oci_media_types": False}}],
        push=False,  # the export does
        build_on_preview=False,
        opts=opts,
    )
