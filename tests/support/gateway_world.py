"""What tests of the gateway send it, and what that costs."""

import functools
import json
from typing import Any

import boto3
import httpx2
from gateway_desk import Desk

from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.money import micros
from scaletozero.spending.token_rates import TokenCount

HELLO: Any = [{"role": "user", "content": "Hello"}]
COSTS = micros(token_tariff("openai/gpt-5.6-luna").usd(TokenCount(12, 7, 4)))
"""What the stub's usage costs."""


@functools.cache
def client(service: str) -> Any:
    """Made once: to make one takes longer than most of these tests."""
    where = {"region_name": "eu-central-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, **where)  # pyright: ignore[reportArgumentType, reportCallIssue]


def asking(**do: Any) -> Any:
    """Messages that make the stub do something."""
    return [{"role": "user", "content": json.dumps(do)}]


def post(desk: Desk, path: str, content: bytes, **headers: str) -> httpx2.Response:
    own = {"Authorization": f"Bearer {desk.keys['acme']}", "Content-Type": "application/json"}
    return httpx2.post(f"{desk.url}{path}", content=content, headers={**own, **headers}, timeout=120)
