"""What a start does at the same time: nothing is loaded before it is verified, and errors arrive where they belong."""

import hashlib
import json
import mmap
import threading
from pathlib import Path
from typing import Any

import pytest

from model_packaging.serving import card as cards
from model_packaging.serving import runtime, start
from model_packaging.serving.ahead import Ahead


def test_work_ahead_gives_its_result_and_its_error_to_who_asks() -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        assert go.wait(60)
        return "done"

    ahead = Ahead(work)
    assert begun.wait(60), "it runs before anybody asks"
    go.set()
    assert (ahead.result(), ahead.result()) == ("done", "done")
    failed = Ahead(lambda: [][0])
    with pytest.raises(IndexError):
        failed.result()


@pytest.mark.parametrize("size", [0, 1, mmap.PAGESIZE, mmap.PAGESIZE + 1, 3 * mmap.PAGESIZE])
def test_a_file_is_hashed_in_windows(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "WINDOW", mmap.PAGESIZE)
    content = bytes(index * 7 % 251 for index in range(size))
    (tmp_path / "weights").write_bytes(content)
    recorded = {"size": size, "sha256": hashlib.sha256(content).hexdigest()}
    card = {"schema": cards.CARD_SCHEMA, "files": {"weights": recorded}}
    (tmp_path / cards.CARD).write_text(json.dumps(card))
    assert cards.verify(tmp_path) == card
    if size:
        (tmp_path / "weights").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(cards.NotServableError, match="sha256 differs"):
            cards.verify(tmp_path)


def test_a_file_that_was_changed_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(start, "load_tokenizer", lambda *_: loaded.append("tokenizer"))
    monkeypatch.setattr(runtime.Runtime, "load", lambda *_: loaded.append("graph"))
    recorded: dict[str, Any] = {"size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    card = {"schema": cards.CARD_SCHEMA, "files": {"t.json": recorded}, "tokenizer": {"file": "t.json"}}
    (tmp_path / cards.CARD).write_text(json.dumps(card))
    (tmp_path / "t.json").write_bytes(b"[]")
    with pytest.raises(cards.NotServableError, match="sha256 differs"):
        start.start(tmp_path, 1, lambda: loaded.append("server"))
    assert loaded == []
