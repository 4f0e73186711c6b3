"""How the serving image is built where Docker is: from which files, under which tag, pushed in which form."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pulumi

import model_packaging
from model_packaging.findings import refuse

PROVIDER = "0.0.22"
"""The version of the docker-build provider. Its Python package is not used: where it is installed, the engine downloads
the provider for every program, and most build nothing."""

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
    """The tag of the image of a context: others for other content or modes, and for the same content elsewhere.

    A registry whose tags never move refuses a second image under a tag, and the provider builds anew where only the
    context's place differs; an image that is built twice has not the same digest twice.

    Args:
        location: as `context_folder()` gives it.
    """
    digest = hashlib.sha256(location.encode())
    folder = Path(location)
    for path in sorted({folder / DOCKERFILE, *(each for pattern in COPIED for each in folder.glob(pattern))}):
        # The provider's own digest of the context has the modes in it.
        mode = stat.filemode(path.stat().st_mode)
        digest.update(f"\0{path.relative_to(folder).as_posix()}\0{mode}\0".encode())
        digest.update(path.read_bytes())
    return f"sha-{digest.hexdigest()[:24]}"


def need_docker(path: str) -> None:
    """Refuses to build where it could only fail half way, with the registry made and no image in it.

    Args:
        path: of the setting that asks for it.

    Raises:
        FindingsError: no Docker engine answers.
    """
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, timeout=30
        )
        said = asked.stderr.strip().partition("\n")[0] if asked.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said:
        fix = "start Docker, or leave `build` out, and push from a machine that has it"
        raise refuse(path, "needs a Docker engine", said, "there would be no image", fix)


class BuiltImage(pulumi.CustomResource):
    """The serving image, built and pushed by the docker-build provider.

    The registry's password is that of `docker login` or of a credential helper: given here, it would be in the state.
    """

    digest: pulumi.Output[str]
    """What the registry calls it: `sha256:` and 64 hex digits."""

    def __init__(self, name: str, repository_url: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
        location = context_folder()
        inputs = {
            "context": {"location": location},
            "dockerfile": {"location": f"{location}/{DOCKERFILE}"},
            # Of SageMaker's containers; a machine with another processor would build for its own.
            "platforms": ["linux/amd64"],
            "tags": [repository_url.apply(lambda url: f"{url}:{content_tag(location)}")],
            # SageMaker refuses OCI's media types ("Unsupported manifest media type").
            "exports": [{"registry": {"ociMediaTypes": False}}],
            "push": False,  # the export does
            "buildOnPreview": False,
            "digest": None,
        }
        own = pulumi.ResourceOptions(version=PROVIDER)
        super().__init__("docker-build:index:Image", name, inputs, pulumi.ResourceOptions.merge(opts, own))
