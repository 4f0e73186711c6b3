"""Builds programs from a published Go module, with the versions that its own `go.mod` resolves."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], None]


@dataclass(frozen=True)
class GoModule:
    """A pinned module, and the programs to build from it."""

    path: str
    version: str
    """Including the leading `v`."""
    programs: Mapping[str, str]
    """The binary's name -> its package, relative to the module."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Package variables to set at link time, such as a version that otherwise only a release build sets."""
    sibling_version: str = ""
    """The published version of modules that it requires at v0.0.0 and replaces by a folder of its own repository."""
    minutes: float = 1
    """Approximate build time on two cores with empty caches."""

    @property
    def name(self) -> str:
        return " and ".join(self.programs)


def build(module: GoModule, target: Path, say: Say) -> None:
    """Build the module's programs into the folder `target`. Programs that are already there are not built again.

    Raises:
        RuntimeError: Go is not installed, or the build failed; the message is the compiler's last line.
        subprocess.CalledProcessError: the module could not be fetched.
    """
    if built(module, target):
        return
    go = shutil.which("go")
    if not go:
        raise RuntimeError("go is not installed")
    with one_at_a_time(target.parent / f"{target.name}.lock", say, module.name):
        if built(module, target):
            return
        say(f"{module.name}: building {module.version} with go (about {module.minutes:g} minutes on two cores, once)")
        with tempfile.TemporaryDirectory(prefix="scaletozero-go-") as folder:
            _compile(go, module, Path(folder), say)
            target.mkdir(parents=True, exist_ok=True)
            for program in module.programs:
                # It gets its final name only when complete, so that an interrupted build cannot look like a program.
                arriving = target / f"{program}.arriving"
                shutil.move(Path(folder) / "bin" / program, arriving)
                arriving.replace(target / program)


def built(module: GoModule, target: Path) -> bool:
    return all((target / program).is_file() for program in module.programs)


def source_folder(module: GoModule) -> Path:
    """The module's unpacked source, downloaded if necessary: some modules contain data files that their programs need.

    Raises:
        RuntimeError: Go is not installed.
        subprocess.CalledProcessError: the module could not be fetched.
    """
    go = shutil.which("go")
    if not go:
        raise RuntimeError("go is not installed")
    with tempfile.TemporaryDirectory(prefix="scaletozero-go-") as folder:
        return Path(json.loads(_run(go, Path(folder), "mod", "download", "-json", _at(module)))["Dir"])


def reason(error: Exception) -> str:
    """Why a download or a build failed, in one line."""
    if isinstance(error, subprocess.CalledProcessError):
        text = (error.stderr or error.output or b"").decode(errors="replace")
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
        return last or f"exit status {error.returncode}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _at(module: GoModule) -> str:
    return f"{module.path}@{module.version}"


def _run(go: str, folder: Path, *args: str) -> str:
    return subprocess.run([go, *args], cwd=folder, check=True, capture_output=True, text=False).stdout.decode()


def _compile(go: str, module: GoModule, folder: Path, say: Say) -> None:
    _run(go, folder, "mod", "init", "scaletozero.build")
    say(f"{module.name}: fetching the source")
    downloaded = json.loads(_run(go, folder, "mod", "download", "-json", _at(module)))
    described = json.loads(_run(go, folder, "mod", "edit", "-json", downloaded["GoMod"]))
    replacements = [f"-replace={old}={new}" for old, new in _replacements(described, module.sibling_version)]
    if replacements:
        _run(go, folder, "mod", "edit", *replacements)
    packages = [f"{module.path}/{package}".rstrip("/") for package in module.programs.values()]
    _run(go, folder, "get", "-tool", *(f"{package}@{module.version}" for package in packages))
    total = len(_run(go, folder, "list", "-deps", *packages).split())
    say(f"{module.name}: compiling {total} packages")
    flags = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in module.variables.items())])
    binaries = folder / "bin"
    binaries.mkdir()
    done = 0
    for program, package in zip(module.programs, packages, strict=True):
        # The linker drops the debug information (-w); not generating it saves an eighth of the compiler's time.
        options = ["-v", "-gcflags=all=-dwarf=false", "-ldflags", flags]
        command = [go, "build", *options, "-o", str(binaries / program), package]
        # Packages that an earlier program shares with this one are already compiled and counted.
        done = _follow(command, folder, module.name, done, total, say)


def _replacements(described: dict, sibling_version: str) -> Iterator[tuple[str, str]]:
    """The replacements of a module's `go.mod` that a program built outside its repository needs.

    Go applies only those of the main module. A replacement by a folder of the repository is omitted if the requirement
    has a published version, and replaced by `sibling_version` if it has none.
    """
    required = {require["Path"]: require["Version"] for require in described.get("Require") or ()}
    for replace in described.get("Replace") or ():
        old, new = replace["Old"], replace["New"]
        source = f"{old['Path']}@{old['Version']}" if old.get("Version") else old["Path"]
        if new.get("Version"):
            yield source, f"{new['Path']}@{new['Version']}"
        elif sibling_version and required.get(old["Path"]) == "v0.0.0":
            yield source, f"{old['Path']}@{sibling_version}"


def _follow(command: list[str], folder: Path, name: str, done: int, total: int, say: Say) -> int:
    """Builds, and reports progress after every tenth of all packages. Returns how many packages are compiled."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as build:
        assert build.stderr
        shown, last = done * 10 // total, ""
        for line in build.stderr:
            last, done = line.strip(), done + 1
            if done * 10 // total > shown:
                shown = done * 10 // total
                say(f"{name}: compiled {done} of {total} packages")
    if build.returncode:
        raise RuntimeError(last or f"go build ended with {build.returncode}")
    return done


@contextlib.contextmanager
def one_at_a_time(lock_file: Path, say: Say, what: str) -> Iterator[None]:
    """Holds a lock, so that two projects that start at the same time do not build or overwrite the same files."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{what}: waiting for another run, which is fetching it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
