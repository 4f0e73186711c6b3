"""Checks an environment against its residency: the closure over everything that it would declare. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from model_packaging.findings import Finding
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.settings import Environment
from scaletozero.residency.closure import findings
from scaletozero.residency.resource import DeclaredResource

BUCKET = "artifacts"
"""The name of an environment's bucket in its program."""


def declared(environment: Environment) -> list[DeclaredResource]:
    """The environment's declared resources that determine where something runs, is stored or is sent."""
    return list(_declared(environment))


def _declared(environment: Environment) -> Iterator[DeclaredResource]:
    region = environment.region
    key = environment.artifacts.kms_key_arn
    with_key = {"kmsMasterKeyId": key} if isinstance(key, str) else {}
    # In the spelling of the catalogue's types; the bucket has no name before it is deployed.
    yield DeclaredResource(
        "aws:s3/bucket:Bucket", BUCKET, with_key, region, written={"kmsMasterKeyId": "artifacts.kms_key_arn"}
    )
    for name, endpoint in environment.endpoints.items():
        yield from kind_of(endpoint).declared_resources(name, endpoint, region)


def residency_findings(environment: Environment, today: date, path: str = "environment") -> list[Finding]:
    """Everything that leads out of the environment's residency, and expired exceptions; nothing if it has none."""
    residency = environment.residency
    if residency is None:
        return []
    found = findings(declared(environment), residency, today)
    return [replace(each, path=f"{path}.{each.path}") for each in found]
