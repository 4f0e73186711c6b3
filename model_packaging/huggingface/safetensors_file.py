"""safetensors files: fully checked, mapped instead of read, and written one tensor at a time.

The `safetensors` package accepts a repeated key (the last one wins) and writes only complete models from memory; this
module refuses the first and needs memory for a single tensor. The format:
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from model_packaging.findings import Finding, FindingsError, refuse

MAX_HEADER_BYTES = 100_000_000
"""The reference implementation's own limit (MAX_HEADER_SIZE in safetensors/src/tensor.rs)."""

DTYPES: Mapping[str, np.dtype] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
"""The format's dtype codes and their numpy types."""

# A float is not finite if these bits are all set: the exponent; in E4M3, which has no infinity, all but the sign.
_NOT_FINITE: Mapping[str, tuple[type, int]] = {
    "F64": (np.uint64, 0x7FF0_0000_0000_0000),
    "F32": (np.uint32, 0x7F80_0000),
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
    "F8_E4M3": (np.uint8, 0x7F),
    "F8_E5M2": (np.uint8, 0x7C),
}
_SCAN_ELEMENTS = 1 << 20
_NEVER_LOADS = "no runtime would load the same tensors from it"


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of a file: its `dtype` code, its `shape`, and its bytes `start:stop` in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class SafetensorsFile:
    """A checked file. `tensors` are in the order of their bytes; `metadata` is the header's free text."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]

    @cached_property
    def _map(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def tensor(self, name: str) -> np.ndarray:
        """The tensor as a read-only view of the mapped file: nothing is copied, and pages are read on access."""
        info = self.tensors[name]
        dtype = DTYPES[info.dtype]
        if not info.elements:
            return np.empty(info.shape, dtype)
        return np.frombuffer(self._map, dtype, info.elements, info.start).reshape(info.shape)


def read(path: Path) -> SafetensorsFile:
    """Checks the header of `path` against the file. Returns the tensors, which are not read yet.

    Raises:
        FindingsError: it is not a safetensors file, its header is too long, is not JSON of the format or has a key
            twice, a dtype is unknown, or the tensors overlap, leave a gap or miss the end of the file.
    """
    size = path.stat().st_size if path.is_file() else 0
    if size < 8:
        raise refuse(str(path), "must be a safetensors file, led by the length of its header", f"{size} bytes")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise refuse(str(path), f"the header must be at most {MAX_HEADER_BYTES} bytes", length, _NEVER_LOADS)
        if 8 + length > size:
            raise refuse(str(path), "the header must be inside the file", f"{length} of {size - 8} bytes")
        header = _parse(path, file.read(length))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise refuse(str(path), "__metadata__ must map text to text", metadata)
    tensors, findings = [], []
    for name, entry in header.items():
        info = _entry(path, name, entry, 8 + length)
        (findings if isinstance(info, Finding) else tensors).append(info)
    tensors.sort(key=lambda info: (info.start, info.stop))
    findings += [] if findings else _gaps(path, tensors, 8 + length, size)
    if findings:
        raise FindingsError(findings)
    return SafetensorsFile(path, {info.name: info for info in tensors}, metadata)


def _parse(path: Path, header: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        if twice:
            raise refuse(str(path), "a key must be in the header only once", ", ".join(twice), _NEVER_LOADS)
        return dict(pairs)

    try:
        parsed = json.loads(header, object_pairs_hook=once)
    except FindingsError:
        raise
    except (ValueError, RecursionError) as error:
        then = "it is not a safetensors file, or it was truncated"
        raise refuse(str(path), "the header must be JSON", error, then) from error
    if not isinstance(parsed, dict):
        raise refuse(str(path), "the header must be a JSON object", type(parsed).__name__)
    return parsed


def _entry(path: Path, name: str, entry: Any, data: int) -> TensorInfo | Finding:
    where = f"{path}: {name}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return Finding(where, "a tensor must have dtype, shape and data_offsets, and nothing else", str(entry)[:200])
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        return Finding(where, f"the dtype must be one of {', '.join(DTYPES)}", str(dtype))
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
        return Finding(where, "shape and data_offsets must be whole numbers, not negative", f"{shape}, {offsets}"[:200])
    start, stop = offsets
    if stop - start != math.prod(shape) * DTYPES[dtype].itemsize:
        return Finding(
            where, f"{dtype} of shape {shape} must take exactly its bytes", f"{stop - start} bytes", _NEVER_LOADS
        )
    return TensorInfo(name, dtype, tuple(shape), data + start, data + stop)


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _gaps(path: Path, tensors: list[TensorInfo], data: int, size: int) -> list[Finding]:
    findings, at = [], data
    for info in tensors:
        if info.start != at:
            kind = "overlap" if info.start < at else "leave a gap"
            rule = "tensors must follow one another without overlap or gap"
            findings.append(
                Finding(f"{path}: {info.name}", rule, f"{kind} of {abs(info.start - at)} bytes", _NEVER_LOADS)
            )
        at = max(at, info.stop)
    if not findings and at != size:
        kind = "short of its tensors, it was truncated" if at > size else "more than its tensors, which could hide data"
        findings.append(
            Finding(str(path), "the tensors must fill the file to its end", f"{abs(at - size)} bytes {kind}")
        )
    return findings


def non_finite(file: SafetensorsFile) -> list[Finding]:
    """One finding for each tensor with a NaN or an infinity. Reads the complete file, a few MB at a time."""
    findings = []
    for info in file.tensors.values():
        if info.dtype not in _NOT_FINITE:
            continue
        unsigned, mask = _NOT_FINITE[info.dtype]
        bits = file.tensor(info.name).reshape(-1).view(unsigned)
        chunks = (bits[at : at + _SCAN_ELEMENTS] for at in range(0, bits.size, _SCAN_ELEMENTS))
        count = sum(int(np.count_nonzero((chunk & unsigned(mask)) == mask)) for chunk in chunks)
        if count:
            rule, then = "weights must be finite", "the model would return NaN"
            fix = "export it again from a checkpoint that did not diverge"
            findings.append(Finding(f"{file.path}: {info.name}", rule, f"{count} NaN or infinite values", then, fix))
    return findings


def write(
    path: Path,
    layout: Iterable[tuple[str, str, tuple[int, ...]]],
    tensor: Callable[[str], np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes the tensors (name, dtype code, shape) of `layout` reproducibly. `tensor` returns one array at a time.

    Widest dtype first, then by name, as the reference implementation orders them, so that every tensor is aligned. The
    file appears under its name only when it is complete.

    Raises:
        ValueError: `tensor` returned another dtype or shape than `layout` says.
        OSError: the disk is full, or the folder cannot be written; nothing is left behind.
    """
    entries = sorted(layout, key=lambda entry: (-DTYPES[entry[1]].itemsize, entry[0]))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    at = 0
    for name, dtype, shape in entries:
        stop = at + math.prod(shape) * DTYPES[dtype].itemsize
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, stop]}
        at = stop
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % 8)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(len(encoded).to_bytes(8, "little") + encoded)
            for name, dtype, shape in entries:
                array = tensor(name)
                if array.dtype != DTYPES[dtype] or array.shape != tuple(shape):
                    raise ValueError(f"{name} is {array.dtype}{array.shape}, not {dtype}{tuple(shape)}")
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
