"""Clients of the embedded AWS, which can reach no other AWS."""

from __future__ import annotations

import ipaddress
import threading
import urllib.parse
from typing import Any

import boto3
from botocore.config import Config

from scaletozero.sandbox.credentials import Credentials

ENDPOINT = "AWS_ENDPOINT_URL"


def require_loopback(url: str | None) -> str:
    """Returns the embedded AWS's address. Raises ValueError unless it is on this machine."""
    host = urllib.parse.urlsplit(url or "").hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not url or not local:
        raise ValueError(
            f"the sandbox's aws provider talks to the embedded AWS only: {ENDPOINT} must be an http address on this "
            f"machine (127.0.0.1, localhost), got {url!r}. A real account needs another environment than local"
        )
    return url


class Clients:
    """One client for each service and region, created on first use. Thread-safe.

    Args:
        url: the embedded AWS's address.
        credentials: the sandbox's credentials.
    """

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._url = require_loopback(url)
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Any] = {}
        self._session = boto3.Session(
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            region_name="us-east-1",
        )
        self._config = Config(
            retries={"max_attempts": 4, "mode": "standard"},
            max_pool_connections=64,
            connect_timeout=5,
            read_timeout=300,
            parameter_validation=True,
            s3={"addressing_style": "path"},
        )

    def __call__(self, service: str, region: str | None) -> Any:
        key = (service, region or "us-east-1")
        with self._lock:
            if key not in self._made:
                self._made[key] = self._session.client(
                    service, region_name=key[1], endpoint_url=self._url, config=self._config
                )
            return self._made[key]
