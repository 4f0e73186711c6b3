"""What the page is given: panels, spending, and why something cannot be read."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from live_page import DEPLOYED, allow, cloudwatch, environment, guarded, put, snapshots, source

from model_packaging.findings import refuse
from scaletozero.observability.metric_queries import ask
from scaletozero.observability.panels import Measure, Panel, Series
from scaletozero.page import snapshot as module
from scaletozero.page.reading import begin, read_panels
from scaletozero.page.snapshot import Snapshots, errors


@pytest.fixture
def client() -> Iterator[Any]:
    with cloudwatch() as made:
        yield made


def panels(snapshot: dict[str, Any], endpoint: str = "sentences") -> dict[str, dict[str, Any]]:
    (found,) = (each for each in snapshot["endpoints"] if each["name"] == endpoint)
    return {each["title"]: each for each in found["panels"]}


def values(panel: dict[str, Any]) -> dict[str, list[float]]:
    return {each["label"]: each["values"] for each in panel["series"]}


def test_calls_are_on_their_panels_in_the_panels_units(client: Any) -> None:
    put(client, "Invocations", 1, 1, 1)
    put(client, "Invocation5XXErrors", 1)
    put(client, "ModelLatency", 100_000, 200_000, 300_000)
    put(client, "ModelSetupTime", 2_000_000, minutes_ago=3)
    found = panels(snapshots(client).take())
    assert values(found["Requests"]) == {"all": [3], "invalid (4xx)": [], "failed (5xx)": [1]}
    assert values(found["Latency of the model"])["p50"] == [200]
    assert found["Latency of the model"]["limits"] == [{"label": "alarm: latency", "value": 250}]
    assert values(found["Time to start a container"])["p99"] == [2]
    # 0.6 s of work and 2 s of a start, of 2 GB, at 0.00002 USD a GB-second.
    assert values(found["Spent on requests in the time shown"])["at most"][-1] == pytest.approx(2.6 * 2 * 0.00002)
    json.dumps(snapshots(client).take(), allow_nan=False)


def test_spending_is_that_of_the_month_with_the_caps(client: Any) -> None:
    put(client, "ModelLatency", 250e6, 250e6)
    found = snapshots(client).take()
    own = next(each["spending"] for each in found["endpoints"] if each["name"] == "sentences")
    assert own["spent_usd"] == pytest.approx(0.02)
    assert (own["cap_usd"], own["left_usd"]) == (20, pytest.approx(19.98))
    assert own["usd_per_month_at_this_rate"] > own["spent_usd"]
    assert (found["spending"]["spent_usd"], found["spending"]["cap_usd"]) == (own["spent_usd"], 50)
    assert found["spending"]["error"] == "Without llm, which could not be read."


def test_the_month_has_its_provisioned_concurrency(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"
    warm = {"artifact": "artifacts/a", "image": image, "scaling": {"min": 1, "buffer": 0, "max": 5}}
    settings = environment(endpoints={"sentences": warm})
    deployed = {"sentences": DEPLOYED["sentences"]}
    # It is not at the service: that is said, and is not nothing.
    unknown = snapshots(client, settings, deployed).take()["endpoints"][0]["spending"]
    assert unknown["spent_usd"] is None
    assert "provisioned concurrency could not be read" in unknown["error"]

    made = datetime.now(UTC) - timedelta(hours=1)
    found = source(client, settings, deployed)
    answer = SimpleNamespace(describe_endpoint=lambda EndpointName: {"CreationTime": made})  # noqa: N803
    known = replace(found, client=lambda service, *_: answer if service == "sagemaker" else client)
    shown = Snapshots("local", lambda: known, known, minutes=60).take()["endpoints"][0]["spending"]
    # An hour of a unit of 2 GB; less at the beginning of a month, which begins anew.
    began = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    seconds = min(3600.0, (datetime.now(UTC) - began).total_seconds())
    assert shown["spent_usd"] == pytest.approx(seconds * 2 * 0.000005, rel=0.02, abs=0.0002)
    assert shown["error"] is None


def test_an_endpoint_under_a_guard_says_whether_it_is_closed(client: Any) -> None:
    guard = guarded()

    def states() -> dict[str, Any]:
        found = snapshots(client, guards={guard.endpoint: guard}).take()
        json.dumps(found, allow_nan=False)
        assert list(errors(found)) == []
        return {each["name"]: each["guard"] for each in found["endpoints"]}

    assert states() == {"sentences": {"state": "closed", "error": None}, "images": None, "llm": None}
    allow(guard)
    assert states()["sentences"] == {"state": "open", "error": None}
    client.put_metric_alarm(
        AlarmName=f"{guard.alarm}.month",
        Namespace="ScaleToZero/Spending",
        MetricName="MonthToDate",
        Statistic="Maximum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName=f"{guard.alarm}.month", StateValue="ALARM", StateReason="too much")
    assert states()["sentences"] == {"state": "closing", "error": None}


def test_a_guard_that_cannot_be_read_is_not_shown_as_open(client: Any) -> None:
    missing = replace(guarded(), roles=("nobody",))
    found = snapshots(client, guards={missing.endpoint: missing}).take()
    sentences = next(each for each in found["endpoints"] if each["name"] == "sentences")
    assert sentences["guard"]["state"] is None
    assert "NoSuchEntity" in sentences["guard"]["error"]
    assert sentences["spending"]["spent_usd"] is not None
    assert list(errors(found)) == [sentences["guard"]["error"]]


def test_an_endpoint_on_a_cluster_says_where_its_metrics_are(client: Any) -> None:
    (found,) = snapshots(client, deployed={"llm": DEPLOYED["llm"]}).take()["endpoints"]
    assert found["panels"] == []
    assert "Prometheus" in found["elsewhere"]
    assert found["spending"]["spent_usd"] is None


def test_an_endpoint_of_another_program_has_panels_without_alarms(client: Any) -> None:
    found = panels(snapshots(client, deployed={"other": DEPLOYED["sentences"]}).take(), "other")
    assert found["Latency of the model"]["limits"] == []
    assert "Spending on requests" in found


def test_a_panel_begins_with_one_of_its_own_periods(client: Any) -> None:
    put(client, "ModelSetupTime", 1, 1)
    found = panels(snapshots(client, minutes=10).take())["Cold starts"]
    assert values(found) == {"containers started for a request": [2]}
    assert datetime.fromisoformat(found["from"]).timestamp() % 3600 == 0
    assert found["from"] <= found["series"][0]["at"][0]


REFUSALS = [
    ("ThrottlingException", "Rate exceeded", "throttles GetMetricData"),
    ("AccessDenied", "no policy allows it", "Allow the caller cloudwatch:GetMetricData"),
    ("ExpiredToken", "it has expired", "not valid"),
    ("InternalServiceFault", "try later", "InternalServiceFault: try later"),
]


@pytest.mark.parametrize(("code", "message", "said"), REFUSALS)
def test_what_cloudwatch_refuses_is_said_and_is_not_zero(
    client: Any, monkeypatch: pytest.MonkeyPatch, code: str, message: str, said: str
) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "GetMetricData")
    monkeypatch.setattr(client, "get_paginator", _raising(error))
    found = snapshots(client).take()
    for panel in panels(found).values():
        assert said in panel["error"]
        assert message in panel["error"]
        assert all(not each["values"] for each in panel["series"])
    assert len(list(errors(found))) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "No AWS credentials were found"),
        (EndpointConnectionError(endpoint_url="https://monitoring"), "does not respond"),
    ],
)
def test_without_credentials_or_an_answer_spending_is_unknown_and_not_zero(
    client: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(client, "get_paginator", _raising(error))
    monkeypatch.setattr(client, "get_metric_statistics", _raising(error))
    found = snapshots(client).take()
    own = next(each["spending"] for each in found["endpoints"] if each["name"] == "sentences")
    assert said in own["error"]
    assert own["spent_usd"] is None
    assert found["spending"]["spent_usd"] is None
    assert all(said in each["error"] for each in panels(found).values())


def test_a_metric_that_may_not_be_read_leaves_the_others(client: Any) -> None:
    asked = ask(Panel("t", "u", (Series("s", {"a": Measure("M", "Sum")}),)), {}, "p0")
    other = ask(Panel("t", "u", (Series("s", {"a": Measure("M", "Sum")}),)), {}, "p1")

    class Pages:
        def paginate(self, **_: Any) -> list[dict[str, Any]]:
            shut = {"Id": "p0_a0", "Timestamps": [], "Values": [], "StatusCode": "Forbidden"}
            open_ = {"Id": "p1_a0", "Timestamps": [], "Values": [], "StatusCode": "Complete"}
            return [{"MetricDataResults": [shut, open_]}]

    class Client:
        def get_paginator(self, _: str) -> Pages:
            return Pages()

    now = begin(datetime.now(UTC), 60)
    assert read_panels(Client, [asked, other], now, now).reasons == {"p0_a0": "CloudWatch: Forbidden"}


def test_any_number_of_pages_asks_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 0.1)
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    found, calls = snapshots(client), []
    made = client.get_paginator
    monkeypatch.setattr(client, "get_paginator", lambda name: calls.append(name) or made(name))
    first = found.take()
    once = len(calls)
    assert found.take() is first
    assert len(calls) == once


def test_what_is_deployed_later_is_found_and_what_is_gone_is_said(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    at = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: at[0])
    one = {"sentences": DEPLOYED["sentences"]}
    later = [source(client, deployed={**one, "images": DEPLOYED["images"]})]

    def find() -> Any:
        if not later:
            raise refuse("local", "must be deployed", "no endpoint", "there is nothing to read")
        return later.pop()

    found = Snapshots("local", find, source(client, deployed=one), minutes=60)
    assert [each["name"] for each in found.take()["endpoints"]] == ["sentences"]
    at[0] += 60
    second = found.take()
    assert [each["name"] for each in second["endpoints"]] == ["sentences", "images"]
    assert second["endpoints"][1]["spending"]["error"] is None
    at[0] += 60
    gone = found.take()
    assert "must be deployed" in gone["error"]
    assert gone["endpoints"] == []


def test_an_account_is_asked_once_a_minute(client: Any) -> None:
    assert snapshots(client, environment(sandbox={})).pace.panels < 5
    account = environment()
    account = account.model_copy(update={"sandbox": None})
    assert snapshots(client, account).pace.panels == 60


def _raising(error: Exception) -> Any:
    def raising(*_: Any, **__: Any) -> Any:
        raise error

    return raising
