"""The closure: checks every declared resource against a residency. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from model_packaging.findings import Finding
from scaletozero.residency import judges
from scaletozero.residency.catalogue import GLOBAL_SERVICES, ROWS, SERVICE_COVERS, Row
from scaletozero.residency.judges import UNDECLARED, Context, Outside
from scaletozero.residency.resource import DeclaredResource, Unknown, texts, values
from scaletozero.settings.residency import Coverage, Residency

_SKIPPED = frozenset(
    (
        "policy", "assumeRolePolicy", "inlinePolicies", "managedPolicyArns", "policyDocument", "tags", "tagsAll",
        "description", "alarmDescription", "dashboardBody", "__defaults", "metadata", "bucketDomainName",
    )
)  # fmt: skip
"""Properties whose text can name places without sending data there."""

_BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")


@dataclass(frozen=True)
class Leak:
    """A way out of a residency.

    Attributes:
        finding: the message: path, rule, where it leads, what would happen, what to do instead.
        type, name, urn: those of the resource.
        rule: the catalogue's row, or `region`, `arn` or `host` for rules that apply to every resource.
        covers: the part of the residency that it belongs to.
    """

    finding: Finding
    type: str
    name: str
    urn: str
    rule: str
    covers: Coverage


def leaks(
    resources: Sequence[DeclaredResource], residency: Residency, today: date, *, partial: bool = False
) -> list[Leak]:
    """Everything that leads out of a residency, except what an exception allows today.

    Args:
        resources: all declared resources.
        residency: the allowed Regions, with exceptions and attestations.
        today: exceptions and attestations that expired before this day are ignored.
        partial: whether `resources` are only some: links to others are left to a check that sees all.
    """
    context = Context(residency, today, _bucket_regions(resources), partial)
    by_urn = {each.urn: each for each in resources if each.urn}
    rows: dict[str, list[Row]] = {}
    for row in ROWS:
        rows.setdefault(row.type, []).append(row)
    found = [leak for each in resources for leak in _of(each, rows.get(each.type, []), context, by_urn)]
    unique = {(leak.finding.path, leak.finding.got): leak for leak in reversed(found)}
    kept = [leak for leak in reversed(unique.values()) if leak.covers in residency.covers]
    return [leak for leak in kept if not excepted(leak.finding.path, residency, today)]


def excepted(path: str, residency: Residency, today: date) -> bool:
    """Whether an exception that has not expired allows what was found at a path."""
    return any(
        today <= each.expires
        and (fnmatchcase(path, each.allow) or path.startswith((f"{each.allow}.", f"{each.allow}[")))
        for each in residency.exceptions
    )


def expired(residency: Residency, today: date, path: str = "residency") -> list[Finding]:
    """Findings on exceptions and attestations that have expired."""
    groups = {"exceptions": residency.exceptions, "attestations": residency.attestations}
    return [
        Finding(
            f"{path}.{name}.{index}.expires",
            f"must not have expired on {today.isoformat()}",
            each.expires.isoformat(),
            "what it allows is no longer allowed",
            "have it approved again, or remove it and what it allows",
        )
        for name, group in groups.items()
        for index, each in enumerate(group)
        if each.expires < today
    ]


def findings(
    resources: Sequence[DeclaredResource], residency: Residency, today: date, path: str = "residency"
) -> list[Finding]:
    """The closure as findings: expired exceptions, and every way out."""
    return [*expired(residency, today, path), *(leak.finding for leak in leaks(resources, residency, today))]


def service_of(kind: str) -> str:
    """The service of an AWS resource; empty for other providers' resources."""
    package, _, rest = kind.partition(":")
    return rest.partition("/")[0].partition(":")[0].lower() if package in ("aws", "aws-native") else ""


def _of(
    resource: DeclaredResource, rows: Iterable[Row], context: Context, by_urn: Mapping[str, DeclaredResource]
) -> Iterator[Leak]:
    yield from _own_region(resource, context)
    judged: set[str] = set()
    for row in rows:
        for at, value in values(resource.properties, row.at) if row.at else [("", None)]:
            judged.add(at)
            if isinstance(value, Unknown):
                outside = _through_dependencies(resource, at, context, by_urn)
            else:
                outside = row.judge(value, resource, context)
            if outside:
                yield _leak(resource, at, row.rule, row.covers, outside, row.consequence, row.fix, context)
    yield from _anywhere(resource, judged, context)


