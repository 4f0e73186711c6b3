"""The dashboard of an environment: which of its endpoints are shown, and with what."""

import json
from pathlib import Path
from typing import Any

import pytest
from endpoint_declarations import IMAGE, REGION
from gpu_declarations import IMAGE as GPU_IMAGE
from gpu_declarations import cluster

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.settings import Environment

GPU = {"kind": "gpu", "artifact": "model", "image": GPU_IMAGE}
KUBERNETES = {"namespace": "models", "cluster": {key: value for key, value in cluster().items() if key != "region"}}


def environment(**changes: Any) -> Environment:
    return parse(Environment, {"region": REGION, "dashboard": True, **changes}, "")


def test_every_endpoint_on_sagemaker_is_shown_with_its_own_thresholds(run, packaged) -> None:
    same = {"artifact": str(packaged.path), "image": IMAGE}
    endpoints = {
        "sentences": {**same, "memory_mb": 3072, "scaling": {"min": 2}, "alarms": {"p99_ms": 250}},
        "documents": {**same, "kind": "asynchronous", "instance_type": "ml.g5.xlarge"},
    }
    done = run(lambda: declare_environment(environment(endpoints=endpoints), Path("/")))
    body = json.loads(done.one(":Dashboard")["dashboardBody"])
    texts = [each["properties"]["markdown"].splitlines()[0] for each in body["widgets"] if each["type"] == "text"]
    assert texts == ["# acme, dev", "## sentences", "## documents"]
    charts = [each["properties"] for each in body["widgets"] if each["type"] == "metric"]
    limits = [line["value"] for each in charts for line in each.get("annotations", {}).get("horizontal", ())]
    assert 250 in limits  # of the first; the second has no alarms
    assert {"Provisioned concurrency", "Queue"} <= {each["title"] for each in charts}
    names = {row[3] for each in charts for row in each["metrics"] if isinstance(row[0], str)}
    assert names == {"acme-dev-sentences", "acme-dev-documents-async"}


def test_an_environment_without_one_declares_none(run, packaged) -> None:
    endpoints = {"sentences": {"artifact": str(packaged.path), "image": IMAGE, "memory_mb": 3072}}
    found = environment(endpoints=endpoints, dashboard=False)
    assert run(lambda: declare_environment(found, Path("/"))).of(":Dashboard") == []


def test_a_dashboard_of_endpoints_on_a_cluster_alone_is_refused() -> None:
    with pytest.raises(FindingsError) as caught:
        environment(endpoints={"llm": GPU}, kubernetes=KUBERNETES)
    assert [found.path for found in caught.value.findings] == ["dashboard"]
