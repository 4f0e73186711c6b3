"""YAML documents that are refused with a finding: never a traceback, never a wait."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.files import read_text, readable
from model_packaging.findings import FindingsError
from scaletozero.environment.yaml_file import LARGEST, parse_yaml, read_yaml

BILLION = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))


def refused(text: str) -> str:
    with pytest.raises(FindingsError) as error:
        parse_yaml(text, "file")
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "file:3: must have every key once, got a"),
        ("endpoints:\n  x: {a: 1}\n  x: {a: 2}\n", "file:3: must have every key once, got x"),
        ("1: a\n", 'a key must be a string; write "1"'),
        ("a: " + "[" * 5000, "nested at most 100 levels"),
        ("a: " + "[" * 200 + "]" * 200, "nested at most 100 levels"),
        ("a: " + "{a: " * 5000, "nested at most 100 levels"),
        ("a: &a [*a]\n", "nested at most 100 levels"),
        (BILLION, "at most 100,000 values"),
        ("a: [", "must be YAML"),
        ("a: .nan", "`.nan` is not a number"),
        ("a: \x00", "must be YAML"),
        ("a: 1\n---\nb: 2\n", "must be YAML"),
    ],
)
def test_a_document_that_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on: 1", {"on": 1}),
        ("a: 17:04", {"a": "17:04"}),
        ("a: 2026-02-30", {"a": "2026-02-30"}),
        (f"a: {'9' * 5000}", {"a": "9" * 5000}),
        (f"a: 0x{'f' * 5000}", {"a": f"0x{'f' * 5000}"}),
        ("a: 2026-11-27", {"a": "2026-11-27 00:00:00 +0000 UTC"}),
        ("", None),
    ],
)
def test_a_value(text: str, value: object) -> None:
    assert parse_yaml(text, "file") == value


@given(st.text(alphabet=st.sampled_from("abn01_-+.:eExo \n\t[]{},&*!|>'\"#%@?~<=Z\\"), max_size=60))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        parse_yaml(text, "file")
    except FindingsError as error:
        assert str(error).startswith("file")


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FindingsError, match="got a named pipe"):
        read_yaml(tmp_path / "pipe")


def test_a_device_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="got a device"):
        read_yaml(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "", "x/" * 3000])
def test_a_path_that_is_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="must be a readable text file") as error:
        readable(tmp_path / name)
    assert len(str(error.value)) < 500


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "large").write_text("#" * (LARGEST + 1))
    with pytest.raises(FindingsError, match="may have at most 1,000,000 bytes"):
        read_yaml(tmp_path / "large")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(FindingsError, match="must be a readable text file"):
        read_text(tmp_path / "binary", 10)
