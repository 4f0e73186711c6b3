"""Requests of the JSON protocols, held to the services' own models before anything acts on them."""

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
"""Services whose requests are signed for another name than botocore's."""


def require_valid(service: str | None, target: str, parameters: Mapping[str, Any]) -> None:
    """Refuses parameters that the operation does not take; those that its model does not know are ignored, as by AWS.

    Args:
        service: as the request is signed for it.
        target: its `X-Amz-Target`.

    Raises:
        AwsError: ValidationException with everything that is wrong.
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
