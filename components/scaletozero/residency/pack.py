"""The policies of the pack: the residency's rules, for each resource before it is created and for a stack as a whole.

Needs the extra `policy`. Only the policy pack imports this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pulumi
from pulumi_policy import (  # pyright: ignore[reportMissingImports] - an extra
    EnforcementLevel,
    Policy,
    PolicyComplianceFramework,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from model_packaging.findings import FindingsError, refuse
from model_packaging.validation import parse
from scaletozero.residency.closure import Leak, expired, leaks
from scaletozero.residency.resource import UNKNOWN, DeclaredResource
from scaletozero.residency.state import plain
from scaletozero.settings.residency import Coverage, Residency

FRAMEWORKS = {
    Coverage.KEYS: ("ISO/IEC 27001", "2022", "A.8.24"),
    Coverage.LOGS: ("ISO/IEC 27001", "2022", "A.8.15"),
    Coverage.METRICS: ("ISO/IEC 27001", "2022", "A.8.15"),
    Coverage.ARTIFACTS: ("ISO/IEC 27001", "2022", "A.5.14"),
    Coverage.EVENTS: ("ISO/IEC 27001", "2022", "A.5.14"),
    Coverage.ROUTING: ("ISO/IEC 27001", "2022", "A.5.14"),
}
"""Coverage -> the rule that it is evidence for. Default: DORA, Article 28, on services of third parties."""

_DORA = ("DORA", "2022/2554", "Art. 28")

_STRINGS = {"type": "array", "items": {"type": "string"}}
_OBJECTS = {"type": "array", "items": {"type": "object"}}
SCHEMA = PolicyConfigSchema(
    properties={
        "regions": _STRINGS,
        "geography": {"type": "string"},
        "pinned": _STRINGS,
        "covers": _STRINGS,
        "exceptions": _OBJECTS,
        "attestations": _OBJECTS,
        "locations": {"type": "object"},
        "opted_in": _STRINGS,
        "dora_register": {"type": "object"},
    }
)
"""A policy's configuration is a `residency`, as in an environment."""


def policies(today: Callable[[], date] | None = None) -> list[Policy]:
    """A resource policy for each coverage, a stack policy, and a policy for expired exceptions."""
    now = today or (lambda: datetime.now(UTC).date())
    return [*(_resource_policy(each, now) for each in Coverage), _closure(now), _expired(now)]


def _framework(row: tuple[str, str, str]) -> PolicyComplianceFramework:
    name, version, reference = row
    return PolicyComplianceFramework(name=name, version=version, reference=reference)


def _resource_policy(coverage: Coverage, today: Callable[[], date]) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if (residency := _residency(args.get_config(), report)) is None:
            return
        region = _raw(args.provider.props).get("region") if args.provider else None
        one = DeclaredResource(args.resource_type, args.name, _raw(args.props), region, urn=args.urn)
        for leak in leaks([one], residency, today(), partial=True):
            if leak.covers is coverage:
                report(str(leak.finding))

    return ResourceValidationPolicy(
        name=f"residency-{coverage.value}",
        description=f"Residency of {coverage.value}: none of it leaves the allowed Regions.",
        validate=validate,
        config_schema=SCHEMA,
        severity=Severity.HIGH,
        framework=_framework(FRAMEWORKS.get(coverage, _DORA)),
        tags=["residency", coverage.value],
    )


def _closure(today: Callable[[], date]) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        if (residency := _residency(args.get_config(), report)) is None:
            return
        resources = [declared_resource(each) for each in args.resources]
        alone = {_key(leak) for each in resources for leak in leaks([each], residency, today(), partial=True)}
        for leak in leaks(resources, residency, today()):
            if _key(leak) not in alone:
                report(str(leak.finding), leak.urn or None)

    return StackValidationPolicy(
        name="residency-closure",
        description="Residency of the stack as a whole: no resource sends data to another one outside.",
        validate=validate,
        config_schema=SCHEMA,
        severity=Severity.HIGH,
        framework=_framework(_DORA),
        tags=["residency"],
    )


def _expired(today: Callable[[], date]) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        if residency := _residency(args.get_config(), report):
            for found in expired(residency, today()):
                report(str(found))

    return StackValidationPolicy(
        name="residency-exceptions",
        description="Exceptions and attestations of the residency are in force.",
        validate=validate,
        config_schema=SCHEMA,
        severity=Severity.MEDIUM,
        framework=_framework(("ISO/IEC 27001", "2022", "A.5.31")),
        tags=["residency", "exceptions"],
    )


def _key(leak: Leak) -> tuple[str, str, str]:
    return leak.urn, leak.finding.path, leak.finding.got


def _residency(config: Mapping[str, Any], report: ReportViolation) -> Residency | None:
    """The residency of the policy's configuration or the stack's environment. A missing or invalid one is reported."""
    try:
        given = configured(config, "residency")
        if given is None:
            raise refuse(
                "residency",
                "is required, in the policy's configuration or in the stack's environment",
                "nothing",
                "nothing could be checked",
                "configure the policy with `regions` or `geography` (docs/residency.md)",
            )
        return parse(Residency, given, "residency")
    except FindingsError as error:
        report(str(error))
        return None


def configured(config: Mapping[str, Any], block: str) -> Any:
    """What a policy is to hold a stack to: its own configuration, or else the block of that name in the environment of
    the stack's configuration, which the engine passes to a pack. None if there is neither."""
    given = {key: value for key, value in dict(config).items() if value not in (None, [], {})}
    if given:
        return given
    project = os.environ.get("PULUMI_PROJECT")
    environment = pulumi.Config(project).get_object("environment") if project else None
    return environment.get(block) if isinstance(environment, Mapping) else None


def declared_resource(resource: PolicyResource) -> DeclaredResource:
    """A resource of a stack, as the rules see it."""
    depends = {key: [each.urn for each in of] for key, of in resource.property_dependencies.items() if of}
    region = _raw(resource.provider.props).get("region") if resource.provider else None
    # A stack policy sees the resources' outputs, not what was declared: at a preview they are unknown if the service
    # chooses them. An unknown declared value comes from another resource.
    properties = {
        key: value if key in depends else _known(value)
        for key, value in _raw(resource.props).items()
        if key in depends or value is not UNKNOWN
    }
    return DeclaredResource(
        resource.resource_type, resource.name, properties, region, urn=resource.urn, depends=depends
    )


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(each) for key, each in value.items() if each is not UNKNOWN}
    if isinstance(value, list):
        return [_known(each) for each in value if each is not UNKNOWN]
    return value


def _raw(props: Any) -> Any:
    """The properties, with `UNKNOWN` for values that are not known yet: any other access to such a value raises, and an
    uncaught error turns a mandatory policy into an advisory one."""
    return plain(_unwrapped(props))


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        found: Any = value if isinstance(value, dict) else value["__target"]
        return {key: _unwrapped(each) for key, each in found.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        rows: Iterable[Any] = value if isinstance(value, list | tuple) else value["__target"]  # pyright: ignore[reportArgumentType, reportCallIssue]
        return [_unwrapped(each) for each in rows]
    return value


MANDATORY = EnforcementLevel.MANDATORY
"""The pack's default policies."""
