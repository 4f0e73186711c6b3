"""What dashboards show, the bodies that CloudWatch gets, and everything that it would refuse."""

import copy
import itertools
import json
from decimal import Decimal
from typing import Any

import pulumi
import pytest
from endpoint_declarations import REGION
from hypothesis import given
from hypothesis import strategies as st
from published_metrics import OF_CONTAINERS, OF_THE_WHOLE_ENDPOINT, PUBLISHED

from model_packaging.findings import FindingsError
from scaletozero import EndpointDashboard, EnvironmentDashboard
from scaletozero.endpoints.kinds import KINDS
from scaletozero.observability.cloudwatch_dashboard import METRICS, WIDGETS, check_body, dashboard_bodies
from scaletozero.observability.panels import INSTANCES, Section, Watched
from scaletozero.settings.alarms import Alarms, EndpointKind

every_kind = pytest.mark.parametrize("kind", list(EndpointKind))
NAMES = {"EndpointName": "e", "VariantName": "AllTraffic"}
WATCHED = Watched(Alarms(p99_ms=250), provisioned=True, usd_per_second=Decimal("0.00008"))


def charts(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Title -> the properties of a dashboard's chart."""
    return {each["properties"]["title"]: each["properties"] for each in body["widgets"] if each["type"] == "metric"}


def board(kind: EndpointKind, watched: Watched = WATCHED) -> dict[str, Any]:
    section = Section("sentences", NAMES, tuple(KINDS[kind].panels(watched)))
    (body,) = dashboard_bodies("acme, dev", [section], REGION)
    return body


@every_kind
@pytest.mark.parametrize("provisioned", [False, True])
def test_every_metric_is_one_that_its_kind_publishes_by_its_dimensions(kind, provisioned) -> None:
    for chart in charts(board(kind, Watched(Alarms(p99_ms=1), provisioned, Decimal(1)))).values():
        assert chart["region"] == REGION
        for row in chart["metrics"]:
            if not isinstance(row[0], str):
                continue
            namespace, metric, *dimensions, options = row
            published = OF_CONTAINERS if namespace == INSTANCES else PUBLISHED
            assert metric in published[kind]
            named = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
            assert named == ({"EndpointName": "e"} if metric in OF_THE_WHOLE_ENDPOINT else NAMES)
            assert options["stat"]


@every_kind
def test_the_threshold_of_every_alarm_is_a_line_in_the_unit_of_its_panel(kind) -> None:
    shown = {
        line["label"].removeprefix("alarm: "): line["value"]
        for chart in charts(board(kind)).values()
        for line in chart.get("annotations", {}).get("horizontal", ())
    }
    alarms = {each.name: each.threshold for each in KINDS[kind].alarms(Alarms(p99_ms=250), True)}
    assert shown == {**alarms, "latency": 250}
    unwatched = board(kind, Watched(provisioned=True))
    assert not [each for each in charts(unwatched).values() if "annotations" in each]


def test_what_a_serverless_endpoint_costs_is_its_seconds_at_the_price_of_its_memory() -> None:
    spending = charts(board(EndpointKind.SERVERLESS))["Spending on requests"]
    (expression, *rows) = spending["metrics"]
    assert expression[0]["expression"] == "60 * (FILL(work0, 0) + FILL(setup0, 0)) / 1000000 * 0.00008"
    assert [(row[1], row[-1]["stat"], row[-1]["visible"]) for row in rows] == [
        ("ModelLatency", "Sum", False),
        ("ModelSetupTime", "Sum", False),
    ]
    # By hand: 30 s of work in a minute on 4 GB at 0.00002 USD a GB-second, for an hour.
    work, setup = 30_000_000, 0
    assert 60 * (work + setup) / 1_000_000 * 0.00008 == pytest.approx(0.5 * 3600 * 4 * 0.00002)
    without = charts(board(EndpointKind.SERVERLESS, Watched()))
    assert not [title for title in without if "pen" in title]


def test_a_price_below_a_millionth_is_written_without_an_exponent() -> None:
    spending = charts(board(EndpointKind.SERVERLESS, Watched(usd_per_second=Decimal("2E-7"))))["Spending on requests"]
    assert spending["metrics"][0][0]["expression"].endswith("* 0.0000002")


sections = st.builds(
    Section,
    st.text(min_size=1, max_size=20),
    st.just(NAMES),
    st.sampled_from(list(EndpointKind)).map(lambda kind: tuple(KINDS[kind].panels(WATCHED))),
    st.text(max_size=30),
)


@given(st.lists(sections, min_size=1, max_size=130), st.text(min_size=1, max_size=40))
def test_any_number_of_endpoints_fits_on_dashboards_that_cloudwatch_takes(found, title) -> None:
    bodies = dashboard_bodies(title, found, REGION)
    headings = [each.title for each in found]
    shown = []
    for number, body in enumerate(bodies):
        check_body(body, "it")
        covered: set[tuple[int, int]] = set()
        for widget in body["widgets"]:
            cells = {
                (widget["x"] + x, widget["y"] + y) for x in range(widget["width"]) for y in range(widget["height"])
            }
            assert not cells & covered
            covered |= cells
        texts = [each["properties"]["markdown"] for each in body["widgets"] if each["type"] == "text"]
        assert texts[0] == f"# {title}" + (f" ({number + 1} of {len(bodies)})" if len(bodies) > 1 else "")
        shown += [text.removeprefix("## ") for text in texts[1:]]
    assert len(shown) == len(headings)
    assert all(text.startswith(heading) for text, heading in zip(shown, headings, strict=True))
    # No dashboard is begun before the one before it is full.
    for body, following in itertools.pairwise(bodies):
        first = following["widgets"][1:]
        count = 1 + next((index for index, each in enumerate(first[1:]) if each["type"] == "text"), len(first) - 1)
        metrics = sum(len(each["properties"].get("metrics", ())) for each in body["widgets"])
        assert len(body["widgets"]) + count > WIDGETS or metrics > METRICS - 60


def damaged(change) -> dict[str, Any]:
    body = copy.deepcopy(board(EndpointKind.SERVERLESS))
    change(body, body["widgets"][2]["properties"])
    return body


WRONG = {
    "no widgets": (lambda body, chart: body.update(widgets=[]), "at least 1 item"),
    "more than 500 widgets": (lambda body, chart: body.update(widgets=body["widgets"][:1] * 501), "at most 500"),
    "a type that does not exist": (lambda body, chart: body["widgets"][2].update(type="zzz"), "'zzz'"),
    "beyond the grid": (lambda body, chart: body["widgets"][2].update(x=20), "at most 24"),
    "no height": (lambda body, chart: body["widgets"][2].update(height=0), "greater than or equal to 1"),
    "no region": (lambda body, chart: chart.pop("region"), "region: must be"),
    "no metrics": (lambda body, chart: chart.update(metrics=[]), "at least 1 item"),
    "an unknown key": (lambda body, chart: chart.update(titel="x"), "titel"),
    "an odd dimension": (
        lambda body, chart: chart.update(metrics=[["AWS/SageMaker", "Invocations", "a"]]),
        "dimensions",
    ),
    "a namespace alone": (lambda body, chart: chart.update(metrics=[["AWS/SageMaker"]]), "dimensions"),
    "a number for a name": (lambda body, chart: chart.update(metrics=[["AWS/SageMaker", 3]]), "must be strings"),
    "an empty row": (lambda body, chart: chart.update(metrics=[[]]), "either a metric or an expression"),
    "a statistic that does not exist": (lambda body, chart: chart.update(stat="Median"), "pattern"),
    "a period of 90 s": (lambda body, chart: chart.update(period=90), "multiple of 60"),
    "an id in capitals": (
        lambda body, chart: chart.update(metrics=[["N", "m", {"id": "M"}]]),
        "pattern",
    ),
    "an id twice": (
        lambda body, chart: chart.update(metrics=[["N", "m", {"id": "m"}], ["N", "n", {"id": "m"}]]),
        "unique",
    ),
    "an unknown id": (
        lambda body, chart: chart.update(metrics=[["N", "m", {"id": "m"}], [{"expression": "m + n"}]]),
        "unknown ids: n",
    ),
    "a line without a value": (
        lambda body, chart: chart.update(annotations={"horizontal": [{"label": "cap"}]}),
        "annotations.horizontal.0.value",
    ),
    "text that is empty": (lambda body, chart: body["widgets"][0]["properties"].update(markdown=""), "markdown"),
    "a start that is none": (lambda body, chart: body.update(start="yesterday"), "start"),
    "too many metrics": (
        lambda body, chart: body.update(
            widgets=[{**body["widgets"][2], "properties": {**chart, "metrics": [["N", "m"]] * 500}} for _ in range(6)]
        ),
        "at most 2500",
    ),
    "too many metrics in a widget": (lambda body, chart: chart.update(metrics=[["N", "m"]] * 501), "at most 500"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_what_cloudwatch_would_refuse_is_found(change, said) -> None:
    with pytest.raises(FindingsError) as caught:
        check_body(damaged(change), "it")
    assert said in str(caught.value)
    assert all(found.path.startswith("it.") or found.path == "it" for found in caught.value.findings)


def test_the_dashboard_of_one_endpoint(run) -> None:
    def program() -> Any:
        name = pulumi.Output.from_input("acme-dev-sentences")
        given: Any = {
            "endpoint_name": name,
            "kind": "serverless",
            "region": "us-east-1",
            "memory_mb": 2048,
            "alarms": {},
        }
        return EndpointDashboard("it", given).dashboard_name

    inputs = run(program).one(":Dashboard")
    assert (inputs["dashboardName"], inputs["region"]) == ("acme-dev-it", "us-east-1")
    body = json.loads(inputs["dashboardBody"])
    texts = [each["properties"]["markdown"] for each in body["widgets"] if each["type"] == "text"]
    assert texts == ["# acme-dev-sentences", "## acme-dev-sentences\nEndpoint `acme-dev-sentences`, serverless."]
    (expression, *_) = charts(body)["Spending on requests"]["metrics"]
    assert expression[0]["expression"].endswith("* 0.00004")


def test_the_dashboards_of_more_endpoints_than_one_can_hold(run) -> None:
    endpoints: Any = [{"endpoint_name": f"e{index}", "kind": "asynchronous"} for index in range(80)]
    done = run(lambda: EnvironmentDashboard("it", {"region": REGION, "endpoints": endpoints}).dashboard_names)
    bodies = {each.inputs["dashboardName"]: json.loads(each.inputs["dashboardBody"]) for each in done.of(":Dashboard")}
    assert set(bodies) == {"acme-dev-it", "acme-dev-it-2"}
    assert all(len(body["widgets"]) <= WIDGETS for body in bodies.values())
    assert bodies["acme-dev-it-2"]["widgets"][0]["properties"]["markdown"] == "# acme, dev (2 of 2)"


def test_without_a_price_the_dashboard_says_that_spending_is_not_shown(run) -> None:
    given: Any = {"endpoint_name": "e", "kind": "serverless", "region": "ap-northeast-3", "memory_mb": 2048}
    body = json.loads(run(lambda: EndpointDashboard("it", given).dashboard_name).one(":Dashboard")["dashboardBody"])
    assert "no price of its region is on record" in body["widgets"][1]["properties"]["markdown"]
    assert "Spending on requests" not in charts(body)


ONE: dict[str, Any] = {"endpoint_name": "e", "kind": "asynchronous", "region": REGION}
INVALID = {
    "an unknown kind": ({**ONE, "kind": "gpu"}, "it.kind"),
    "memory of instances": ({**ONE, "memory_mb": 2048}, "it.memory_mb: is for serverless endpoints only"),
    "provisioned instances": ({**ONE, "provisioned": True}, "it.provisioned: is for serverless endpoints only"),
    "memory that does not exist": ({**ONE, "kind": "serverless", "memory_mb": 1000}, "it.memory_mb: must be one of"),
    "an ARN for a name": ({**ONE, "endpoint_name": "arn:aws:sagemaker:e"}, "it.endpoint_name"),
    "a region that does not exist": ({**ONE, "region": "eu-central-9"}, "it.region"),
    "a region outside of its residency": ({**ONE, "residency": ["eu-west-1"]}, "it.region"),
    "an unknown key": ({**ONE, "endpoint": "e"}, "it.endpoint"),
}


@pytest.mark.parametrize(("given_args", "said"), INVALID.values(), ids=INVALID)
def test_invalid_arguments_of_a_dashboard(run, mocks, given_args, said) -> None:
    with pytest.raises(Exception, match=said):
        run(lambda: EndpointDashboard("it", given_args).dashboard_name)


@pytest.mark.parametrize(
    ("endpoints", "said"),
    [
        ([], r"it.endpoints"),
        ([{"endpoint_name": "e", "kind": "serverless"}] * 2, r"it.endpoints.1.endpoint_name: must differ"),
        ([{"kind": "serverless"}], r"it.endpoints.0.endpoint_name"),
    ],
    ids=["none", "twice", "no name"],
)
def test_invalid_endpoints_of_a_dashboard(run, endpoints, said) -> None:
    with pytest.raises(Exception, match=said):
        run(lambda: EnvironmentDashboard("it", {"region": REGION, "endpoints": endpoints}).dashboard_names)
