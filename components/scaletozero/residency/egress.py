"""The hosts that a component sends requests to, held to the Regions that it may be in. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date

from model_packaging.findings import Finding
from scaletozero.residency.judges import Context, host_name, profile
from scaletozero.residency.resource import DeclaredResource
from scaletozero.settings.residency import Residency


def outside_hosts(hosts: Collection[str], allowed: Sequence[str]) -> dict[str, str]:
    """The hosts that lead out of Regions, or whose location is not known to be within them.

    Args:
        hosts: names of hosts.
        allowed: the Regions; all are allowed if there is none.

    Returns:
        Host -> where it is.
    """
    if not allowed:
        return {}
    # Attestations, the only thing here with a date, are of an environment, which approves the hosts that have one.
    context = Context(Residency(regions=tuple(allowed), opted_in=tuple(allowed)), date.min)
    pods = DeclaredResource("kubernetes:apps/v1:Deployment", "", {})
    found = ((each, host_name(each, pods, context)) for each in hosts)
    return {host: outside.where for host, outside in found if outside}


def egress_findings(hosts: Mapping[str, str], allowed: Sequence[str], approved: Iterable[str]) -> Iterator[Finding]:
    """Findings on hosts that are outside of `allowed`, and are not approved.

    Args:
        hosts: path where it is written -> name of a host.
        allowed: the Regions; all are allowed if there is none.
        approved: names of hosts that are not refused.
    """
    approved = set(approved)
    outside = outside_hosts(hosts.values(), allowed)
    for path, host in hosts.items():
        if host in outside and host not in approved:
            yield Finding(
                path,
                f"must stay within the residency, {', '.join(allowed)}",
                outside[host],
                "what is sent there would leave it",
                f"remove it, or write `approved_hosts: [{host}]` if its location or an exception was approved",
            )


def profile_findings(models: Mapping[str, str], region: str, allowed: Sequence[str]) -> Iterator[Finding]:
    """Findings on models of Bedrock that process requests outside of `allowed`.

    Args:
        models: path where it is written -> id of a model or of an inference profile.
        region: where they are asked.
        allowed: the Regions; all are allowed if there is none.
    """
    if not allowed:
        return
    context = Context(Residency(regions=tuple(allowed), opted_in=tuple(allowed)), date.min)
    asked = DeclaredResource("aws:bedrock/agentAgent:AgentAgent", "", {}, region)
    for path, model in models.items():
        if outside := profile(model, asked, context):
            rule = f"must stay within the residency, {', '.join(allowed)}"
            yield Finding(path, rule, outside.where, "what is sent there would leave it", outside.fix)
