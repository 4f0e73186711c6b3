"""The archive: the same bytes every time, and nothing dangerous comes out of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_packaging.artifact.archive import safe_extract, scan, write_archive
from model_packaging.findings import FindingsError
from model_packaging.magic import RUNS_CODE, sniff

NAMES = st.text("abcdefghijklmnop-_.0", min_size=1, max_size=20).filter(lambda name: name.strip(".") == name)
FOLDERS = st.dictionaries(NAMES, st.binary(max_size=200_000), min_size=1, max_size=5)


def folder_of(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def tar_of(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with gzip.open(path, "wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for info, content in entries:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(files=FOLDERS, level=st.sampled_from([0, 1, 6]))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], level: int) -> None:
    root = tmp_path_factory.mktemp("archive")
    folded = {name.casefold(): content for name, content in files.items() if sniff(content[:512]) not in RUNS_CODE}
    if not folded:
        return
    (root / "in").mkdir()
    folder_of(root / "in", folded)
    write_archive(root / "in", root / "a.tar.gz", level)
    written = safe_extract(root / "a.tar.gz", root / "out")
    assert {path.name: path.read_bytes() for path in (root / "out").iterdir()} == folded
    assert set(written) == set(folded)
    assert {each.path: (each.size, each.sha256) for each in scan(root / "a.tar.gz")} == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in folded.items()
    }


@pytest.mark.parametrize("level", [0, 6])
def test_other_tools_read_it(tmp_path: Path, level: int) -> None:
    (tmp_path / "in").mkdir()
    files = {"weights": bytes(range(256)) * 2000, "code/card.json": b"{}", "empty": b""}
    folder_of(tmp_path / "in", files)
    write_archive(tmp_path / "in", tmp_path / "a.tar.gz", level)
    with tarfile.open(tmp_path / "a.tar.gz", "r:gz") as tar:
        assert {each.name: tar.extractfile(each).read() for each in tar} == files  # type: ignore[union-attr]


@pytest.mark.parametrize("level", [0, 6])
def test_the_same_files_give_the_same_bytes_whatever_their_times_and_order(tmp_path: Path, level: int) -> None:
    for name, order in (("one", ["b", "a"]), ("two", ["a", "b"])):
        (tmp_path / name).mkdir()
        for file in order:
            (tmp_path / name / file).write_bytes(file.encode() * 100)
    (tmp_path / "two" / "a").chmod(0o600)
    for name in ("one", "two"):
        write_archive(tmp_path / name, tmp_path / f"{name}.tar.gz", level)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_small_files_come_first(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    folder_of(tmp_path / "in", {"a-weights": bytes(5000), "z-card": b"{}"})
    write_archive(tmp_path / "in", tmp_path / "a.tar.gz", 0)
    assert [each.path for each in scan(tmp_path / "a.tar.gz")] == ["z-card", "a-weights"]


BAD = {
    "absolute": (entry("/etc/cron.d/x"), "relative, plain and inside"),
    "parent": (entry("../x"), "relative, plain and inside"),
    "parent in the middle": (entry("a/../../x"), "relative, plain and inside"),
    "backslash": (entry("..\\x"), "relative, plain and inside"),
    "drive": (entry("C:x"), "relative, plain and inside"),
    "control character": (entry("a\nb"), "relative, plain and inside"),
    "symbolic link": (entry("x", tarfile.SYMTYPE, "/etc/passwd"), "a symbolic link"),
    "hard link": (entry("x", tarfile.LNKTYPE, "y"), "a hard link"),
    "character device": (entry("x", tarfile.CHRTYPE), "a device"),
    "block device": (entry("x", tarfile.BLKTYPE), "a device"),
    "pipe": (entry("x", tarfile.FIFOTYPE), "a pipe"),
    "extension header": (entry("x", tarfile.XHDTYPE), "an entry of type"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_dangerous_entry_is_refused_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    info, says = BAD[case]
    archive = tar_of(tmp_path / "bad.tar.gz", (entry("fine"), b"fine"), (info, b""))
    with pytest.raises(FindingsError, match=says):
        safe_extract(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tar.gz"]


@pytest.mark.parametrize("names", [("a", "a"), ("a", "A"), ("a", "a/b"), ("a/b", "a"), ("./a", "a")])
def test_a_path_that_comes_twice_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = tar_of(tmp_path / "bad.tar.gz", *((entry(name), b"x") for name in names))
    with pytest.raises(FindingsError, match="appears twice"):
        safe_extract(archive, tmp_path / "out")


def test_a_folder_and_files_in_it_are_fine(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", (entry("code", tarfile.DIRTYPE), b""), (entry("code/x"), b"1"))
    safe_extract(archive, tmp_path / "out")
    assert (tmp_path / "out/code/x").read_bytes() == b"1"


def test_a_bomb_is_refused_by_its_size(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "bomb.tar.gz", (entry("zeros"), bytes(1_000_000)))
    with pytest.raises(FindingsError, match="may unpack to at most"):
        safe_extract(archive, tmp_path / "out", max_bytes=500_000)
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_refused_by_its_count(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "bomb.tar.gz", *((entry(f"f{index}"), b"") for index in range(20)))
    with pytest.raises(FindingsError, match="may unpack to at most"):
        safe_extract(archive, tmp_path / "out", max_files=10)


def test_endless_padding_after_the_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb") as out:
        out.write(bytes(3_000_000))
    with pytest.raises(FindingsError, match="there is data after its end"):
        safe_extract(path, tmp_path / "out", max_bytes=1_000_000)


@pytest.mark.parametrize("level", [0, 6])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused(tmp_path: Path, level: int, share: float) -> None:
    (tmp_path / "in").mkdir()
    folder_of(tmp_path / "in", {"weights": hashlib.sha512(b"x").digest() * 5000, "card": b"{}"})
    write_archive(tmp_path / "in", tmp_path / "a.tar.gz", level)
    whole = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: max(11, int(len(whole) * share))])
    with pytest.raises(FindingsError, match="truncated"):
        safe_extract(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    folder_of(tmp_path / "in", {"weights": bytes(100_000)})
    write_archive(tmp_path / "in", tmp_path / "a.tar.gz", 0)
    content = bytearray((tmp_path / "a.tar.gz").read_bytes())
    content[50_000] ^= 1
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(FindingsError, match="must be a complete gzip-compressed tar"):
        safe_extract(tmp_path / "a.tar.gz", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "says"), [(pickle.dumps([1]), "pickle"), (b"PK\x03\x04" + bytes(9), "zip"), (b"", "unknown")]
)
def test_something_that_is_not_an_archive_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "model.tar.gz").write_bytes(content)
    with pytest.raises(FindingsError, match=f"a {says} file"):
        safe_extract(tmp_path / "model.tar.gz", tmp_path / "out")


def test_a_pickle_inside_is_refused_whatever_its_name(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", (entry("model.onnx"), pickle.dumps({"weights": [1.0] * 100})))
    with pytest.raises(FindingsError, match="must not contain code that runs on load, got a pickle"):
        safe_extract(archive, tmp_path / "out")


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="must exist"):
        safe_extract(tmp_path / "none.tar.gz", tmp_path / "out")


def test_it_never_unpacks_over_something(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    archive = tar_of(tmp_path / "a.tar.gz", (entry("mine"), b"theirs"))
    with pytest.raises(FindingsError, match="new or empty"):
        safe_extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "keep"


def test_a_failed_write_leaves_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    folder_of(tmp_path / "in", {"weights": bytes(100)})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model_packaging.artifact.archive.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        write_archive(tmp_path / "in", tmp_path / "a.tar.gz", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
