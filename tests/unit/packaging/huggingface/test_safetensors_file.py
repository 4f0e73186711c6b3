"""Every way in which a safetensors file can lie about itself, and that an honest one comes back bit for bit."""

import json
import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.huggingface import safetensors_file


def raw(path: Path, header: object, data: bytes = b"") -> Path:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


def entry(start: int, stop: int, shape: object, dtype: object = "U8") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def rejected(path: Path) -> str:
    with pytest.raises(FindingsError) as error:
        safetensors_file.read(path)
    return str(error.value)


def save(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    codes = {dtype: code for code, dtype in safetensors_file.DTYPES.items()}
    layout = [(name, codes[array.dtype], array.shape) for name, array in tensors.items()]
    safetensors_file.write(path, layout, tensors.__getitem__)
    return path


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert "must be a safetensors file" in rejected(tmp_path / "a")


def test_a_missing_file(tmp_path: Path) -> None:
    assert "must be a safetensors file" in rejected(tmp_path / "a")


def test_a_header_past_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes((100_000_001).to_bytes(8, "little") + b"{}")
    assert "at most 100000000 bytes, got 100000001" in rejected(tmp_path / "a")


def test_a_header_longer_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes((64).to_bytes(8, "little") + b"{}")
    assert "must be inside the file, got 64 of 2 bytes" in rejected(tmp_path / "a")


def test_a_header_that_is_no_json(tmp_path: Path) -> None:
    assert "must be JSON" in rejected(raw(tmp_path / "a", b"PK\x03\x04\xff"))


def test_a_header_nested_to_exhaustion(tmp_path: Path) -> None:
    assert "must be JSON" in rejected(raw(tmp_path / "a", b"[" * 200_000))


def test_a_header_that_is_no_object(tmp_path: Path) -> None:
    assert "must be a JSON object, got list" in rejected(raw(tmp_path / "a", []))


def test_a_key_given_twice(tmp_path: Path) -> None:
    one = json.dumps(entry(0, 1, [1]))
    path = raw(tmp_path / "a", f'{{"w":{one},"w":{one}}}'.encode(), b"\0")
    assert "a key must be in the header only once, got w" in rejected(path)


def test_metadata_that_is_no_text(tmp_path: Path) -> None:
    assert "__metadata__ must map text to text" in rejected(raw(tmp_path / "a", {"__metadata__": {"n": 1}}))


def test_an_unknown_key_in_an_entry(tmp_path: Path) -> None:
    path = raw(tmp_path / "a", {"w": entry(0, 1, [1]) | {"load": "os.system"}}, b"\0")
    assert "and nothing else" in rejected(path)


@pytest.mark.parametrize("dtype", ["Q4", None, ["U8"]])
def test_an_unknown_dtype(tmp_path: Path, dtype: object) -> None:
    assert "the dtype must be one of F64" in rejected(raw(tmp_path / "a", {"w": entry(0, 1, [1], dtype)}, b"\0"))


@pytest.mark.parametrize("shape", [[-1], [1.0], [True], "1", None])
def test_a_shape_of_no_whole_numbers(tmp_path: Path, shape: object) -> None:
    assert "must be whole numbers" in rejected(raw(tmp_path / "a", {"w": entry(0, 1, shape)}, b"\0"))


def test_a_size_that_is_not_the_shape(tmp_path: Path) -> None:
    assert "must take exactly its bytes, got 1 bytes" in rejected(raw(tmp_path / "a", {"w": entry(0, 1, [2])}, b"\0"))


def test_overlapping_tensors(tmp_path: Path) -> None:
    path = raw(tmp_path / "a", {"v": entry(0, 2, [2]), "w": entry(1, 3, [2])}, b"\0" * 3)
    assert "w: tensors must follow one another without overlap or gap, got overlap of 1 bytes" in rejected(path)


def test_a_gap_between_tensors(tmp_path: Path) -> None:
    path = raw(tmp_path / "a", {"v": entry(0, 1, [1]), "w": entry(3, 4, [1])}, b"\0" * 4)
    assert "got leave a gap of 2 bytes" in rejected(path)


def test_a_file_cut_short(tmp_path: Path) -> None:
    assert "1 bytes short of its tensors" in rejected(raw(tmp_path / "a", {"w": entry(0, 2, [2])}, b"\0"))


def test_bytes_after_the_last_tensor(tmp_path: Path) -> None:
    assert "3 bytes more than its tensors" in rejected(raw(tmp_path / "a", {"w": entry(0, 1, [1])}, b"\0PK\3"))


def test_all_findings_at_once(tmp_path: Path) -> None:
    path = raw(tmp_path / "a", {"v": entry(0, 1, [1], "Q4"), "w": entry(1, 2, [-1])}, b"\0\0")
    assert rejected(path).count("\n") == 1


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"])
def test_a_weight_that_is_not_a_number(tmp_path: Path, dtype: str) -> None:
    good, bad = np.ones(5), np.array([1, math.nan, 2, math.nan])
    numpy = safetensors_file.DTYPES[dtype]
    file = safetensors_file.read(save(tmp_path / "a", {"good": good.astype(numpy), "bad": bad.astype(numpy)}))
    [finding] = safetensors_file.non_finite(file)
    assert "bad: weights must be finite, got 2 NaN" in str(finding)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_an_infinite_weight(tmp_path: Path, dtype: type) -> None:
    file = safetensors_file.read(save(tmp_path / "a", {"w": np.array([1, -math.inf]).astype(dtype)}))
    assert "1 NaN or infinite" in str(safetensors_file.non_finite(file)[0])


def test_the_largest_numbers_are_finite(tmp_path: Path) -> None:
    floats = [safetensors_file.DTYPES[code] for code in ("F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")]
    tensors = {str(dtype): np.array([ml_dtypes.finfo(dtype).max], dtype) for dtype in floats}
    assert safetensors_file.non_finite(safetensors_file.read(save(tmp_path / "a", tensors))) == []


arrays = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
        lambda name: name != "__metadata__"
    ),
    st.tuples(st.sampled_from(sorted(safetensors_file.DTYPES)), st.lists(st.integers(0, 4), max_size=3)),
    max_size=6,
)


