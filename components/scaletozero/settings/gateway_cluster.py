"""What a user may declare of the pods that a gateway runs as, and what pods cannot do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings
from scaletozero.settings.gateway_targets import between, distinct
from scaletozero.settings.kubernetes_names import Cidr, DnsLabel
from scaletozero.settings.pinned_images import Image, image_region

if TYPE_CHECKING:
    from scaletozero.settings.gateway import Rules

Replicas = Annotated[Int, between(1, 100, " replicas", "nothing would answer, or the store would be in its own way")]
CpuMillis = Annotated[Int, between(50, 64_000, " thousandths of a processor", "no node would have room for it")]
MemoryMib = Annotated[Int, between(256, 65_536, " MiB", "the program would be ended for its memory, or have no node")]


class GatewayCluster(Settings):
    """The pods that a gateway runs as.

    Attributes:
        image: the image with the program, pinned by a digest or an exact tag.
        replicas: how many pods run at all times. Rates of customers are counted in each.
        callers: namespaces whose pods may call it. Default: its own.
        https_cidrs: networks that the pods may send HTTPS requests to. Required where nothing enforces names of hosts.
        cpu_millis: thousandths of a processor that each pod requests.
        memory_mib: memory that each pod requests, and its limit.
    """

    image: Image
    replicas: Replicas = 2
    callers: Annotated[tuple[DnsLabel, ...], AfterValidator(distinct)] = ()
    https_cidrs: Annotated[tuple[Cidr, ...], AfterValidator(distinct)] = ()
    cpu_millis: CpuMillis = 500
    memory_mib: MemoryMib = 512


def pods_conflicts(pods: GatewayCluster, region: str) -> Iterable[Finding]:
    """Findings on an image of another Region."""
    where = image_region(pods.image)
    if where and where != region:
        then = "each node would pull it across Regions, and the program would come from outside"
        fix = f"copy it to that Region and write `{pods.image.replace(where, region, 1)}`"
        yield Finding("image", f"must be in the gateway's Region, {region}", where, then, fix)


def in_pods(rules: Rules) -> Iterable[Finding]:
    """The findings on what the pods of a gateway cannot do: they have no variables of their own, and send HTTPS only,
    but for the interceptor of their cluster."""
    for path, provider in rules.providers():
        if provider.variable is not None:
            then = "the key would be readable in the cluster's objects"
            fix = "write `secret: <name>`, and put the key into AWS Secrets Manager"
            yield Finding(f"{path}.variable", "must not be in pods", provider.variable, then, fix)
        if not provider.base_url.startswith("https://"):
            rule, then = "must begin with https:// in pods", "their network policy lets nothing else out"
            yield Finding(f"{path}.base_url", rule, provider.base_url, then)
    for path, target in rules.ways():
        if target.url is not None and not target.url.startswith("https://"):
            rule, then = "must begin with https:// in pods", "their network policy lets nothing else out"
            fix = "remove it: the interceptor of their own cluster is what they reach by default"
            yield Finding(f"{path}url", rule, target.url, then, fix)
