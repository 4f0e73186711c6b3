"""What a function's gateway is told, what it may not be told, and that it settles before a response ends."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.responses import Response, StreamingResponse

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.gateway.contents import Contents, read_contents
from scaletozero.gateway.service.door import Ending, Held
from scaletozero.gateway.targets import Served
from scaletozero.settings.gateway import Gateway, Rules
from scaletozero.settings.gateway_function import adapter_layer
from scaletozero.settings.inference_gateway import InferenceGatewaySettings
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.prices import SERVERLESS, shipped

PROVIDER = {"base_url": "https://api.openai.com/v1", "model": "m", "secret": "key", "price": "openai/gpt-5-mini"}
MODELS: dict[str, Any] = {"small": {"provider": PROVIDER, "cache": {"seconds": 60, "usd_per_hit": "0.001"}}}
CUSTOMERS = {"acme": {"cap_usd_per_month": "12.50", "models": ["small"], "expires": "2027-06-30"}}


def findings(model: Any = Gateway, **declared: Any) -> str:
    with pytest.raises(FindingsError) as error:
        parse(model, declared, "gateway")
    return str(error.value)


def test_what_it_is_told_comes_back_as_it_was_declared() -> None:
    rules = parse(Rules, {"models": MODELS, "customers": CUSTOMERS}, "gateway")
    table, served = shipped(), {"sentences": Served("there", 2048, "abc")}
    tariffs = {PROVIDER["price"]: token_tariff(PROVIDER["price"])}
    found = read_contents(Contents(rules, "us-east-1", served, table, "ledger", "answers", tariffs).text())
    assert (found.rules, found.region, found.served) == (rules, "us-east-1", served)
    assert (found.ledger, found.cache) == ("ledger", "answers")
    assert found.tariffs[PROVIDER["price"]].rates == tariffs[PROVIDER["price"]].rates
    assert len(found.table.rows) == 2
    for sku in ("gb-second", "data-gb"):
        assert found.table.price(SERVERLESS, sku, "us-east-1") == table.price(SERVERLESS, sku, "us-east-1")


@pytest.mark.parametrize(
    ("models", "customers", "said"),
    [
        (
            {"m": {"provider": {**PROVIDER, "secret": None, "variable": "KEY"}}},
            {},
            "models.m.provider.variable: must not be in a function",
        ),
        (
            {"m": {"provider": {**PROVIDER, "base_url": "http://127.0.0.1:1"}}},
            {},
            "models.m.provider.base_url: must begin",
        ),
        ({"m": {"endpoint": "e", "on_cold": "reject"}}, {}, "models.m.on_cold: must be `hold` in a function"),
        (MODELS, {"acme": {**CUSTOMERS["acme"], "requests_per_minute": 5}}, "acme.requests_per_minute: must not be in"),
        (MODELS, {"acme": {**CUSTOMERS["acme"], "concurrency": 5}}, "acme.concurrency: must not be in a function"),
    ],
)
def test_what_a_function_cannot_do_is_refused(models: Any, customers: Any, said: str) -> None:
    assert parse(Gateway, {"models": models, "customers": customers}, "gateway")  # a process can
    assert said in findings(models=models, customers=customers, function={})


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ({"concurrency": -1}, "function.concurrency: must be from 0 to 10000"),
        ({"memory_mb": 128}, "function.memory_mb: must be from 256 to 10240 MB"),
        ({"adapter_layer_arn": "arn:aws:lambda:us-east-1:1:layer:x:1"}, "must be the ARN of a layer's version"),
        ({"reserved": 1}, "reserved"),
    ],
)
def test_a_function_that_lambda_would_refuse_is_refused(function: Any, said: str) -> None:
    assert said in findings(function=function)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            {"adapter_layer_arn": "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:30"},
            "adapter_layer_arn: must be a layer in eu-central-1",
        ),
        ({"topic_arn": "arn:aws:sns:us-east-1:123456789012:ops"}, "topic_arn: must be a topic in eu-central-1"),
        ({"models": {"m": {"endpoint": "e"}}}, "models.m.endpoint: must be an endpoint of the gateway"),
        ({"residency": ["us-east-1"]}, "region"),
        (
            {
                "models": {"m": {"endpoint": "e", "cache": {"seconds": 5}}},
                "endpoints": {
                    "e": {
                        "endpoint_name": "e",
                        "endpoint_arn": "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/e",
                        "memory_mb": 2048,
                    }
                },
            },
            "models.m.cache: must be of a model whose endpoints have an `artifact_digest`",
        ),
    ],
)
def test_a_component_that_would_not_work_is_refused(args: Any, said: str) -> None:
    assert said in findings(InferenceGatewaySettings, region="eu-central-1", **args)


@pytest.mark.parametrize(
    ("region", "architecture", "layer"),
    [
        ("eu-central-1", "arm64", "arn:aws:lambda:eu-central-1:753240598075:layer:LambdaAdapterLayerArm64:30"),
        ("cn-north-1", "x86_64", "arn:aws-cn:lambda:cn-north-1:041581134020:layer:LambdaAdapterLayerX86:30"),
        ("cn-northwest-1", "x86_64", "arn:aws-cn:lambda:cn-northwest-1:069767869989:layer:LambdaAdapterLayerX86:30"),
        ("cn-north-1", "arm64", None),
        ("us-gov-west-1", "x86_64", None),
        ("eusc-de-east-1", "x86_64", None),
    ],
)
def test_the_adapters_layer_is_known_where_its_authors_publish_it(
    region: str, architecture: str, layer: str | None
) -> None:
    assert adapter_layer(region, architecture) == layer


class _Watched:
    """A door that notes when it settles."""

    def __init__(self, settles_first: bool) -> None:
        self.settles_first = settles_first
        self.seen: list[str] = []

    def settling(self, _: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    async def end(self, _: Held) -> None:
        self.seen.append("settled")


def sent(door: Any, response: Response, *, fails: bool = False) -> list[str]:
    """What was sent and when it was settled."""

    async def send(message: Any) -> None:
        if fails:
            raise OSError
        whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        door.seen.append("the end" if whole else message["type"])

    async def receive() -> Any:
        await anyio.sleep_forever()

    scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.4"}, "headers": []}
    with pytest.raises((OSError, ExceptionGroup)) if fails else contextlib.nullcontext():
        anyio.run(Ending(door, Held("acme", 1, "m"), response), scope, receive, send)
    return door.seen


async def parts() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


START, BODY = "http.response.start", "http.response.body"


def test_a_function_settles_before_the_response_ends_because_it_is_frozen_then() -> None:
    assert sent(_Watched(True), Response(b"x")) == [START, "settled", "the end"]
    assert sent(_Watched(True), StreamingResponse(parts())) == [START, BODY, BODY, "settled", "the end"]


def test_a_process_settles_after_the_response() -> None:
    assert sent(_Watched(False), Response(b"x")) == [START, "the end", "settled"]


@pytest.mark.parametrize("first", [True, False])
def test_it_settles_once_also_if_nothing_can_be_sent(first: bool) -> None:
    assert sent(_Watched(first), Response(b"x"), fails=True) == ["settled"]
