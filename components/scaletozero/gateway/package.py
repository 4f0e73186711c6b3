"""Makes the code of a gateway's function: the program and its libraries as they are installed here, as one zip file.

The same installation makes the same file. Nothing is downloaded: libraries are copied from where they are installed,
and a compiled one that was installed for another platform than Lambda's from a folder of wheels.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path, PurePosixPath
from typing import Any

from model_packaging.files import cache_folder
from model_packaging.findings import refuse
from scaletozero.gateway.opening import EXTRA

LIBRARIES = ("botocore", "detect-secrets", "httpx2", "pydantic", "starlette", "uvicorn")
"""What the program imports; what these require comes with them."""

ROOMS = {
    "scaletozero": (
        "__init__.py", "moved.py", "partitions.py", "gateway/__init__.py", "gateway/cache", "gateway/caps.py",
        "gateway/contents.py", "gateway/keys.py", "gateway/ledger", "gateway/opening.py", "gateway/service",
        "gateway/tables.py", "gateway/targets.py", "gateway/tariffs.py", "gateway/time_tariffs.py",
        "endpoints/__init__.py", "endpoints/async_client.py", "settings", "spending",
    ),
    "model_packaging": (
        "__init__.py", "extras.py", "files.py", "findings.py", "moved.py", "validation.py",
        "serving/__init__.py", "serving/limits.py",
    ),
}  # fmt: skip
"""Package -> the parts of it that the program imports (tests/unit/gateway/test_package.py)."""

SERVICES = {
    "bedrock-runtime": "bedrock-runtime", "dynamodb": "dynamodb", "s3": "s3",
    "sagemaker-runtime": "runtime.sagemaker", "secretsmanager": "secretsmanager",
}  # fmt: skip
"""The services that the program calls, and what botocore's table of addresses calls them: of its 20 MB, nearly all are
models of others."""

START = """#!/bin/sh
cd "$LAMBDA_TASK_ROOT" &&
exec python3 -c 'import gc; gc.disable(); from scaletozero.gateway.service.function import main; main()'
"""
"""Starts the program. To collect garbage while the modules are loaded takes a sixth of the start, and finds none."""

HANDLER, ABOUT = "run.sh", "about.json"

RUNTIMES: Mapping[tuple[int, int], tuple[int, int]] = {
    (3, 11): (2, 26), (3, 12): (2, 34), (3, 13): (2, 34), (3, 14): (2, 34),
}  # fmt: skip
"""Python's release of a runtime -> the release of its glibc (Lambda developer guide, runtimes: Amazon Linux 2, and 2023
from 3.12 on; read 2026-11-29)."""

ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
"""A machine's name of its architecture -> Lambda's."""

WHEELS = "SCALETOZERO_GATEWAY_WHEELS"
"""The variable that names a folder of wheels for Lambda's platform."""

MOST_BYTES = 250 * 2**20
"""Of a function's code with its layers, unpacked (Lambda quotas)."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MANYLINUX = re.compile(r"manylinux(?:_(\d+)_(\d+)|(1|2010|2014))_(x86_64|aarch64)")
_FORMER = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
_LEFT_OUT = frozenset(("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "entry_points.txt", "uv_cache.json"))


@dataclass(frozen=True)
class Package:
    """A function's code.

    Attributes:
        path: the zip file.
        runtime: Lambda's name of its runtime.
        architecture: Lambda's name of its architecture.
        distributions: library -> version.
    """

    path: Path
    runtime: str
    architecture: str
    distributions: Mapping[str, str]


def packages_folder() -> Path:
    """Where packages are kept: in `$SCALETOZERO_CACHE`, or else the user's cache folder."""
    return cache_folder() / "gateway"


