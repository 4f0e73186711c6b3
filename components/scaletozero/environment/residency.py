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
from scaletozero.settings.gateway import Gateway

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
    if environment.gateway is not None:
        yield from _targets(environment.gateway, region)


def _targets(gateway: Gateway, region: str) -> Iterator[DeclaredResource]:
    """The hosts and models that the gateway sends prompts to; hosts in the spelling of a policy that allows them."""
    for path, host in gateway.hosts():
        spec = {"spec": {"egress": [{"to": [{"domainNames": [host]}]}]}}
        policy = "kubernetes:networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy"
        written = {"spec.egress[0].to[0].domainNames[0]": f"gateway.{path}"}
        yield DeclaredResource(policy, f"gateway.{path.rpartition('.')[0]}", spec, written=written)
    for path, bedrock in gateway.bedrocks():
        # In the spelling of a resource that names a model, which the closure judges by the id's geography.
        model, written = {"foundationModel": bedrock.model}, {"foundationModel": f"gateway.{path}.model"}
        yield DeclaredResource("aws:bedrock/agentAgent:AgentAgent", f"gateway.{path}", model, region, written=written)


def residency_findings(environment: Environment, today: date, path: str = "environment") -> list[Finding]:
    """Everything that leads out of the environment's residency, and expired exceptions; nothing if it has none."""
    residency = environment.residency
    if residency is None:
        return []
    found = findings(declared(environment), residency, today)
    return [replace(each, path=f"{path}.{each.path}") for each in found]
