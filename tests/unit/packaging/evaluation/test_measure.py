"""What a fresh process that does not come up says: something about the model, or about the machine."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from model_packaging.evaluation.measure import NotReadyError, StartFailedError, start_once


def ends(monkeypatch: pytest.MonkeyPatch, status: int, words: str) -> None:
    def run(command: Any, **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, status, "", words)

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize(
    ("status", "words", "said"),
    [
        (-9, "", "exit status -9"),
        (1, "Traceback\nMemoryError\n", "MemoryError"),
        (1, "Traceback\nModuleNotFoundError: No module named 'onnxruntime'\n", "onnxruntime"),
    ],
)
def test_a_process_that_ends_without_a_word_on_the_model(
    monkeypatch: pytest.MonkeyPatch, status: int, words: str, said: str
) -> None:
    ends(monkeypatch, status, words)
    with pytest.raises(NotReadyError, match=said):
        start_once(Path("model"))


def test_a_process_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: Any, timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(NotReadyError, match="not ready within 180 s"):
        start_once(Path("model"))


def test_a_model_that_cannot_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, 1, "model_packaging.serving: the model in model cannot be loaded: no such operator\n")
    with pytest.raises(StartFailedError, match="no such operator") as caught:
        start_once(Path("model"))
    assert not isinstance(caught.value, NotReadyError)
