"""Validates requests of the JSON protocols against the services' models."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError, ServiceModel
from botocore.validate import ParamValidator

from scaletozero.sandbox.aws.middleware import AwsError

_NAMES: Mapping[str, str] = {"monitoring": "cloudwatch"}
"""Signing name -> botocore's name of the service, where they differ."""


def require_valid(service: str | None, target: str, parameters: Mapping[str, Any]) -> None:
    """Refuses parameters that are invalid for the operation. Unknown ones are ignored, as AWS does.

    Args:
        service: the request's signing name.
        target: the request's `X-Amz-Target`.

    Raises:
        AwsError: ValidationException, with everything that is wrong.
    """
    model = _model(service or "")
    if model is None:
        return
    try:
        shape = model.operation_model(target.rpartition(".")[2]).input_shape
    except OperationNotFoundError:
        raise AwsError("UnknownOperationException", f"{service} has no operation {target}.") from None
    if shape is None:
        return
    report = ParamValidator().validate(parameters, shape).generate_report()
    wrong = [line for line in report.splitlines() if not line.startswith("Unknown parameter")]
    if wrong:
        count = f"{len(wrong)} validation error{'s' if len(wrong) > 1 else ''} detected"
        raise AwsError("ValidationException", f"{count}: {'; '.join(wrong)}")


@functools.lru_cache(maxsize=64)
def _model(service: str) -> ServiceModel | None:
    try:
        found: Any = botocore.session.get_session().get_service_model(_NAMES.get(service, service))
    except (UnknownServiceError, ValueError):
        return None
    return found if found.metadata.get("targetPrefix") else None
