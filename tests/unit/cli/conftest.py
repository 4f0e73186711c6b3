"""An endpoint on a cluster that `scaletozero bench` is asked about."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bench_cluster import Cluster
from gpu_environment import environment
from small_checkpoint import small_checkpoint


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    server = Cluster()
    content = {
        "clusters": [{"name": "prod", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "prod", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Path:
    small_checkpoint(tmp_path / "artifact")
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    declared = {"config": {"demo:environment": environment("artifact")}}
    (tmp_path / "Pulumi.local.yaml").write_text(yaml.safe_dump(declared))
    monkeypatch.chdir(tmp_path)
    return tmp_path
