"""An environment, driven by the command line, on a cluster whose controllers act on what it declares."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import eventually
from gpu_environment import environment
from live import COLD, Live
from platform_team import OPERATORS
from small_checkpoint import small_checkpoint
from workbench import ROOT, Workbench

from scaletozero.sandbox import daemon


@pytest.fixture
def workbench(tmp_path: Path, live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """An empty project, whose cluster is the tests', with Deployments that say which operators there are."""
    (tmp_path / "stacks" / "environments").mkdir(parents=True)
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copy(ROOT / "stacks" / "__main__.py", tmp_path / "stacks")
    monkeypatch.setenv("KUBECONFIG", str(live.kubeconfig))
    for each in OPERATORS:
        live.api.apply(each)
    yield Workbench(tmp_path)
    daemon.stop(tmp_path / ".scaletozero")
    for each in OPERATORS:
        live.api.delete(each)


def test_requests_wake_what_was_deployed_and_a_new_model_rolls_out(
    live: Live, place: str, workbench: Workbench, tmp_path: Path
) -> None:
    live.space(place)
    live.pool(place)

    def declare(weights: bytes) -> None:
        block = {"namespace": place, "cluster": {"name": "prod", "s3_cidrs": ["10.0.0.0/16"]}}
        scaling = {"max": 2, "wake": 2, "idle_seconds": 15}
        artifact = small_checkpoint(tmp_path / "qwen", weights)
        placed = {"llm__placement": {"pool": place}, "llm__cold_start": COLD, "llm__scaling": scaling}
        workbench.declare(**environment(artifact, kubernetes=block, **placed))

    def state() -> dict[str, object]:
        return json.loads(workbench.run("status", "--json").stdout)["cluster"]["llm"]

    declare(b"w" * 1000)
    workbench.done("up")
    assert state() == {"status": "asleep", "replicas": 0, "ready": 0}
    assert not live.nodes(place)

    live.demand.request(place, "llm")
    before = {pod["metadata"]["name"] for pod in live.running(place, 2)}
    eventually(lambda: state() == {"status": "awake", "replicas": 2, "ready": 2}, every=1)
    # The program says 0 replicas to begin with; they are KEDA's by now.
    assert "nothing changes" in workbench.done("up")
    assert {pod["metadata"]["name"] for pod in live.running(place, 2)} == before

    declare(b"v" * 1000)
    workbench.done("up")
    after = live.running(place, 2)
    assert not before & {pod["metadata"]["name"] for pod in after}
    assert live.replicas(place) == 2

    live.demand.answer(place, "llm")
    live.gone(place, place)
    eventually(lambda: state() == {"status": "asleep", "replicas": 0, "ready": 0}, every=1)
    workbench.done("down")
    assert live.api.get(live.manifest("apps/v1", "Deployment", place, "llm")) is None