@settings(max_examples=60)
@given(arrays, st.integers(0, 2**32 - 1))
def test_what_is_written_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, shapes: dict, seed: int
) -> None:
    random = np.random.default_rng(seed)
    tensors = {}
    for name, (code, shape) in shapes.items():
        dtype = safetensors_file.DTYPES[code]
        data = random.integers(0, 2 if code == "BOOL" else 256, math.prod(shape) * dtype.itemsize, np.uint8)
        tensors[name] = data.view(dtype).reshape(shape)
    folder = tmp_path_factory.mktemp("written")
    first = save(folder / "first", tensors)
    second = save(folder / "second", dict(reversed(tensors.items())))
    assert first.read_bytes() == second.read_bytes()
    file = safetensors_file.read(first)
    assert {name: file.tensor(name).tobytes() for name in file.tensors} == {k: v.tobytes() for k, v in tensors.items()}


def test_the_reference_implementation_reads_it(tmp_path: Path) -> None:
    tensors = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3, dtype=np.int8)}
    loaded = safetensors.numpy.load_file(save(tmp_path / "a", tensors))
    assert {name: array.tolist() for name, array in loaded.items()} == {k: v.tolist() for k, v in tensors.items()}


def test_it_reads_what_the_reference_implementation_writes(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"w": np.arange(6.0), "b": np.arange(3)}, tmp_path / "a", {"format": "np"})
    file = safetensors_file.read(tmp_path / "a")
    assert file.tensor("w").tolist() == [0, 1, 2, 3, 4, 5]
    assert file.metadata == {"format": "np"}
    assert not file.tensor("w").flags.writeable


def test_a_wrong_tensor_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="w is float64"):
        safetensors_file.write(tmp_path / "a", [("w", "F32", (1,))], lambda _: np.zeros(1))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    def full(_: str) -> np.ndarray:
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_bytes(b"the last good one")
    with pytest.raises(OSError, match="No space left"):
        safetensors_file.write(tmp_path / "a", [("w", "F32", (1,))], full)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the last good one"]