def read_package(path: Path) -> Package:
    """A package that `build_package` made.

    Raises:
        FindingsError: it is not one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(ABOUT))
        return Package(path, about["runtime"], about["architecture"], about["distributions"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise refuse(
            "package",
            "must be a zip file that this distribution made of its program",
            f"{path} ({type(error).__name__})",
            "Lambda would have nothing to run",
            "remove it, so that one is made from what is installed",
        ) from None


def build_package(folder: Path, machine: str | None = None) -> Package:
    """Makes the package, if the folder has not got it yet.

    Args:
        folder: where packages are kept, by what is in them.
        machine: the name of the architecture, as `platform.machine` has it. Default: this one's.

    Raises:
        FindingsError: the extra `gateway` is not installed, or a library not for Lambda.
    """
    runtime, architecture = _runtime(), _architecture(machine)
    libraries = _libraries()
    about = {
        "runtime": runtime,
        "architecture": architecture,
        "distributions": {name: each.version for name, each in sorted(libraries.items())},
    }
    files: dict[str, bytes] = {}
    for name, library in sorted(libraries.items()):
        files |= _files(name, library, architecture)
    files |= dict(_own())
    files[ABOUT] = json.dumps(about, sort_keys=True, indent=1).encode()
    files[HANDLER] = START.encode()
    path = folder / f"gateway-{_digest(files)[:16]}.zip"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, files | _bytecode(files))
    return Package(path, runtime, architecture, about["distributions"])


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256(sys.version.encode())
    for name, content in sorted(files.items()):
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def _runtime() -> str:
    version = sys.version_info[:2]
    if version not in RUNTIMES:
        raise refuse(
            "gateway.function",
            "must be packaged by a Python that Lambda has",
            f"Python {version[0]}.{version[1]}",
            "compiled libraries of another release would not be found",
            f"use one of {', '.join(f'{major}.{minor}' for major, minor in RUNTIMES)}",
        )
    return f"python{version[0]}.{version[1]}"


def _architecture(machine: str | None) -> str:
    import platform

    found = ARCHITECTURES.get((machine or platform.machine()).lower())
    if found is None:
        rule, then = "must be packaged for x86_64 or arm64", "Lambda has no others"
        raise refuse("gateway.function", rule, machine or platform.machine(), then)
    return found


def _libraries() -> dict[str, metadata.Distribution]:
    """Name -> distribution, of the libraries and all that they require.

    Raises:
        FindingsError: one is not installed.
    """
    from packaging.requirements import Requirement  # which pulumi requires
    from packaging.utils import canonicalize_name

    found: dict[str, metadata.Distribution] = {}
    wanted: list[str] = list(LIBRARIES)
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise refuse(
                "gateway.function",
                f"requires the extra `{EXTRA}`",
                f"without {name}",
                "the function's code cannot be made",
                f'pip install "scaletozero[{EXTRA}]"',
            ) from None
        # Markers are those of Lambda: Linux, and the release of this Python.
        platform: dict[str, str] = {
            "extra": "",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
        }
        required = map(Requirement, found[name].requires or ())
        wanted += [each.name for each in required if each.marker is None or each.marker.evaluate(platform)]
    return found


def _files(name: str, library: metadata.Distribution, architecture: str) -> dict[str, bytes]:
    """What of a library the function needs: path -> content.

    Raises:
        FindingsError: it is compiled, and not for Lambda.
    """
    tags = re.findall(r"^Tag: (\S+)", library.read_text("WHEEL") or "", re.MULTILINE)
    if all(each.endswith("-any") for each in tags) or any(_fits(each, architecture) for each in tags):
        files = [each for each in library.files or () if _needed(each)]
        found = {each.as_posix(): Path(str(each.locate())).read_bytes() for each in files}
        return found if name != "botocore" else {path: _trimmed(path, content) for path, content in found.items()}
    return _from_wheel(name, library.version, architecture)


def _fits(tag: str, architecture: str) -> bool:
    """Whether a wheel with this tag runs on Lambda."""
    found = _MANYLINUX.search(tag.rpartition("-")[2])
    if found is None or ARCHITECTURES[found[4]] != architecture:
        return False
    glibc = _FORMER[found[3]] if found[3] else (int(found[1]), int(found[2]))
    return glibc <= RUNTIMES[sys.version_info[0], sys.version_info[1]]


def _from_wheel(name: str, version: str, architecture: str) -> dict[str, bytes]:
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
    folder, python = os.environ.get(WHEELS), f"cp{sys.version_info[0]}{sys.version_info[1]}"
    begins = f"{name.replace('-', '_')}-{version}-"
    for path in sorted(Path(folder).glob(f"{begins}*.whl")) if folder else ():
        if f"-{python}-" in path.name and any(
            _fits(each, architecture) for each in path.stem.split("-")[-1].split(".")
        ):
            with zipfile.ZipFile(path) as wheel:
                return {each: wheel.read(each) for each in wheel.namelist() if _needed(PurePosixPath(each))}
    raise refuse(
        "gateway.function",
        f"requires {name} {version} for Linux on {machine}",
        "one that is installed for another platform",
        "the function would not start",
        f"`pip download --no-deps --only-binary=:all: --platform manylinux2014_{machine} --python-version "
        f"{sys.version_info[0]}.{sys.version_info[1]} -d wheels {name}=={version}`, and set {WHEELS}=wheels",
    )


def _needed(path: PurePosixPath) -> bool:
    parts = path.parts
    if ".." in parts or path.is_absolute() or "__pycache__" in parts or path.suffix in (".pyc", ".pyi"):
        return False
    if path.parent.name.endswith(".dist-info"):
        return path.name not in _LEFT_OUT
    if parts[:2] == ("botocore", "data") and len(parts) > 3:
        return parts[2] in SERVICES
    return True


def _trimmed(path: str, content: bytes) -> bytes:
    """A file of botocore's data without what nobody reads here: addresses of other services, and descriptions. Each
    start reads all of it."""
    name = PurePosixPath(path).name
    if name == "endpoints.json":
        found = json.loads(content)
        for partition in found["partitions"]:
            services = partition["services"]
            partition["services"] = {each: services[each] for each in SERVICES.values() if each in services}
        return _compact(found)
    if name == "service-2.json.gz":
        return gzip.compress(_compact(_undescribed(json.loads(gzip.decompress(content)))), mtime=0)
    return content


def _undescribed(found: Any) -> Any:
    """A service's model without the descriptions; a member of that name has a shape and no text."""
    if isinstance(found, dict):
        return {
            name: _undescribed(each)
            for name, each in found.items()
            if name != "documentation" or isinstance(each, dict)
        }
    return [_undescribed(each) for each in found] if isinstance(found, list) else found


def _compact(found: Any) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()


def _own() -> Iterator[tuple[str, bytes]]:
    for package, parts in ROOMS.items():
        root = Path(str(resources.files(package)))
        for part in parts:
            found = [root / part] if part.endswith(".py") else sorted((root / part).rglob("*.py"))
            for path in found:
                yield f"{package}/{path.relative_to(root).as_posix()}", path.read_bytes()


def _bytecode(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The modules compiled: the folder of a function's code cannot be written to, so that each start would do it.

    In a process of its own, because what is compiled depends on what else the process has loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, content in files.items():
            if name.endswith(".py"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)
        command = [sys.executable, "-P", "-s", "-m", "compileall", "-q", "-s", folder, "-p", "/var/task"]
        # Of modules for another release of Python some do not compile, which are not imported either.
        subprocess.run(
            [*command, "--invalidation-mode", "unchecked-hash", folder],
            check=False,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.pyc")}


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise refuse("gateway.function", f"must unpack to at most {MOST_BYTES} bytes", size, "Lambda would refuse it")
    part = path.with_suffix(f".{os.getpid()}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o755 if name == HANDLER else 0o644) << 16
            archive.writestr(info, content, compresslevel=9)
    part.replace(path)
