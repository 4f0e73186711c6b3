"""The Pulumi engine: taken from PATH, else downloaded by the official installer, else built from its source.

Each way that fails says so in one line and the next is tried. What was downloaded or built is kept in a cache outside
the project and used by every project on the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pulumi.automation import InvalidVersionError, PulumiCommand
from semver import VersionInfo

from model_packaging.findings import refuse
from scaletozero.sandbox.command import EngineCommand

VERSION = "3.259.0"
"""The engine that is downloaded or built."""

OLDEST = "3.200.0"
"""The oldest engine on PATH that is used as it is: the first line with the providers' per-resource regions."""

_MODULE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"

Say = Callable[[str], None]


def cache_folder() -> Path:
    """Where engines are kept: `$SCALETOZERO_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("SCALETOZERO_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaletozero"


def find_engine(say: Say = lambda line: None) -> EngineCommand:
    """The engine to run, fetched or built where there is none.

    Args:
        say: takes a line about each way that is tried, and the progress of a build.

    Raises:
        FindingsError: when every way failed.
    """
    root = cache_folder() / "engine" / f"v{VERSION}"
    failures: list[str] = []
    for way, attempt in (
        ("on PATH", _on_path),
        ("in the cache", lambda: _in(root)),
        ("official download", lambda: _download(root, say)),
        ("build from source", lambda: _build(root, say)),
    ):
        try:
            return EngineCommand(attempt())
        except (OSError, RuntimeError, subprocess.SubprocessError, InvalidVersionError) as error:
            reason = _reason(error)
            failures.append(f"{way}: {reason}")
            say(f"pulumi, {way}: {reason}")
    raise refuse(
        "pulumi",
        "the engine is needed to preview or deploy anything",
        "; ".join(failures),
        "nothing was changed",
        "install it as its documentation says, or install Go 1.25 or newer so that it can be built here",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        text = (error.stderr or error.output or b"").decode(errors="replace") if error.output or error.stderr else ""
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
        return last or f"exit status {error.returncode}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _on_path() -> PulumiCommand:
    if not shutil.which("pulumi"):
        raise RuntimeError("not there")
    return PulumiCommand(version=VersionInfo.parse(OLDEST))


def _in(root: Path) -> PulumiCommand:
    if not (root / "bin" / "pulumi").is_file():
        raise RuntimeError("not there")
    return PulumiCommand(root=str(root), version=VersionInfo.parse(VERSION))


def _download(root: Path, say: Say) -> PulumiCommand:
    with _one_at_a_time(root, say):
        say(f"pulumi: downloading v{VERSION} with the official installer")
        return PulumiCommand.install(root=str(root), version=VersionInfo.parse(VERSION))


def _build(root: Path, say: Say) -> PulumiCommand:
    go = shutil.which("go")
    if not go:
        raise RuntimeError("go is not installed")
    with _one_at_a_time(root, say):
        if (root / "bin" / "pulumi").is_file():
            return _in(root)
        say(f"pulumi: building v{VERSION} with go (about four minutes on two cores, once)")
        with tempfile.TemporaryDirectory(prefix="scaletozero-engine-") as folder:
            built = _go_build(go, Path(folder), say)
            target = root / "bin" / "pulumi"
            target.parent.mkdir(parents=True, exist_ok=True)
            # Under its final name only when whole: a build cut short must not look like an engine.
            arriving = target.with_suffix(".arriving")
            shutil.move(built, arriving)
            arriving.replace(target)
    return _in(root)


def _go_build(go: str, folder: Path, say: Say) -> Path:
    def run(*args: str) -> str:
        return subprocess.run([go, *args], cwd=folder, check=True, capture_output=True, text=False).stdout.decode()

    run("mod", "init", "scaletozero.engine")
    say("pulumi: fetching the source")
    run("get", "-tool", f"{_MODULE}@v{VERSION}")
    total = len(run("list", "-deps", _MODULE).split())
    say(f"pulumi: compiling {total} packages")
    binary = folder / "pulumi"
    command = [go, "build", "-v", "-ldflags", f"-s -w -X {_VARIABLE}=v{VERSION}", "-o", str(binary), _MODULE]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as build:
        assert build.stderr
        done, shown, last = 0, 0, ""
        for line in build.stderr:
            last, done = line.strip(), done + 1
            if done * 10 // total > shown:
                shown = done * 10 // total
                say(f"pulumi: compiled {done} of {total} packages")
    if build.returncode:
        raise RuntimeError(last or f"go build ended with {build.returncode}")
    return binary


@contextlib.contextmanager
def _one_at_a_time(root: Path, say: Say) -> Iterator[None]:
    """Two projects that start at once must not both build, or write over each other."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / f"{root.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("pulumi: another run is fetching the engine; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
