"""The tests of the catalogue: each tests one value of a resource, and returns where it leads if that is outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from urllib.parse import urlsplit

from scaletozero.partitions import ARN, ECR_HOST, find_partition, is_own_domain, is_region, partitions
from scaletozero.residency.hosts import INSIDE, REGISTRIES, find_host
from scaletozero.residency.resource import DeclaredResource, Unknown
from scaletozero.settings.geographies import GEOGRAPHIES
from scaletozero.settings.residency import Residency

UNDECLARED = "only known after deployment"


@dataclass(frozen=True)
class Outside:
    """Where a value leads, and how to fix that.

    Attributes:
        where: the Region, host or bucket, for messages.
        fix: what to do instead, if that is more than the fix of the catalogue's row.
    """

    where: str
    fix: str = ""


@dataclass(frozen=True)
class Context:
    """What is known besides the tested resource.

    Attributes:
        residency: where everything may be.
        today: attestations that expired before this day are ignored.
        buckets: name of a declared bucket -> its Region.
        partial: whether other resources are unknown, so that links to them are left to a check that sees all.
    """

    residency: Residency
    today: date
    buckets: Mapping[str, str | Unknown | None] = field(default_factory=dict)
    partial: bool = False

    def unknown(self, where: str = UNDECLARED) -> Outside | None:
        """An undeclared place; None if it may be in a resource that is not known here."""
        return None if self.partial else Outside(where, "write it as `residency.locations`, or as a plain value")

    def attested(self, subject: str) -> bool:
        """Whether an attestation of a contract's guarantee for a subject is in force."""
        known = self.residency.attestations
        return any(each.subject == subject and self.today <= each.expires for each in known)


class Judge(Protocol):
    """Returns where a value leads if that is outside, otherwise None."""

    def __call__(self, value: Any, resource: DeclaredResource, context: Context, /) -> Outside | None: ...


