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


@pytest.mark.parametrize(("over", "shown"), [("window", False), ("month", True), ("both", True)])
def test_the_month_is_shown_where_a_guard_measures_it(run, packaged, over: str, shown: bool) -> None:
    # There is a price of this region, without which nothing could be measured.
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1"
    same = {"artifact": str(packaged.path), "image": image, "memory_mb": 3072}
    guard = {"emails": ["team@example.com"], "callers": ["arn:aws:iam::123456789012:role/app"], "over": over}
    spending = {"cap_usd_per_month": 900, "endpoints": {"sentences": 450.5}, "enforce": "warn", "guard": guard}
    found = environment(region="us-east-1", endpoints={"sentences": same, "open": same}, spending=spending)
    done = run(lambda: declare_environment(found, Path("/")))
    body = json.loads(done.one(":Dashboard")["dashboardBody"])
    charts = [each["properties"] for each in body["widgets"] if each["type"] == "metric"]
    spent = [each for each in charts if each["title"] == "Spent this month"]
    assert len(spent) == shown
    for chart in spent:
        # The gauge's own metric, of the endpoint that has a cap.
        alarm = next(made.inputs for made in done.of(":MetricAlarm") if made.inputs.get("metricName") == "MonthToDate")
        rows = [row for row in chart["metrics"] if isinstance(row[0], str)]
        dimensions = [part for pair in sorted(alarm["dimensions"].items()) for part in pair]
        assert [row[:-1] for row in rows] == [[alarm["namespace"], alarm["metricName"], *dimensions]] * len(rows)
        assert chart["annotations"] == {"horizontal": [{"label": "cap", "value": 450.5}]}
        assert alarm["threshold"] <= 450.5


def test_an_environment_without_one_declares_none(run, packaged) -> None:
    endpoints = {"sentences": {"artifact": str(packaged.path), "image": IMAGE, "memory_mb": 3072}}
    found = environment(endpoints=endpoints, dashboard=False)
    assert run(lambda: declare_environment(found, Path("/"))).of(":Dashboard") == []


def test_a_dashboard_of_endpoints_on_a_cluster_alone_is_refused() -> None:
    with pytest.raises(FindingsError) as caught:
        environment(endpoints={"llm": GPU}, kubernetes=KUBERNETES)
    assert [found.path for found in caught.value.findings] == ["dashboard"]
