"""The tar.gz with a model: written reproducibly, and read as untrusted input.

Standard library only: the sandbox and the serving container unpack with it.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from model_packaging.findings import FindingsError, refuse
from model_packaging.magic import HEAD_BYTES, RUNS_CODE, sniff
from model_packaging.serving.limits import DISK_BYTES as MAX_BYTES

BLOCK = 512
CHUNK = 1 << 20
STORED_BLOCK = 65_535  # the longest stored block of RFC 1951, 3.2.4
MAX_FILES = 1000
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: no name, no time, unknown system


@dataclass(frozen=True)
class Member:
    """A regular file of an archive: its path, size in bytes, SHA-256 (hex), and its format by `magic.sniff`."""

    path: str
    size: int
    sha256: str
    kind: str


def write_archive(folder: Path, archive: Path, level: int) -> None:
    """Writes every file under `folder` to `archive`, small files first, without anything specific to this machine.

    Args:
        level: 0 stores (nothing to inflate on a cold start, and the bytes do not depend on zlib's version), 1-9
            deflate.
    """
    files = sorted(
        (path for path in folder.rglob("*") if path.is_file()),
        key=lambda path: (path.stat().st_size, path.relative_to(folder).as_posix()),
    )
    partial = archive.with_name(archive.name + ".partial")
    try:
        with partial.open("wb") as raw, _Gzip(raw, level) as out:
            for path in files:
                info = tarfile.TarInfo(path.relative_to(folder).as_posix())
                info.size, info.mode = path.stat().st_size, 0o644
                out.write(info.tobuf(tarfile.USTAR_FORMAT))
                with path.open("rb") as file:
                    shutil.copyfileobj(file, out, CHUNK)
                out.write(bytes(-info.size % BLOCK))
            out.write(bytes(2 * BLOCK))
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


class _Gzip:
    """A gzip stream whose header has no time and no name. Level 0 is written here, block by block."""

    def __init__(self, raw: BinaryIO, level: int) -> None:
        self._raw, self._crc, self._size, self._pending = raw, 0, 0, b""
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS) if level else None
        raw.write(GZIP_HEADER)

    def write(self, data: bytes) -> int:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        if self._deflate:
            self._raw.write(self._deflate.compress(data))
        else:
            data = self._pending + data
            whole = len(data) - len(data) % STORED_BLOCK
            for start in range(0, whole, STORED_BLOCK):
                self._stored(data[start : start + STORED_BLOCK], last=False)
            self._pending = data[whole:]
        return len(data)

    def _stored(self, data: bytes, *, last: bool) -> None:
        self._raw.write(struct.pack("<BHH", last, len(data), len(data) ^ 0xFFFF))
        self._raw.write(data)

    def __enter__(self) -> _Gzip:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        if self._deflate:
            self._raw.write(self._deflate.flush())
        else:
            self._stored(self._pending, last=True)
        self._raw.write(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))


def scan(archive: Path, *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> tuple[Member, ...]:
    """Reads `archive` to its end and checks it by the rules of `safe_extract`. Returns its files; writes nothing.

    Raises:
        FindingsError: as `safe_extract`.
    """
    return tuple(_read(archive, None, max_bytes, max_files))


def safe_extract(
    archive: Path, into: Path, *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES
) -> tuple[str, ...]:
    """Unpacks `archive` into the new or empty folder `into`. After an error the folder is empty.

    Only regular files and folders with relative paths and plain headers (ustar, or GNU without extensions) are
    accepted.

    Args:
        max_bytes: maximum number of unpacked bytes, including headers.
        max_files: maximum number of entries.

    Returns:
        The paths of the written files, in the order of the archive.

    Raises:
        FindingsError: there is no archive; it is not a gzip file; it is truncated or damaged; it has a link, device or
            extension header, a path that is absolute, leaves the folder, is repeated or clashes with another, a pickle
            or a program; it exceeds a limit; there is no space.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise refuse(
            str(into),
            "the folder to unpack into must be new or empty",
            "something is there",
            "its files would mix with the model's",
            "name another folder",
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{into.name}-", dir=into.parent) as temporary:
        partial = Path(temporary) / "model"
        partial.mkdir()
        try:
            written = tuple(each.path for each in _read(archive, partial, max_bytes, max_files))
        except OSError as error:
            raise refuse(
                str(into),
                "the model must fit here",
                error.strerror or str(error),
                "",
                "free space or name another folder",
            ) from error
        if into.exists():
            into.rmdir()
        partial.rename(into)
    return written


def _read(archive: Path, into: Path | None, max_bytes: int, max_files: int) -> Iterator[Member]:
    seen: set[str] = set()
    folders: set[str] = set()
    with _unzipped(archive) as stream:
        count = total = 0
        while info := _next_header(stream, archive):
            count += 1
            total += BLOCK + info.size
            if count > max_files or total > max_bytes:
                raise refuse(
                    f"{archive}",
                    f"may unpack to at most {max_files} entries and {max_bytes} bytes",
                    f"more, at {info.name!r}",
                    "it would fill the disk of the container",
                    "package the model again",
                )
            path = _safe_name(info, archive, into or archive.parent)
            _no_clash(path, info, archive, seen, folders)
            if info.isdir():
                if into:
                    (into / path).mkdir(parents=True, exist_ok=True)
                continue
            yield _copy_member(stream, info, path, archive, into)
        while rest := stream.read(CHUNK):
            total += len(rest)
            if rest.strip(b"\0") or total > max_bytes:
                raise _damaged(archive, "there is data after its end")


@contextmanager
def _unzipped(archive: Path) -> Iterator[BinaryIO]:
    if archive.exists() and not archive.is_file():
        raise refuse(str(archive), "the archive must be a file", "a folder, a pipe or a device")
    try:
        raw = archive.open("rb")
    except OSError as error:
        raise refuse(
            str(archive), "the archive must exist and be readable", error.strerror or "", "", "package the model first"
        ) from error
    with raw:
        kind = sniff(raw.read(HEAD_BYTES))
        if kind != "gzip":
            raise refuse(
                str(archive),
                "must be a gzip-compressed tar",
                f"a {kind} file",
                RUNS_CODE.get(kind, "SageMaker would refuse it"),
                "pass the model.tar.gz that `package` wrote",
            )
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
            try:
                yield stream  # type: ignore[misc]
            except EOFError as error:
                raise _damaged(archive, "it ends early (truncated)") from error
            except (gzip.BadGzipFile, zlib.error) as error:
                raise _damaged(archive, str(error)) from error


def _next_header(stream: BinaryIO, archive: Path) -> tarfile.TarInfo | None:
    block = stream.read(BLOCK)
    if len(block) == BLOCK and not block.strip(b"\0"):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        early = len(block) < BLOCK
        raise _damaged(archive, "it ends early (truncated)" if early else f"a bad tar header: {error}") from error
    if not (info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.isdir()) or info.size < 0:
        what = {
            tarfile.SYMTYPE: "a symbolic link",
            tarfile.LNKTYPE: "a hard link",
            tarfile.CHRTYPE: "a device",
            tarfile.BLKTYPE: "a device",
            tarfile.FIFOTYPE: "a pipe",
        }.get(info.type, f"an entry of type {info.type!r}")
        raise refuse(
            f"{archive}: {info.name!r}",
            "must contain only regular files and folders",
            what,
            "it could write or read outside the model's folder",
            "package the model again",
        )
    return info


def _safe_name(info: tarfile.TarInfo, archive: Path, into: Path) -> str:
    name = info.name.rstrip("/") if info.isdir() else info.name
    name = name.removeprefix("./")
    parts = name.split("/")
    bad = (
        not name
        or any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts)
        or any(ord(character) < 32 or character in "\\:" for character in name)
    )
    if not bad:
        try:
            tarfile.data_filter(info, str(into))
        except tarfile.FilterError:
            bad = True
    if bad:
        raise refuse(
            f"{archive}: {info.name!r}",
            "paths must be relative, plain and inside the archive",
            repr(info.name),
            "it would write outside the model's folder",
            "package the model again",
        )
    return name


def _no_clash(path: str, info: tarfile.TarInfo, archive: Path, seen: set[str], folders: set[str]) -> None:
    key = path.casefold()
    parts = key.split("/")
    parents = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    is_folder = info.isdir()
    if (not is_folder and (key in seen or key in folders)) or (is_folder and key in seen) or parents & seen:
        raise refuse(
            f"{archive}: {path!r}",
            "every path may appear once",
            "it appears twice",
            "which one is served would depend on the tool that unpacks it",
            "package the model again",
        )
    folders |= parents | ({key} if is_folder else set())
    if not is_folder:
        seen.add(key)


def _copy_member(stream: BinaryIO, info: tarfile.TarInfo, path: str, archive: Path, into: Path | None) -> Member:
    # When a model is served, the server checks the digests: hashing here would only lengthen the start.
    digest, left, kind = None if into else hashlib.sha256(), info.size, ""
    target = None
    if into:
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        target = (into / path).open("xb")
    try:
        while left or not kind:
            data = stream.read(min(CHUNK, left)) if left else b""
            if left and not data:
                raise _damaged(archive, "it ends early (truncated)")
            if not kind:
                kind = sniff(data[:HEAD_BYTES])
                if kind in RUNS_CODE:
                    raise refuse(
                        f"{archive}: {path!r}",
                        "must not contain code that runs on load",
                        f"a {kind} file",
                        RUNS_CODE[kind],
                        "package an ONNX or safetensors model",
                    )
            left -= len(data)
            if digest:
                digest.update(data)
            if target:
                target.write(data)
    finally:
        if target:
            target.close()
    padding = -info.size % BLOCK
    if len(stream.read(padding)) != padding:
        raise _damaged(archive, "it ends early (truncated)")
    return Member(path, info.size, digest.hexdigest() if digest else "", kind)


def _damaged(archive: Path, how: str) -> FindingsError:
    return refuse(
        str(archive),
        "must be a complete gzip-compressed tar",
        how,
        "the endpoint would never become healthy",
        "download or package it again",
    )
