"""Hosts outside AWS: their operators, where they process and store, and which of that only a contract guarantees.

Sources: the providers' pages on data residency (developers.openai.com, platform.claude.com, docs.cloud.google.com),
read on 2026-11-25. The location of a host that is not listed is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A provider's hosts.

    Attributes:
        pattern: matches the hosts' names.
        operator: the company that operates them.
        geography: where they process and store; None if the provider guarantees no place.
        attested: whether the guarantee holds only for accounts that were accepted for it, and needs an attestation.
        note: what users must know about them.
    """

    pattern: re.Pattern[str]
    operator: str
    geography: str | None
    attested: bool = True
    note: str = ""


def _host(pattern: str, operator: str, geography: str | None, note: str, *, attested: bool = True) -> Host:
    return Host(re.compile(pattern), operator, geography, attested, note)


_OPENAI = "a project keeps the residency that it was created with, if the organisation is eligible for one"
_VERTEX = "which models stay there is listed in the provider's table of models"

HOSTS = (
    *(_host(rf"{name}\.api\.openai\.com", "OpenAI", name, _OPENAI) for name in ("us", "eu", "au", "jp")),
    *(
        _host(rf"{name}\.api\.openai\.com", "OpenAI", None, f"its geography, {name}, is not known here")
        for name in ("in", "ae")
    ),
    _host(r"api\.openai\.com", "OpenAI", None, "requests are processed anywhere", attested=False),
    _host(
        r"api\.anthropic\.com",
        "Anthropic",
        None,
        "it knows `global` and `us` only: use Claude on Bedrock in the Region",
        attested=False,
    ),
    _host(r"generativelanguage\.googleapis\.com", "Google", None, "it has no location", attested=False),
    _host(r"aiplatform\.(?P<geography>eu|us)\.rep\.googleapis\.com", "Google", "eu", _VERTEX),
    _host(r"europe-(?:west2)-aiplatform\.googleapis\.com", "Google", "uk", _VERTEX),
    _host(r"europe-west6-aiplatform\.googleapis\.com", "Google", None, "Zurich is not in a known geography"),
    _host(r"europe-[a-z]+\d+-aiplatform\.googleapis\.com", "Google", "eu", _VERTEX),
    _host(r"us-[a-z]+\d+-aiplatform\.googleapis\.com", "Google", "us", _VERTEX),
    _host(r"aiplatform\.googleapis\.com", "Google", None, "the location `global` guarantees no place", attested=False),
)
"""The first row that matches a host's name applies."""

REGISTRIES = {
    "public.ecr.aws": "Amazon ECR Public, in us-east-1 and behind CloudFront",
    "docker.io": "Docker Hub",
    "registry-1.docker.io": "Docker Hub",
    "ghcr.io": "GitHub",
    "quay.io": "Quay",
    "nvcr.io": "NVIDIA",
    "gcr.io": "Google",
    "registry.k8s.io": "Kubernetes, behind several networks",
    "mcr.microsoft.com": "Microsoft",
    "registry.gitlab.com": "GitLab",
}
"""Public image registries, which do not guarantee where an image comes from."""

INSIDE = re.compile(
    r"localhost|[a-z0-9-]+|.*\.svc|.*\.cluster\.local|.*\.local|.*\.internal"
    r"|127\.\d+\.\d+\.\d+|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|169\.254\.\d+\.\d+"
)
"""Hosts in the cluster or the private network of the resource that names them."""


def find_host(name: str) -> Host | None:
    """The row of a host with its geography; None if the table has none."""
    for each in HOSTS:
        if match := each.pattern.fullmatch(name):
            place = match.groupdict().get("geography") or each.geography
            return Host(each.pattern, each.operator, place, each.attested, each.note)
    return None
