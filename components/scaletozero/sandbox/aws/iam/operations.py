"""Identifies a request's operation and parameters, by botocore's models of the services."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import botocore.session
from botocore.exceptions import UnknownServiceError

_COPIES: Final = {"CopyObject": "PutObject", "UploadPartCopy": "UploadPart"}
"""Operations of S3 that only the header x-amz-copy-source tells from those that write a body."""

_MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "monitoring": ("cloudwatch",),
    "sagemaker": ("sagemaker-runtime", "sagemaker"),
    "s3": ("s3", "s3control"),
    "bedrock": ("bedrock-runtime", "bedrock"),
}
"""Signing name -> name of botocore's model, where they differ."""


@dataclass(frozen=True)
class Operation:
    """The operation that a request calls.

    Attributes:
        service: the request's signing name.
        name: botocore's name of the operation; empty if no model has it.
        parameters: those in the body, path and query.
        headers: the request's headers, in lower case.
    """

    service: str
    name: str
    parameters: Mapping[str, Any]
    headers: Mapping[str, str]


def operation_of(environ: Mapping[str, Any], service: str, body: bytes) -> Operation:
    """The operation that a WSGI request calls.

    Args:
        service: the request's signing name.
        body: the request's body.
    """
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    if target := headers.get("x-amz-target"):
        return Operation(service, target.rpartition(".")[2], _json(body), headers)
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        query |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if "Action" in query:
        return Operation(service, query["Action"], query, headers)
    path, method = environ.get("PATH_INFO", "/"), environ.get("REQUEST_METHOD", "GET")
    best, found = -1, Operation(service, "", query, headers)
    others = _COPIES.values() if "x-amz-copy-source" in headers else _COPIES
    for route in _routes(service):
        if service == "s3" and route.operation in others:
            continue
        match = route.path.fullmatch(path) if route.method == method else None
        asked = match and all(query.get(key) == value for key, value in route.query.items())
        if match and asked and len(route.query) > best:
            best = len(route.query)
            named = {key: unquote(value) for key, value in match.groupdict().items() if value is not None}
            inside = _json(body) if route.json else {}
            found = Operation(service, route.operation, {**inside, **query, **named}, headers)
    return found


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class _Route:
    operation: str
    method: str
    path: re.Pattern[str]
    query: Mapping[str, str]
    json: bool


@functools.lru_cache(maxsize=64)
def _routes(service: str) -> tuple[_Route, ...]:
    """The paths of a service's operations, the most specific first."""
    found = []
    for name in _MODELS.get(service, (service,)):
        try:
            model: Any = botocore.session.get_session().get_service_model(name)
        except (UnknownServiceError, ValueError):
            continue
        for operation in model.operation_names:
            http = model.operation_model(operation).http
            path, _, query = http.get("requestUri", "/").partition("?")
            keys = dict(parse_qsl(query, keep_blank_values=True))
            is_json = model.metadata["protocol"] == "rest-json"
            found.append(_Route(operation, http.get("method", "POST"), _path(path), keys, is_json))
    return tuple(sorted(found, key=lambda route: route.path.pattern.count("(?P<")))


def _path(template: str) -> re.Pattern[str]:
    """A path such as `/{Bucket}/{Key+}` as a regular expression with a group for each parameter."""
    parts = re.split(r"\{(\w+)(\+?)\}", template)
    texts = [re.escape(parts[0])]
    for name, greedy, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        texts.append(f"(?P<{name}>{'.+' if greedy else '[^/]+'}){re.escape(text)}")
    return re.compile("".join(texts) + "/?", re.DOTALL)
