"""The policy of the pack that holds a stack to its cap: the gate, over plain resources of any stack.

Needs the extra `policy`. Only the pack imports this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi_policy import (  # pyright: ignore[reportMissingImports] - an extra
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.endpoints.public_functions import unbounded_functions
from scaletozero.endpoints.spending_guard import SpendingGuard
from scaletozero.residency.pack import configured, declared_resource
from scaletozero.settings.spending import Spending
from scaletozero.spending.gate import cap_findings
from scaletozero.spending.prices import prices
from scaletozero.spending.resources import PRICED, price_resources

SCHEMA = PolicyConfigSchema(
    properties={
        "cap_usd_per_month": {"type": ["number", "string"]},
        "endpoints": {"type": "object"},
        "gateway": {"type": ["number", "string"]},
        "enforce": {"type": "string"},
        "currency": {"type": "string"},
        "guard": {"type": "object"},
    }
)
"""The policy's configuration is a `spending`, as an environment has it."""

PATH = "spending"


def spending_policy() -> Policy:
    """The stack's worst case, held to its cap; nothing where there is no cap."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        try:
            spending = _spending(args.get_config())
            if spending is None or spending.enforce == "warn":  # the environment itself warns
                return
            resources = [declared_resource(each) for each in args.resources]
            found = price_resources(resources, prices())
        except FindingsError as error:
            report(str(error))
            return
        for each in found.unpriced:
            if each.type in PRICED:
                report(f"{PATH}.cap_usd_per_month: needs a price of {each.name}: {each.why}", each.urn or None)
        for urn, finding in unbounded_functions(resources):
            report(str(finding), urn or None)
        if spending.guard and any(each.resource_type == SpendingGuard.type_name for each in args.resources):
            return  # the environment has held the caps of its endpoints to that of the whole
        for finding in cap_findings(f"{PATH}.cap_usd_per_month", spending.cap_usd_per_month, found, stopped=False):
            report(str(finding))

    return StackValidationPolicy(
        name="spending-cap",
        description="A month of the stack cannot cost more than its cap, where nothing would stop it.",
        validate=validate,
        config_schema=SCHEMA,
        severity=Severity.HIGH,
        tags=["spending"],
    )


def _spending(config: Mapping[str, Any]) -> Spending | None:
    """The policy's configuration, else the stack's environment's; None where neither has a cap."""
    given = configured(config, "spending")
    return parse(Spending, given, PATH) if given is not None else None
