"""The gauge: the month's spending of each endpoint, with metrics that are late, missing or twice, and any clock."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from service_clients import Clients, refused

from scaletozero.endpoints import gauge_function
from scaletozero.endpoints.gauge_function import handler, month

MEASURES = {
    "work": ["AWS/SageMaker", "ModelLatency", "Sum", 1],
    "setup": ["AWS/SageMaker", "ModelSetupTime", "Sum", 1],
    "running": ["/aws/sagemaker/Endpoints", "CPUUtilization", "SampleCount", 1],
    "waking": ["AWS/SageMaker", "HasBacklogWithoutCapacity", "Sum", 0],
}
SENTENCES = {"endpoint": "sentences", "variant": "main", "usd": "(FILL(work, 0) + FILL(setup, 0)) / 1000000 * 0.00004"}
DOCUMENTS = {"endpoint": "documents", "variant": "main", "usd": "(FILL(running, 0) + 3 * FILL(waking, 0)) / 60 * 1.4"}


def data(*values: float, status: str = "Complete", more: str = "") -> dict[str, Any]:
    result = {"Id": "usd", "Values": list(values), "StatusCode": status}
    return {"MetricDataResults": [result], **({"NextToken": more} if more else {})}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MEASURED", json.dumps([SENTENCES, DOCUMENTS]))
    monkeypatch.setenv("MEASURES", json.dumps(MEASURES))

    def make(answer: Any, **more: Any) -> Clients:
        clients = Clients({"get_metric_data": answer, **more})
        monkeypatch.setattr(gauge_function.boto3, "client", clients)
        return clients

    return make


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    class Fixed(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return now

    monkeypatch.setattr(gauge_function, "datetime", Fixed)


def test_the_days_of_the_month_are_summed_and_written(given: Any) -> None:
    clients = given(data(0.25, 0.5, 1.0))
    assert handler({}, None) == {"sentences": 1.75, "documents": 1.75}
    sentences, documents = clients.of("get_metric_data")
    asked = {each["Id"]: each for each in documents["MetricDataQueries"]}
    assert asked["usd"]["Expression"] == DOCUMENTS["usd"]
    assert sorted(asked) == ["running", "usd", "waking"]
    assert {each["ReturnData"] for key, each in asked.items() if key != "usd"} == {False}
    # The endpoint's own metrics have no variant; those of instances have.
    waking = asked["waking"]["MetricStat"]["Metric"]["Dimensions"]
    assert waking == [{"Name": "EndpointName", "Value": "documents"}]
    running = asked["running"]["MetricStat"]
    assert running["Metric"]["Dimensions"] == [*waking, {"Name": "VariantName", "Value": "main"}]
    assert (running["Stat"], running["Period"]) == ("SampleCount", 86400)
    assert sentences["StartTime"].day == 1
    written = clients.of("put_metric_data")
    assert [each["MetricData"][0]["Value"] for each in written] == [1.75, 1.75]
    assert {each["Namespace"] for each in written} == {"ScaleToZero/Spending"}
    # Without a time of its own: a clock that is wrong here can not write into the past or the future.
    assert "Timestamp" not in written[0]["MetricData"][0]


def test_every_page_counts(given: Any) -> None:
    pages = {"": data(1, 2, more="next"), "next": data(4)}
    given(lambda asked: pages[asked.get("NextToken", "")])
    assert handler({}, None)["sentences"] == 7


@pytest.mark.parametrize(
    ("now", "begin", "end"),
    [
        ("2026-11-30T23:59:59.999999", "2026-11-01", "2026-12-01"),
        ("2026-12-01T00:00:00", "2026-12-01", "2027-01-01"),
        ("2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        ("2027-01-31T00:00:00", "2027-01-01", "2027-02-01"),
    ],
)
def test_a_month_ends_at_midnight_in_utc(now: str, begin: str, end: str) -> None:
    found = month(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert [each.isoformat() for each in found] == [f"{begin}T00:00:00+00:00", f"{end}T00:00:00+00:00"]


def test_after_the_month_s_end_it_counts_from_nothing(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    november, december = datetime(2026, 11, 30, 23, 58, tzinfo=UTC), datetime(2026, 12, 1, 0, 3, tzinfo=UTC)
    given(lambda asked: data(99) if asked["StartTime"].month == 11 else data())
    at(monkeypatch, november)
    assert handler({}, None)["sentences"] == 99
    at(monkeypatch, december)
    assert handler({}, None)["sentences"] == 0


def test_a_clock_that_is_set_back_sees_what_was_measured_since(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = datetime(2026, 11, 20, 12, tzinfo=UTC)
    given(lambda asked: data(5) if asked["StartTime"] <= measured < asked["EndTime"] else data())
    for back in (timedelta(0), timedelta(hours=2), timedelta(days=19)):
        at(monkeypatch, measured - back)
        assert handler({}, None)["sentences"] == 5


def test_what_comes_late_is_in_the_next_run_and_a_second_run_adds_nothing(given: Any) -> None:
    found = [1.0]
    clients = given(lambda _: data(*found))
    assert [handler({}, None)["sentences"] for _ in range(2)] == [1, 1]
    found.append(0.5)
    assert handler({}, None)["sentences"] == 1.5
    assert len(clients.of("put_metric_data")) == 6


def test_an_endpoint_without_requests_has_cost_nothing(given: Any) -> None:
    given(data())
    assert handler({}, None) == {"sentences": 0, "documents": 0}


@pytest.mark.parametrize(
    "answer",
    [
        data(1, status="PartialData"),
        data(status="Forbidden"),
        data(1, status="InternalError"),
        {"MetricDataResults": []},
        refused("GetMetricData", "Throttling"),
    ],
    ids=["partial", "forbidden", "internal", "none", "throttled"],
)
def test_a_part_of_the_month_is_never_written_and_the_other_endpoint_is(given: Any, answer: Any) -> None:
    clients = given(
        lambda asked: answer if asked["MetricDataQueries"][0]["Expression"] == SENTENCES["usd"] else data(2)
    )
    with pytest.raises(RuntimeError, match=r"^sentences: "):
        handler({}, None)
    (written,) = clients.of("put_metric_data")
    assert written["MetricData"][0]["Dimensions"][0]["Value"] == "documents"


def test_a_value_that_cannot_be_written_is_a_failure(given: Any) -> None:
    given(data(1), put_metric_data=refused("PutMetricData", "AccessDenied", "no"))
    with pytest.raises(RuntimeError, match=r"sentences: .*AccessDenied.*; documents: "):
        handler({}, None)
