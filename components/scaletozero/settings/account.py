"""Checks an account's quotas in a region against the most that an environment could use. Pure.

The figures are those of the SageMaker developer guide's page on serverless endpoints. They are defaults of established
accounts: a new account can have far less (10 concurrent calls in all have been reported); Service Quotas
shows yours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, reject
from scaletozero.settings.instances import InstanceType

CONCURRENCY = 500
"""Quota of concurrent calls of all serverless endpoints of an account in most regions."""

LARGE_CONCURRENCY = 1000
LARGE_REGIONS = frozenset(
    (
        "us-east-1",
        "us-east-2",
        "us-west-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "eu-central-1",
        "eu-west-1",
    )
)
"""The regions in which that quota is 1000."""

ENDPOINTS = 50
"""Quota of serverless endpoints of an account in a region."""


def _quota(value: int) -> int:
    if not 0 <= value <= 1_000_000:
        reject("must be from 0 to 1000000", fix="write the value of Service Quotas")
    return value


Quota = Annotated[Int, AfterValidator(_quota)]


class Quotas(Settings):
    """The account's quotas in the environment's region, as in Service Quotas. Default: AWS's defaults.

    Attributes:
        concurrency: concurrent calls of all serverless endpoints.
        provisioned_concurrency: units of provisioned concurrency of all serverless endpoints. Default: not checked.
        serverless_endpoints: number of serverless endpoints.
        instances: instance type -> number for endpoints; only the given types are checked. For GPUs it is often 0.
    """

    concurrency: Quota | None = None
    provisioned_concurrency: Quota | None = None
    serverless_endpoints: Quota = ENDPOINTS
    instances: dict[InstanceType, Quota] = Field(default_factory=dict)


def default_concurrency(region: str) -> int:
    """The default quota of concurrent calls of an established account in a region."""
    return LARGE_CONCURRENCY if region in LARGE_REGIONS else CONCURRENCY


@dataclass(frozen=True)
class QuotaShare:
    """The most that one endpoint can use of an account's quotas in a region.

    Attributes:
        serverless_endpoints: 1 for a serverless endpoint.
        concurrency: concurrent calls.
        provisioned_concurrency: units.
        instances: instance type -> number.
    """

    serverless_endpoints: int = 0
    concurrency: int = 0
    provisioned_concurrency: int = 0
    instances: Mapping[str, int] = field(default_factory=dict)


def quota_findings(
    shares: Mapping[str, QuotaShare], region: str, quotas: Quotas, path: str = "endpoints"
) -> Iterable[Finding]:
    """Findings on quotas that an environment's endpoints together could exceed.

    Args:
        shares: the endpoints' shares by their names.
        region: the endpoints' region.
        quotas: the account's quotas.
        path: the path of the endpoints.
    """
    calls = {name: one.concurrency for name, one in shares.items()}
    units = {name: one.provisioned_concurrency for name, one in shares.items()}
    whose = "the account's" if quotas.concurrency is not None else f"AWS's default in {region},"
    have = default_concurrency(region) if quotas.concurrency is None else quotas.concurrency
    if (total := sum(calls.values())) > have:
        yield Finding(
            path,
            f"must have `scaling.max` of at most {have} in all, {whose} concurrency",
            f"{_terms(calls)} = {total}",
            "endpoints would throttle each other, or SageMaker would refuse one of them",
            "lower a `max`, or raise the quota and write it as `quotas.concurrency` (a new account may have only 10)",
        )
    most = quotas.provisioned_concurrency
    if most is not None and (total := sum(units.values())) > most:
        yield Finding(
            path,
            f"must have provisioned concurrency of at most {most} in all",
            f"{_terms(units)} = {total}",
            "scaling would fail, and calls would meet cold containers",
            "lower a `min`, set `buffer: 0`, or raise the quota",
        )
    if (count := sum(one.serverless_endpoints for one in shares.values())) > quotas.serverless_endpoints:
        yield Finding(
            path,
            f"may have at most {quotas.serverless_endpoints} serverless endpoints in a region",
            str(count),
            "SageMaker would refuse the others",
            "raise the quota and write it as `quotas.serverless_endpoints`, or use another account",
        )
    for instance_type, most in quotas.instances.items():
        wanted = {name: one.instances[instance_type] for name, one in shares.items() if instance_type in one.instances}
        if (total := sum(wanted.values())) > most:
            yield Finding(
                path,
                f"may have at most {most} of {instance_type} in all",
                f"{_terms(wanted)} = {total}",
                "instances would not start when they are needed",
                "lower a `max`, or raise the quota",
            )


def _terms(values: Mapping[str, int], limit: int = 6) -> str:
    terms = [f"{name} {value}" for name, value in sorted(values.items(), key=lambda item: (-item[1], item[0])) if value]
    return " + ".join([*terms[:limit], *([f"{len(terms) - limit} more"] if len(terms) > limit else [])])
