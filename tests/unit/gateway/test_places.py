"""Where answers say that they were made, and the event of one that was made elsewhere."""

import json
import logging
from typing import Any

import pytest
from gateway_desk import api, open_desk
from gateway_world import HELLO, client
from stub_provider import MESSAGE_USAGE, stub_provider

from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.service.places import elsewhere_event, is_elsewhere, said_place

US = ("us-east-1", "us-east-2", "us-west-1", "us-west-2")


@pytest.mark.parametrize(
    ("place", "allowed", "outside"),
    [
        ("us", US, False),
        ("us", US[:2], True),
        ("us", (), False),
        ("global", US, True),
        ("us-east-1", US, False),
        ("eu-central-1", US, True),
        ("somewhere", US, True),
    ],
)
def test_a_place_is_elsewhere(place: str, allowed: tuple[str, ...], outside: bool) -> None:
    assert is_elsewhere(place, allowed) is outside


@pytest.mark.parametrize(
    "usage", [None, {}, {"inference_geo": None}, {"inference_geo": 3}, {"inference_geo": "x\ny"}, "us"]
)
def test_what_says_no_place(usage: Any) -> None:
    assert said_place(usage) is None


def test_the_event_is_a_metric_of_cloudwatch() -> None:
    event = elsewhere_event("api.anthropic.com/claude", "global", 1, request="r")
    (metric,) = event["_aws"]["CloudWatchMetrics"]
    assert metric["Dimensions"] == [["target"]]
    assert event[metric["Metrics"][0]["Name"]] == 1
    assert "customer" not in event


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_was_made_elsewhere_is_told(
    priced: None, store: DynamoStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    caplog.set_level(logging.INFO, "scaletozero.gateway")
    monkeypatch.setitem(MESSAGE_USAGE, "inference_geo", "global")
    with stub_provider() as provider:
        claude = {"provider": api(provider, price="anthropic/claude-haiku-4-5", speaks=["messages"])}
        with open_desk(client, provider, {"claude": claude}) as desk:
            desk.door._regions = ("eu-central-1",)  # pyright: ignore[reportPrivateUsage]
            answer: Any = desk.anthropic().messages.create(model="claude", messages=HELLO, max_tokens=9, stream=stream)
            if stream:
                list(answer)
            desk.settled()
            (record,) = desk.records()
    assert record["ran_in"] == "global"
    lines = [json.loads(each.message) for each in caplog.records if "ran elsewhere" in each.message]
    assert [(each["ran_in"], each["target"]) for each in lines] == [("global", "127.0.0.1/luna")]