def _own_region(resource: DeclaredResource, context: Context) -> Iterator[Leak]:
    service = service_of(resource.type)
    if not service or service in GLOBAL_SERVICES:
        return
    covers, home = _covers(resource.type), resource.home
    if home is None or isinstance(home, Unknown):
        outside: Outside | None = Outside(UNDECLARED, "set a plain `region` on it or on its provider")
        if where := context.residency.locations.get(resource.path("region")):
            outside = judges.region(where, resource, context)
    else:
        outside = judges.region(home, resource, context)
    if outside:
        fix = f"write `{context.residency.allowed[0]}`"
        yield _leak(resource, "region", "region", covers, outside, "the resource itself would be outside", fix, context)


def _covers(kind: str) -> Coverage:
    if kind.startswith("aws:cloudwatch/log"):
        return Coverage.LOGS
    if kind.startswith(("aws:cloudwatch/metric", "aws:cloudwatch/dashboard")):
        return Coverage.METRICS
    return (
        Coverage.EVENTS if service_of(kind) == "cloudwatch" else SERVICE_COVERS.get(service_of(kind), Coverage.COMPUTE)
    )


def _anywhere(resource: DeclaredResource, judged: set[str], context: Context) -> Iterator[Leak]:
    """ARNs, profiles and hosts in all other properties, also for types that are not in the catalogue."""
    if resource.type.startswith("pulumi:") or service_of(resource.type) in ("iam", "organizations"):
        return
    for at, text in texts(resource.properties, _SKIPPED):
        if at in judged or len(text) > 2048:
            continue
        outside, rule = None, "arn"
        if text.startswith("arn:"):
            outside = (
                judges.address(text, resource, context) if ":s3:::" not in text else _other_partition(text, context)
            )
        elif found := judges.profile(text, resource, context) or judges.known_host(text, resource, context):
            outside, rule = found, "host"
        if outside:
            then = "data that is sent there would leave"
            fix = "name one in an allowed Region"
            yield _leak(resource, at, rule, _covers(resource.type), outside, then, fix, context)


def _other_partition(text: str, context: Context) -> Outside | None:
    """Checks a bucket ARN in a property that is not in the catalogue: its partition, and its Region if known."""
    name = text.rpartition(":")[2].partition("/")[0]
    known = name in context.buckets or name in context.residency.locations
    region_free = Context(context.residency, context.today, context.buckets, partial=not known)
    return judges.address(text, DeclaredResource("", "", {}), region_free)


def _through_dependencies(
    resource: DeclaredResource, at: str, context: Context, by_urn: Mapping[str, DeclaredResource]
) -> Outside | None:
    """Where a value that is not known yet leads: to the resources from which it is derived, if they are known here."""
    if where := context.residency.locations.get(resource.path(at)):
        return judges.region(where, resource, context)
    top = at.partition(".")[0].partition("[")[0]
    sources = [by_urn[urn] for urn in resource.depends.get(top, ()) if urn in by_urn]
    placed = [each for each in sources if service_of(each.type) and service_of(each.type) not in GLOBAL_SERVICES]
    if not placed:
        return context.unknown()
    for each in placed:
        if isinstance(each.home, Unknown) or each.home is None:
            return context.unknown(f"{each.name}, whose Region is {UNDECLARED}")
        if judges.region(each.home, resource, context):
            return Outside(f"{each.name} in {each.home}")
    return None


def _bucket_regions(resources: Iterable[DeclaredResource]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in resources:
        if each.type in _BUCKETS:
            for name in (each.properties.get("bucket"), each.outputs.get("bucket"), each.outputs.get("id")):
                if isinstance(name, str):
                    found[name] = each.home
    return found


def _leak(
    resource: DeclaredResource,
    at: str,
    rule: str,
    covers: Coverage,
    outside: Outside,
    consequence: str,
    fix: str,
    context: Context,
) -> Leak:
    home = resource.home
    origin = f"{home} -> " if isinstance(home, str) and rule != "region" else ""
    finding = Finding(
        resource.path(at),
        f"must stay within the residency, {', '.join(context.residency.allowed)}",
        f"{origin}{outside.where}",
        consequence,
        outside.fix or fix,
    )
    return Leak(finding, resource.type, resource.name, resource.urn, rule, covers)