def region(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """The name of a Region."""
    return None if value in context.residency.allowed else Outside(str(value))


_ZONE = re.compile(r"(?P<region>[a-z]+(?:-[a-z]+)+-\d+)(?P<rest>.*)")


def zone(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """An availability zone of a Region, or a Region. A Local Zone is in another place than its Region, often abroad."""
    match = _ZONE.fullmatch(str(value))
    if not match:
        return Outside(str(value))
    if not re.fullmatch(r"[a-z]?", match["rest"]):
        return Outside(f"{value}, a Local Zone or Wavelength Zone", "use a zone of the Region itself")
    return region(match["region"], resource, context)


def address(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """An ARN, an S3 URI, or a name without a place."""
    text = str(value)
    if text.startswith("s3://"):
        return bucket(text, resource, context)
    match = ARN.fullmatch(text)
    if not match:
        return None
    allowed = {partition.name for each in context.residency.allowed if (partition := find_partition(each))}
    if match["partition"] not in allowed:
        return Outside(
            f"{text}, in the partition {match['partition']}", "use one in this partition: AWS separates partitions"
        )
    if match["service"] == "bedrock" and (found := profile(text, resource, context)):
        return found
    if match["service"] == "s3":
        return bucket(text, resource, context)
    if (
        match["region"]
        and is_or_looks_like_region(match["region"])
        and match["region"] not in context.residency.allowed
    ):
        return Outside(text)
    return None


def is_or_looks_like_region(text: str) -> bool:
    """Whether a part of an ARN is the name of a Region, known or newer than the table."""
    return is_region(text) or find_partition(text) is not None


def bucket(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A bucket: its name, its ARN, or an S3 URI below it."""
    text = str(value)
    if match := ARN.fullmatch(text):
        if match["region"]:  # the ARN of an access point, which has a Region
            return region(match["region"], resource, context)
        if "accesspoint/" in match["resource"]:
            return Outside(f"{text}, a Multi-Region Access Point", "use a bucket or an access point of one Region")
        text = match["resource"]
    name = text.removeprefix("s3://").partition("/")[0]
    where = context.buckets.get(name) or context.residency.locations.get(name)
    if where is None or isinstance(where, Unknown):
        return context.unknown(f"the bucket {name}, whose Region is not declared here")
    return None if where in context.residency.allowed else Outside(f"the bucket {name} in {where}")


def url(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """An address that requests are sent to."""
    text = str(value)
    host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    return host_name(host, resource, context)


def address_in_text(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """The value of a variable or an argument: a URL, an S3 URI, an ARN or a model's id; other texts lead nowhere."""
    text = str(value).rpartition("=")[2] if str(value).startswith("--") else str(value)
    if re.match(r"https?://|wss?://|grpcs?://", text):
        return url(text, resource, context)
    return address(text, resource, context) or profile(text, resource, context) or known_host(text, resource, context)


def known_host(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A host or a URL of AWS or of a provider in the table; other texts lead nowhere."""
    match = re.fullmatch(r"(?:[a-z]+://)?(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+){2,})(?::\d+)?(?:/.*)?", str(value))
    if match and (find_host(match["host"]) or _aws_suffix(match["host"])):
        return host_name(match["host"], resource, context)
    return None


def _aws_suffix(host: str) -> str | None:
    suffixes = {s for each in partitions().values() for s in (each.dns_suffix, each.dual_stack_suffix)}
    return next((each for each in sorted(suffixes, key=len, reverse=True) if host.endswith(f".{each}")), None)


def host_name(host: str, resource: DeclaredResource, context: Context) -> Outside | None:
    """A host: of AWS by the Region in its name, of a provider by the table, any other by its declared location."""
    residency = context.residency
    if declared := residency.locations.get(host):
        return None if declared in residency.allowed else Outside(f"{host} in {declared}")
    if not host or INSIDE.fullmatch(host):
        return None
    if suffix := _aws_suffix(host):
        labels = host.removesuffix(f".{suffix}").split(".")
        where = next((each for each in reversed(labels) if is_or_looks_like_region(each)), None)
        if where is None:
            return Outside(f"{host}, which names no Region", "use the Region's own host")
        return None if where in residency.allowed else Outside(f"{host} in {where}")
    provider = find_host(host)
    if provider is None:
        return Outside(f"{host}, whose location is unknown", "declare its location in `residency.locations`")
    if provider.geography is None or not within_geography(provider.geography, residency):
        said = provider.geography or "no guaranteed place"
        return Outside(f"{host} ({provider.operator}, {said}: {provider.note})", "use a model in the Region")
    if provider.attested and not context.attested(host):
        fix = f"add an attestation with `subject: {host}`, its reference and its dates"
        return Outside(f"{host} ({provider.operator}), without an attestation: {provider.note}", fix)
    return None


def within_geography(geography: str, residency: Residency) -> bool:
    """Whether everything in a geography is within the residency."""
    regions = GEOGRAPHIES.get(geography)
    return geography == residency.geography or (regions is not None and set(regions) <= set(residency.allowed))


def image(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A container image, by its registry."""
    first, slash, _ = str(value).partition("/")
    host = first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
    host = host.partition(":")[0]
    match = re.fullmatch(ECR_HOST, host)
    if match and is_own_domain(match["region"], match["domain"]):
        return None if match["region"] in context.residency.allowed else Outside(f"{host} in {match['region']}")
    if declared := context.residency.locations.get(host):
        return None if declared in context.residency.allowed else Outside(f"{host} in {declared}")
    if INSIDE.fullmatch(host):
        return None
    return Outside(f"{host}: {REGISTRIES.get(host, 'a registry whose location is unknown')}")


_PROFILE = re.compile(r"(?P<prefix>us-gov|us|eu|apac|jp|au|ca|global)\.(?P<model>[a-z0-9]+\.[A-Za-z0-9][\w.:-]*)")


def profile(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A Bedrock model's id, or the ARN of a model or a profile, which processes in all of its Regions."""
    text = str(value)
    match = ARN.fullmatch(text)
    if match and match["service"] == "bedrock" and not match["region"]:
        return Outside(f"{text}, a model without a Region", "write the model's id in the Region")
    name = match["resource"].rpartition("/")[2] if match else text
    found = _PROFILE.fullmatch(name)
    if not found or within_geography(found["prefix"], context.residency):
        return None
    return Outside(
        f"the inference profile {name}, which processes anywhere in `{found['prefix']}`",
        f"write `{found['model']}`, the model in the Region itself",
    )


def present(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A resource of a type that is always outside."""
    return Outside("by its type")


def switched_on(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A property that must not be true, or must be absent."""
    return None if value in (False, "false", {}, []) else Outside("switched on" if value is True else "given")


def edge(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """An API, which is edge-optimised unless its type is `REGIONAL` or `PRIVATE`."""
    block = resource.properties.get("endpointConfiguration")
    if isinstance(block, Unknown):
        return context.unknown()
    given = block.get("types") if isinstance(block, Mapping) else None
    types = [given] if isinstance(given, str) else list(given or ["EDGE"])
    return Outside("an edge-optimised endpoint (EDGE)") if "EDGE" in types else None


def subscription(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A topic's subscription, whose destination depends on its protocol."""
    protocol = resource.properties.get("protocol")
    if protocol in ("http", "https"):
        return url(value, resource, context)
    if protocol in ("sqs", "lambda", "firehose"):
        return address(value, resource, context)
    fix = "use a queue in the Region, or add an exception with its reason"
    return Outside(f"{protocol or 'an unknown protocol'}, which leaves every Region", fix)


def widgets(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A dashboard's body: the Region of every widget's metrics."""
    try:
        body = json.loads(value) if isinstance(value, str) else value
        regions: Iterable[Any] = [
            each["properties"]["region"] for each in body["widgets"] if "region" in (each.get("properties") or {})
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return context.unknown("a body that cannot be read")
    outside = sorted({str(each) for each in regions if each not in context.residency.allowed})
    return Outside(", ".join(outside)) if outside else None


def image_host(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """The host of a registry."""
    return image(f"{str(value).rpartition('//')[2]}/any", resource, context)


def host_name_of(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A host's name alone."""
    return host_name(str(value), resource, context)


_REGION_LABEL, _ZONE_LABEL = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


def node_selector(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """The labels that a pod's node must have."""
    for label, judge in ((_REGION_LABEL, region), (_ZONE_LABEL, zone)):
        if isinstance(value, Mapping) and label in value and (found := judge(value[label], resource, context)):
            return found
    return None


def requirement(value: Any, resource: DeclaredResource, context: Context) -> Outside | None:
    """A requirement of a node selector or a node pool, if it is about Regions or zones."""
    if not isinstance(value, Mapping) or value.get("key") not in (_REGION_LABEL, _ZONE_LABEL):
        return None
    if value.get("operator") != "In":
        return Outside(f"{value['key']} {value.get('operator')}, which only excludes values", "use `In`")
    judge = region if value["key"] == _REGION_LABEL else zone
    return next((found for each in value.get("values") or () if (found := judge(each, resource, context))), None)
