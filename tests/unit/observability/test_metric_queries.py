"""Panels as queries of GetMetricData."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from scaletozero.endpoints.kinds import KINDS
from scaletozero.observability.cloudwatch_dashboard import dashboard_bodies
from scaletozero.observability.metric_queries import ask, batches, points
from scaletozero.observability.panels import Section, Watched
from scaletozero.settings.alarms import Alarms, EndpointKind

NAMES = {"EndpointName": "e", "VariantName": "AllTraffic"}
WATCHED = Watched(Alarms(p99_ms=250), provisioned=True, usd_per_second=Decimal("0.00008"))
AT = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize("kind", list(EndpointKind))
def test_what_is_asked_is_what_the_dashboard_on_cloudwatch_shows(kind: EndpointKind) -> None:
    panels = KINDS[kind].panels(WATCHED)
    (body,) = dashboard_bodies("t", [Section("s", NAMES, tuple(panels))], "us-east-1")
    charts = [each["properties"] for each in body["widgets"] if each["type"] == "metric"]
    for index, (panel, chart) in enumerate(zip(panels, charts, strict=True)):
        asked = ask(panel, NAMES, f"e0p{index}")
        metrics = [
            [each["MetricStat"]["Metric"]["MetricName"], each["MetricStat"]["Stat"], each["MetricStat"]["Period"]]
            for each in asked.queries
            if "MetricStat" in each
        ]
        rows = [row for row in chart["metrics"] if isinstance(row[0], str)]
        assert metrics == [[row[1], row[-1]["stat"], chart["period"]] for row in rows]
        # The same expressions, but for the beginning of each id.
        expressions = [each["Expression"].replace(f"e0p{index}_", "") for each in asked.queries if "Expression" in each]
        assert expressions == [row[0]["expression"] for row in chart["metrics"] if isinstance(row[0], dict)]
        assert asked.metrics == len(metrics)


@pytest.mark.parametrize("kind", list(EndpointKind))
def test_queries_are_what_the_service_takes(kind: EndpointKind) -> None:
    model = get_session().get_service_model("cloudwatch").operation_model("GetMetricData")
    panels = KINDS[kind].panels(WATCHED)
    queries = [query for at, each in enumerate(panels) for query in ask(each, NAMES, f"e0p{at}").queries]
    given = {"MetricDataQueries": queries, "StartTime": AT, "EndTime": AT}
    assert not ParamValidator().validate(given, model.input_shape).generate_report()
    ids = [each["Id"] for each in queries]
    assert len(set(ids)) == len(ids)


def test_a_call_has_as_many_panels_as_fit_and_never_a_part_of_one() -> None:
    asked = [ask(each, NAMES, f"p{at}") for at, each in enumerate(KINDS[EndpointKind.SERVERLESS].panels(WATCHED))]
    most = max(len(each.queries) for each in asked)
    found = list(batches(asked, most))
    assert [each for batch in found for each in batch] == asked
    assert all(sum(len(each.queries) for each in batch) <= most for batch in found)
    assert list(batches([], most)) == []


def test_pages_of_results_are_one_line() -> None:
    later = AT.replace(hour=1)
    pages = [{"Id": "a", "Timestamps": [later], "Values": [2.0]}, {"Id": "a", "Timestamps": [AT], "Values": [1.0]}]
    assert points(pages) == {"a": ((AT, 1.0), (later, 2.0))}
