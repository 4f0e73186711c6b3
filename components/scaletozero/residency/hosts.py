"""Hosts outside of AWS: whose they are, where they process and store, and what only a contract can promise of them.

Sources: the providers' pages on data residency (developers.openai.com, platform.claude.com, docs.cloud.google.com),
read on 2026-11-25. A host that is not listed is somewhere that nobody declared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A provider's hosts.

    Attributes:
        pattern: what their names look like.
        operator: whose they are.
        geography: where they process and store; None where the provider promises no place.
        attested: whether the promise holds only for accounts that were accepted for it, and needs an attestation.
        note: what is to be known of them.
    """

    pattern: re.Pattern[str]
    operator: str
    geography: str | None
    attested: bool = True
    note: str = ""


def _host(pattern: str, operator: str, geography: str | None, note: str, *, attested: bool = True) -> Host:
    return Host(re.compile(pattern), operator, geography, attested, note)


_OPENAI = "a project keeps the residency that it was created with, if the organisation is eligible for one"
_VERTEX = "which models stay there is said by the model's own table"

HOSTS = (
    *(_host(rf"{name}\.api\.openai\.com", "OpenAI", name, _OPENAI) for name in ("us", "eu", "au", "jp")),
    *(
        _host(rf"{name}\.api\.openai\.com", "OpenAI", None, f"its geography, {name}, is none here")
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
    _host(r"europe-west6-aiplatform\.googleapis\.com", "Google", None, "Zurich is in no geography here"),
    _host(r"europe-[a-z]+\d+-aiplatform\.googleapis\.com", "Google", "eu", _VERTEX),
    _host(r"us-[a-z]+\d+-aiplatform\.googleapis\.com", "Google", "us", _VERTEX),
    _host(r"aiplatform\.googleapis\.com", "Google", None, "the location `global` promises no place", attested=False),
)
"""The first that matches a host's name says where it is."""

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
"""Public image registries; none says where an image comes from."""

INSIDE = re.compile(
    r"localhost|[a-z0-9-]+|.*\.svc|.*\.cluster\.local|.*\.local|.*\.internal"
    r"|127\.\d+\.\d+\.\d+|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|169\.254\.\d+\.\d+"
)
"""Hosts that lie in the cluster or in the private network of whatever names them."""


def find_host(name: str) -> Host | None:
    """The provider of a host, with its geography; None where the table has none."""
    for each in HOSTS:
        if match := each.pattern.fullmatch(name):
            place = match.groupdict().get("geography") or each.geography
            return Host(each.pattern, each.operator, place, each.attested, each.note)
    return None
