"""Finds the Pulumi engine: on PATH, or else by the official download, or else by building it from source.

If one way fails, the reason is reported and the next one is tried. Downloads and builds are kept in a cache outside
the project, which every project on the machine uses.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from pulumi.automation import InvalidVersionError, PulumiCommand
from semver import VersionInfo

from model_packaging.files import cache_folder
from model_packaging.findings import refuse
from scaletozero.engine.command import EngineCommand
from scaletozero.engine.go_build import GoModule, Say, build, one_at_a_time, reason

VERSION = "3.259.0"
"""The version of the engine that is downloaded or built."""

OLDEST = "3.200.0"
"""The oldest usable version on PATH: the first with the providers' per-resource regions."""

_MODULE = GoModule(
    "github.com/pulumi/pulumi/pkg/v3",
    f"v{VERSION}",
    {"pulumi": "cmd/pulumi"},
    variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{VERSION}"},
    minutes=4,
)


def find_engine(say: Say = lambda line: None) -> EngineCommand:
    """Finds the engine to run. Downloads or builds it if none is installed.

    Args:
        say: receives a line about each way that is tried, and the progress of a build.

    Raises:
        FindingsError: when every way failed.
    """
    root = cache_folder() / "engine" / f"v{VERSION}"
    ways = {
        "on PATH": _on_path,
        "in the cache": lambda: _in(root),
        "official download": lambda: _download(root, say),
        "build from source": lambda: _build(root, say),
    }
    failures: list[str] = []
    for way, attempt in ways.items():
        try:
            found = EngineCommand(attempt())
        except (OSError, RuntimeError, subprocess.SubprocessError, InvalidVersionError) as error:
            failures.append(f"{way}: {reason(error)}")
        else:
            return found
        # An engine in the cache needs no hint about the PATH.
        if len(failures) > 1:
            for failure in failures if len(failures) == 2 else failures[-1:]:
                say(f"pulumi, {failure}")
    raise refuse(
        "pulumi",
        "the engine is needed to preview or deploy anything",
        "; ".join(failures),
        "nothing was changed",
        "install it as its documentation says, or install Go 1.25 or newer so that it can be built here",
    )


def _on_path() -> PulumiCommand:
    if not shutil.which("pulumi"):
        raise RuntimeError("not there")
    return PulumiCommand(version=VersionInfo.parse(OLDEST))


def _in(root: Path) -> PulumiCommand:
    if not (root / "bin" / "pulumi").is_file():
        raise RuntimeError("not there")
    return PulumiCommand(root=str(root), version=VersionInfo.parse(VERSION))


def _download(root: Path, say: Say) -> PulumiCommand:
    with one_at_a_time(root.parent / f"{root.name}.lock", say, "pulumi"):
        say(f"pulumi: downloading v{VERSION} with the official installer")
        return PulumiCommand.install(root=str(root), version=VersionInfo.parse(VERSION))


def _build(root: Path, say: Say) -> PulumiCommand:
    build(_MODULE, root / "bin", say)
    return _in(root)
