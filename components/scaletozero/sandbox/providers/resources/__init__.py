"""The resource table: one row for each type that the sandbox's AWS supports."""

from scaletozero.sandbox.providers.resources import (
    alarms,
    dashboards,
    dynamodb,
    eks,
    events,
    functions,
    iam,
    logs,
    messaging,
    registry,
    s3,
    sagemaker,
    scaling,
    schedules,
)
from scaletozero.sandbox.providers.table import ResourceType

_MODULES = (
    s3, iam, sagemaker, logs, scaling, alarms, dashboards, messaging, schedules, registry, functions, events, eks,
    dynamodb,
)  # fmt: skip

TABLE: dict[str, ResourceType] = {row.kind: row for module in _MODULES for row in module.ROWS}
