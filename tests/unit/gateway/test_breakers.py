"""When a target is left alone, what a provider's error means, and in which order targets are asked."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from scaletozero.gateway.service.breakers import CAPPED_SECONDS, FAILURES, LONGEST_SECONDS, OPEN_SECONDS, Breaker
from scaletozero.gateway.service.errors import unavailable
from scaletozero.gateway.service.failures import FailedError, Kind, provider_failure
from scaletozero.gateway.service.ways import Way, in_order


def failed(kind: Kind = "failed", seconds: float | None = None) -> FailedError:
    return FailedError(unavailable(502, "failed", "provider_error"), billed=False, kind=kind, seconds=seconds)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_failures_in_succession_open_a_breaker_and_one_success_closes_it() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES - 1):
        breaker.failed(failed())
    breaker.worked()
    for _ in range(FAILURES - 1):
        breaker.failed(failed())
    assert breaker.blocked() is None
    breaker.failed(failed())
    assert breaker.blocked() is not None
    clock.now += OPEN_SECONDS
    assert breaker.blocked() is None, "one request may try it"
    assert breaker.blocked() is not None, "and only one"
    breaker.failed(failed())
    clock.now += OPEN_SECONDS - 1
    assert breaker.blocked() is not None
    clock.now += 1
    assert breaker.blocked() is None
    breaker.worked()
    assert breaker.blocked() is None
    assert breaker.blocked() is None


def test_a_request_that_ends_otherwise_leaves_the_next_one_to_try() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(failed("capped"))
    clock.now += CAPPED_SECONDS
    assert breaker.blocked() is None
    assert breaker.blocked() is not None
    breaker.left()
    assert breaker.blocked() is None


@pytest.mark.parametrize(
    "error, seconds",
    [
        (failed("capped"), CAPPED_SECONDS),
        (failed("throttled", 7.0), 7.0),
        (failed("throttled", 86_400.0), LONGEST_SECONDS),
        (failed("cold", 30.0), 0.0),
        (failed("refused"), 0.0),
        (failed("overloaded"), 0.0),
    ],
)
def test_how_long_one_failure_leaves_a_target_alone(error: FailedError, seconds: float) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(error)
    if seconds:
        clock.now += seconds - 0.1
        assert breaker.blocked() is error
        clock.now += 0.1
    assert breaker.blocked() is None


def openai(code: str) -> Any:
    return {"error": {"type": "insufficient_quota", "code": code, "message": "m"}}


def anthropic(kind: str, message: str = "m", **details: str) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message, **({"details": details} if details else {})}}


def google(message: str, delay: str | None = None) -> Any:
    info = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}] if delay else []
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": info}}


CLASSES: list[tuple[int, Any, str]] = [
    (429, openai("credit_balance_exhausted"), "capped"),
    (429, openai("organization_spend_limit_exceeded"), "capped"),
    (429, openai("project_spend_limit_exceeded"), "capped"),
    (429, openai("organization_usage_limit_exceeded"), "capped"),
    (429, {"error": {"type": "requests", "code": "rate_limit_exceeded", "message": "m"}}, "throttled"),
    (429, anthropic("rate_limit_error"), "throttled"),
    (429, anthropic("rate_limit_error", error_code="enforced_spend_limit_reached"), "capped"),
    (402, anthropic("billing_error"), "capped"),
    (402, anthropic("billing_error", error_code="contract_spend_limit_reached"), "capped"),
    (402, anthropic("billing_error", error_code="ramp_limit_exceeded"), "throttled"),
    (400, anthropic("invalid_request_error", "You have reached your specified API usage limits."), "capped"),
    (400, anthropic("invalid_request_error", "Your credit balance is too low to access the API."), "capped"),
    (400, anthropic("invalid_request_error", "max_tokens: must be greater than 0"), "refused"),
    (529, anthropic("overloaded_error"), "overloaded"),
    (503, {}, "overloaded"),
    (429, google("Quota exceeded for requests per minute", "17s"), "throttled"),
    (429, google("Quota exceeded, limit: 0, model: gemini"), "capped"),
    (429, google("Your project has exceeded its spend-based rate limit: spend limit reached"), "capped"),
    (429, [google("Quota exceeded for requests per minute", "17s")], "throttled"),
    (429, [google("Your prepayment credits are depleted.")], "capped"),
    (400, {"error": "x"}, "refused"),
    (401, openai("invalid_api_key"), "failed"),
    (500, {}, "failed"),
    (302, {}, "failed"),
]


@pytest.mark.parametrize("status, body, kind", CLASSES)
def test_the_class_of_a_provider_s_error(status: int, body: Any, kind: str) -> None:
    if status == 401:
        body["error"]["type"] = "invalid_request_error"
    error = provider_failure(status, {}, json.dumps(body).encode())
    assert error.kind == kind
    assert not error.billed
    ours = {"refused": status, "capped": 503, "throttled": 429, "overloaded": 503, "failed": 502}
    assert error.refusal.status == ours[kind]
    assert error.refusal.headers.get("x-should-retry", "true") == ("false" if kind == "capped" else "true")


def test_how_long_a_provider_says_to_wait() -> None:
    body = json.dumps([google("per minute", "17s")]).encode()
    assert provider_failure(429, {}, body).seconds == 17.0
    assert provider_failure(429, {"retry-after": "3"}, body).seconds == 3.0
    for said in ("soon", "-1", "inf", "1e9"):
        assert provider_failure(429, {"retry-after": said}, b"").seconds == 1.0


def way(weight: int | None = None) -> Way:
    return Way(None, weight)  # pyright: ignore[reportArgumentType] - no target is asked


def test_targets_without_weights_are_asked_in_the_order_of_the_list() -> None:
    ways = [way(), way(), way()]
    assert in_order(ways) == ways


def test_weights_are_shares_and_the_others_follow() -> None:
    first, second, third, last = ways = [way(6), way(3), way(1), way()]
    drawn = random.Random(7).random
    orders = [in_order(ways, drawn) for _ in range(4000)]
    assert all(len(each) == 4 and each[-1] is last for each in orders)
    begun = Counter(id(each[0]) for each in orders)
    shares = [begun[id(each)] / len(orders) for each in (first, second, third)]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.03)
    after = Counter(id(each[1]) for each in orders if each[0] is first)
    assert after[id(second)] / after.total() == pytest.approx(0.75, abs=0.04)
