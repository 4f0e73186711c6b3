"""The phases of an engine's start, from lines as vLLM has written them."""

import pytest

from scaletozero.cold_start.engine_log import engine_phases

OLD = """
INFO 07-23 10:22:20 [default_loader.py:272] Loading weights took 3.22 seconds
INFO 07-23 10:22:20 [gpu_model_runner.py:1801] Model loading took 14.2488 GiB and 5.173644 seconds
INFO 03-23 05:02:56 [backends.py:144] Compiling a graph for general shape takes 27.31 s
INFO 03-23 05:03:04 [monitor.py:33] torch.compile takes 34.61 s in total
INFO 06-05 09:08:36 [gpu_model_runner.py:1933] Graph capturing finished in 31 secs, took 0.45 GiB
INFO 06-05 09:08:36 [core.py:167] init engine (profile, create kv cache, warmup model) took 77.64 seconds
"""
NEW = """
(Worker_TP0 pid=7) INFO [default_loader.py:384] Loading weights took 18.35 seconds
(Worker_TP1 pid=8) INFO [default_loader.py:384] Loading weights took 19.50 seconds
torch.compile took 42.18 s in total
Graph capturing finished in 18 secs, took 0.96 GiB
init engine took 70.62 s (compilation: 42.18 s)
"""


@pytest.mark.parametrize(
    ("log", "load", "expected"),
    [
        (OLD, 100, {"process": 19.14, "weights": 3.22, "compile": 34.61, "capture": 31, "warm-up": 12.03}),
        (NEW, 130, {"process": 39.88, "weights": 19.5, "compile": 42.18, "capture": 18, "warm-up": 10.44}),
        ("Loading weights took 2 seconds", 10, {"process": 8, "weights": 2}),
    ],
)
def test_the_phases_that_vllm_logs_add_up_to_the_load(log: str, load: float, expected: dict[str, float]) -> None:
    found = engine_phases(log, load)
    assert found == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(load)


@pytest.mark.parametrize("log", ["", "Server started.", "Loading weights took ages", "x" * 100_000])
def test_an_engine_that_logs_nothing_of_it_has_no_phases(log: str) -> None:
    assert engine_phases(log, 100) == {}


def test_phases_that_are_longer_than_the_start_are_not_of_it() -> None:
    assert engine_phases(OLD, 60) == {}
