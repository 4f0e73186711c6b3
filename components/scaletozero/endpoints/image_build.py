"""Builds the serving image with Docker: the build context, the tag, and the form in which it is pushed."""

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
"""The version of the docker-build provider. Its Python package is not used: if it is installed, the engine downloads
the provider for every program, and most programs build nothing."""

DOCKERFILE = "serving/Dockerfile"
COPIED = ("__init__.py", "serving/*.py", "serving/requirements.txt")
"""The files that the Dockerfile copies from its context, which is the package `model_packaging`."""


def context_folder() -> str:
    """The build's context, relative to the program if possible, so that it is the same on other machines."""
    folder = Path(model_packaging.__file__).parent
    try:
        return Path(os.path.relpath(folder)).as_posix()
    except ValueError:  # another drive
        return folder.as_posix()


def content_tag(location: str) -> str:
    """The tag of a context's image, which depends on the files' content and modes and on the context's path.

    A registry with immutable tags refuses a second image under a tag, the provider builds again if only the context's
    path differs, and two builds of an image have different digests.

    Args:
        location: the result of `context_folder()`.
    """
    digest = hashlib.sha256(location.encode())
    folder = Path(location)
    for path in sorted({folder / DOCKERFILE, *(each for pattern in COPIED for each in folder.glob(pattern))}):
        # The provider's own digest of the context includes the modes.
        mode = stat.filemode(path.stat().st_mode)
        digest.update(f"\0{path.relative_to(folder).as_posix()}\0{mode}\0".encode())
        digest.update(path.read_bytes())
    return f"sha-{digest.hexdigest()[:24]}"


def need_docker(path: str) -> None:
    """Refuses to build without Docker, which would fail half way: with a registry, but without an image.

    Args:
        path: the path of the setting that requests the build.

    Raises:
        FindingsError: no Docker engine responds.
    """
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, timeout=30
        )
        said = asked.stderr.strip().partition("\n")[0] if asked.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said:
        fix = "start Docker, or leave `build` out and push from a machine with Docker"
        raise refuse(path, "needs a Docker engine", said, "there would be no image", fix)


class BuiltImage(pulumi.CustomResource):
    """The serving image, built and pushed by the docker-build provider.

    The registry's password comes from `docker login` or a credential helper: if given here, it would be in the state.
    """

    digest: pulumi.Output[str]
    """The digest in the registry: `sha256:` and 64 hexadecimal digits."""

    def __init__(self, name: str, repository_url: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
        location = context_folder()
        inputs = {
            "context": {"location": location},
            "dockerfile": {"location": f"{location}/{DOCKERFILE}"},
            # The platform of SageMaker's containers; a machine with another processor would build for its own.
            "platforms": ["linux/amd64"],
            "tags": [repository_url.apply(lambda url: f"{url}:{content_tag(location)}")],
            # SageMaker refuses OCI's media types ("Unsupported manifest media type").
            "exports": [{"registry": {"ociMediaTypes": False}}],
            "push": False,  # the export pushes
            "buildOnPreview": False,
            "digest": None,
        }
        own = pulumi.ResourceOptions(version=PROVIDER)
        super().__init__("docker-build:index:Image", name, inputs, pulumi.ResourceOptions.merge(opts, own))
