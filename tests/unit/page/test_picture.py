"""The dashboard on CloudWatch as a picture: every widget of the body, with what its own metrics were."""

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from live_page import DEPLOYED, cloudwatch, environment, put, snapshots

from scaletozero.observability.cloudwatch_dashboard import dashboard_bodies
from scaletozero.observability.picture import COLUMN, ROW
from scaletozero.page.picture import drawn


@pytest.fixture
def client() -> Iterator[Any]:
    with cloudwatch() as made:
        yield made


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_widget_is_where_cloudwatch_has_it(client: Any) -> None:
    deployed = {name: each for name, each in DEPLOYED.items() if name != "llm"}
    seen = snapshots(client, deployed=deployed, minutes=10)
    svg = drawn("acme, local", seen.contents, seen.take())
    (body,) = dashboard_bodies("acme, local", [each.section for each in seen.contents], "us-east-1")
    root = ElementTree.fromstring(svg)
    placed = {(each.get("x"), each.get("y")) for each in root.iter("{http://www.w3.org/2000/svg}rect")}
    found = texts(svg)
    for widget in body["widgets"]:
        if widget["type"] == "text":
            continue
        chart = widget["properties"]
        assert (str(widget["x"] * COLUMN + 3), str(widget["y"] * ROW + 3)) in placed
        labels = [row[-1]["label"] for row in chart["metrics"] if row[-1].get("visible", True)]
        lines = [each["label"] for each in chart.get("annotations", {}).get("horizontal", ())]
        assert {chart["title"], chart["yAxis"]["left"]["label"], *labels, *lines} <= set(found), json.dumps(chart)
    assert "acme, local" in found


def test_calls_are_drawn_in_the_chart_of_their_metric(client: Any) -> None:
    seen = snapshots(client, minutes=10)
    before = drawn("acme, local", seen.contents, seen.take())
    put(client, "Invocations", *[1.0] * 7)
    again = snapshots(client, minutes=10)
    after = drawn("acme, local", again.contents, again.take())
    # Seven requests in a minute: an axis up to eight, which nothing else has.
    assert "8" not in texts(before)
    assert "8" in texts(after)
    assert after.count("no data") == before.count("no data") - 1


def test_a_cluster_s_endpoint_is_left_out(client: Any) -> None:
    seen = snapshots(client, minutes=10)
    assert "llm" not in texts(drawn("acme, local", seen.contents, seen.take()))


def test_what_may_not_be_read_stands_in_its_charts(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import NoCredentialsError

    def none(*_: Any) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(client, "get_paginator", none)
    seen = snapshots(client, environment(), minutes=10)
    assert any("No AWS credentials were found" in each for each in texts(drawn("a", seen.contents, seen.take())))
