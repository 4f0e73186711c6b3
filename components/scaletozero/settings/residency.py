"""Where an environment's compute and data may be: the value that every residency rule reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Settings, Text, nearest, reject
from scaletozero.partitions import SUPPORTED, find_partition, is_region, partitions
from scaletozero.settings.geographies import AS_OF, GEOGRAPHIES, OPT_IN
from scaletozero.settings.schedules import SingleDate


class Coverage(StrEnum):
    """The parts of an environment that a residency can cover."""

    COMPUTE = "compute"
    ARTIFACTS = "artifacts"
    LOGS = "logs"
    METRICS = "metrics"
    CACHE = "cache"
    FALLBACKS = "fallbacks"
    BACKUPS = "backups"
    KEYS = "keys"
    EVENTS = "events"
    ROUTING = "routing"


def _region(name: str) -> str:
    if not is_region(name):
        guess = nearest(name, (each for partition in partitions().values() for each in partition.regions))
        fix = f"write `{guess}`" if guess else "write a Region such as `eu-central-1`"
        reject("must be a Region of AWS", "nothing could be there", fix)
    return name


AnyRegion = Annotated[Text, AfterValidator(_region)]
"""The name of a Region, regardless of the services that it offers."""


def _geography(name: str) -> str:
    if name not in GEOGRAPHIES:
        guess = nearest(name, GEOGRAPHIES)
        fix = f"write `{guess}`" if guess else "write `regions: [...]` instead"
        reject(f"must be one of {', '.join(GEOGRAPHIES)}", "it would be unknown which Regions are meant", fix)
    return name


def _said(text: str) -> str:
    if not text.strip():
        reject("must not be empty", "an auditor could not tell why it was allowed", "write it out")
    return text


Said = Annotated[Text, AfterValidator(_said)]


Geography = Annotated[Text, AfterValidator(_geography)]
"""The name of a geography."""


class ResidencyException(Settings):
    """A resource or property that may be outside the residency, for a limited time.

    Attributes:
        allow: the path of the finding that it allows, as displayed: a resource's name, or its name and a property
            (`alerts-mail`, `copy.rules[0].destination.bucket`). `*` stands for any text.
        reason: why it is allowed.
        approver: who approved it.
        expires: the last day on which it applies.
    """

    allow: Said
    reason: Said
    approver: Said
    expires: SingleDate


class Attestation(Settings):
    """A contractual guarantee that was checked by a person.

    Attributes:
        subject: the host or the service that it covers, such as `eu.api.openai.com`.
        statement: what is guaranteed, such as `zero data retention`.
        reference: where the guarantee is documented: a contract's number, a ticket.
        date: the date of the guarantee.
        expires: the last day on which it applies.
    """

    subject: Said
    statement: Said
    reference: Said
    date: SingleDate
    expires: SingleDate


def _lei(value: str) -> str:
    if not re.fullmatch(r"[0-9A-Z]{18}[0-9]{2}", value):
        reject(
            "must be a legal entity identifier: 18 capital letters or digits, and 2 check digits (ISO 17442)",
            "the register of information would be rejected",
            "write it as the register of the Global LEI Foundation shows it (search.gleif.org)",
        )
    # ISO/IEC 7064, MOD 97-10: letters count from A = 10.
    if int("".join(str(int(each, 36)) for each in value)) % 97 != 1:
        reject(
            "must be a legal entity identifier whose check digits match (ISO 17442)",
            "the register of information would be rejected",
            "compare it with the register of the Global LEI Foundation (search.gleif.org): a character is wrong",
        )
    return value


Lei = Annotated[Text, AfterValidator(_lei)]
"""A legal entity identifier, with check digits that match."""


class DoraRegister(Settings):
    """What identifies the environment's rows in DORA's register of information, template B_02.02; all optional.

    Attributes:
        contract: the reference number of the contractual arrangement with AWS (0010).
        entity_lei: the LEI of the entity that makes use of the services (0020).
        provider_lei: the LEI of the AWS entity in the contract (0030), of the type `LEI` (0040).
    """

    contract: Said | None = None
    entity_lei: Lei | None = None
    provider_lei: Lei | None = None


class Residency(Settings):
    """Where everything may be: in given Regions, or in those of a geography.

    Attributes:
        regions: the Regions; either these or a geography.
        geography: a geography, whose Regions are listed in `scaletozero.settings.geographies`.
        pinned: the geography's Regions when it was approved. A later change of the list is then a finding.
        covers: what must be in these Regions. Default: everything.
        exceptions: what may be outside, why, who approved that, and until when.
        attestations: contractual guarantees about services whose processing cannot be checked here.
        locations: Regions that do not follow from the declaration: the name of a bucket, a host, or a
            finding's path -> Region.
        opted_in: the opt-in Regions that the account has enabled.
        dora_register: what identifies the environment's rows in DORA's register of information.
        guard: whether the environment declares a `ResidencyGuard` and sets its boundary on the roles of its endpoints;
            default: false.
    """

    regions: tuple[AnyRegion, ...] = ()
    geography: Geography | None = None
    pinned: tuple[AnyRegion, ...] = ()
    covers: tuple[Coverage, ...] = tuple(Coverage)
    exceptions: tuple[ResidencyException, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    locations: dict[Text, AnyRegion] = Field(default_factory=dict)
    opted_in: tuple[AnyRegion, ...] = ()
    dora_register: DoraRegister | None = None
    guard: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """The Regions, in the order in which they were written."""
        return GEOGRAPHIES[self.geography] if self.geography else self.regions

    def __str__(self) -> str:
        regions = ", ".join(self.allowed)
        return f"{self.geography} ({regions}; as of {AS_OF})" if self.geography else regions

    def conflicts(self) -> Iterable[Finding]:
        if not self.regions and self.geography is None:
            fix = "write `regions: [eu-central-1]` or `geography: eu`"
            yield Finding(
                "regions", "is required, or a geography", "nothing", "nothing could be checked against it", fix
            )
        if self.regions and self.geography is not None:
            said = "only one of the two would apply"
            yield Finding("geography", "must not be given together with `regions`", self.geography, said, "remove one")
        yield from self._partition_conflicts()
        if self.dora_register == DoraRegister():
            said = "the columns that identify a row would be empty"
            yield Finding(
                "dora_register", "must not be empty", "nothing", said, "write `entity_lei`, or remove the key"
            )
        if not self.covers:
            yield Finding("covers", "must not be empty", "nothing", "nothing would be checked", "remove the key")
        yield from self._pin_conflicts()

    def _partition_conflicts(self) -> Iterable[Finding]:
        found = {partition.name for each in self.allowed if (partition := find_partition(each))}
        if len(found) > 1:
            yield Finding(
                "regions",
                "must be in one partition of AWS",
                ", ".join(sorted(found)),
                "roles, replication and keys do not work across partitions",
                "declare an environment for each",
            )
        for each in sorted(found - set(SUPPORTED)):
            yield Finding("regions", f"must be in one of the partitions {', '.join(SUPPORTED)}", each)

    def _pin_conflicts(self) -> Iterable[Finding]:
        if self.pinned and self.geography is None:
            yield Finding("pinned", "is for a geography only", "regions", "it would be ignored", "remove it")
        now, then = set(self.allowed), set(self.pinned)
        if self.pinned and self.geography and now != then:
            more, less = ", ".join(sorted(now - then)), ", ".join(sorted(then - now))
            yield Finding(
                "pinned",
                f"must be the list of the geography `{self.geography}`, which has changed since it was pinned",
                " and ".join([*([f"without {more}"] if more else []), *([f"with {less}"] if less else [])]),
                "data could be in a Region that nobody approved",
                f"have the change approved and write `pinned: [{', '.join(self.allowed)}]`, or name your `regions`",
            )


def region_findings(residency: Residency | None, region: str, path: str) -> Iterable[Finding]:
    """Findings on a Region in which something is placed.

    Args:
        residency: the allowed Regions; None allows every Region.
        region: the Region.
        path: the path at which it was written.
    """
    if residency is None:
        return
    if region not in residency.allowed:
        yield Finding(
            path,
            f"must be within the residency, {', '.join(residency.allowed)}",
            region,
            "it would be outside the residency",
            f"write `{residency.allowed[0]}`" if residency.allowed else "",
        )
    elif region in OPT_IN and region not in residency.opted_in:
        yield Finding(
            path,
            "must be a Region that the account has enabled",
            f"{region}, an opt-in Region",
            "nothing could be created there",
            f"enable it (`aws account enable-region --region-name {region}`) and write "
            f"`residency.opted_in: [{', '.join((*residency.opted_in, region))}]`",
        )


def within(allowed: Iterable[str], region: str, path: str) -> Iterable[Finding]:
    """Findings on a component's Region that is not in the Regions that its caller allows; None allows all."""
    allowed = tuple(allowed)
    if allowed and region not in allowed:
        yield from region_findings(Residency(regions=allowed, opted_in=allowed), region, path)


def approved_findings(approved: Iterable[str], hosts: Collection[str], of: str) -> Iterable[Finding]:
    """Findings on `approved_hosts` that nothing is sent to.

    Args:
        approved: the names, as written.
        hosts: the hosts that something is sent to.
        of: what those are, for messages.
    """
    for index, host in enumerate(approved):
        if host not in hosts:
            yield Finding(
                f"approved_hosts.{index}", f"must be {of}", host, "nothing would be approved by it", "remove it"
            )
