"""What an account has in a region, against what an environment could take of it at most. Pure.

The figures are those of the SageMaker developer guide's page on serverless endpoints. They are defaults of established
accounts: a new account can have far less (10 concurrent calls in all have been reported), and Service Quotas says what
yours has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, reject
from scaletozero.settings.asynchronous import AsynchronousEndpoint
from scaletozero.settings.instances import InstanceType
from scaletozero.settings.serverless import ServerlessEndpoint

CONCURRENCY = 500
"""Concurrent calls of all serverless endpoints of an account in most regions."""

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
"""The regions in which it is 1000."""

ENDPOINTS = 50
"""Serverless endpoints of an account in a region."""


def _quota(value: int) -> int:
    if not 0 <= value <= 1_000_000:
        reject("must be from 0 to 1000000", fix="write what Service Quotas says")
    return value


Quota = Annotated[Int, AfterValidator(_quota)]


class Quotas(Settings):
    """What the account has in the environment's region, as Service Quotas says; AWS's defaults where nothing is given.

    Attributes:
        concurrency: concurrent calls of all serverless endpoints.
        provisioned_concurrency: units of provisioned concurrency of all of them; not checked unless given.
        serverless_endpoints: how many there may be.
        instances: instance type -> how many for endpoints; only the types given are checked. For GPUs it is often 0.
    """

    concurrency: Quota | None = None
    provisioned_concurrency: Quota | None = None
    serverless_endpoints: Quota = ENDPOINTS
    instances: dict[InstanceType, Quota] = Field(default_factory=dict)


def default_concurrency(region: str) -> int:
    """What an established account has in a region."""
    return LARGE_CONCURRENCY if region in LARGE_REGIONS else CONCURRENCY


def provisioned_at_most(endpoint: ServerlessEndpoint) -> int:
    """The most provisioned concurrency that an endpoint's scaling and schedule can ever ask for."""
    scaling = endpoint.scaling
    if not scaling.min:
        return 0
    return scaling.max if scaling.target else max([scaling.min, *(window.min for window in endpoint.schedule)])


def quota_findings(
    endpoints: Mapping[str, object], region: str, quotas: Quotas, path: str = "endpoints"
) -> Iterable[Finding]:
    """What an environment's endpoints take together, where that is more than the account has."""
    serverless = {name: one for name, one in endpoints.items() if isinstance(one, ServerlessEndpoint)}
    calls = {name: one.scaling.max for name, one in serverless.items()}
    units = {name: provisioned_at_most(one) for name, one in serverless.items()}
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
    if len(serverless) > quotas.serverless_endpoints:
        yield Finding(
            path,
            f"may have at most {quotas.serverless_endpoints} serverless endpoints in a region",
            str(len(serverless)),
            "SageMaker would refuse the others",
            "raise the quota and write it as `quotas.serverless_endpoints`, or use another account",
        )
    for instance_type, count in quotas.instances.items():
        wanted = {
            name: one.scaling.max
            for name, one in endpoints.items()
            if isinstance(one, AsynchronousEndpoint) and one.instance_type == instance_type
        }
        if (total := sum(wanted.values())) > count:
            yield Finding(
                path,
                f"may have at most {count} of {instance_type} in all",
                f"{_terms(wanted)} = {total}",
                "instances would not start when they are needed",
                "lower a `max`, or raise the quota",
            )


def _terms(values: Mapping[str, int], limit: int = 6) -> str:
    terms = [f"{name} {value}" for name, value in sorted(values.items(), key=lambda item: (-item[1], item[0])) if value]
    return " + ".join([*terms[:limit], *([f"{len(terms) - limit} more"] if len(terms) > limit else [])])
