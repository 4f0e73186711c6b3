"""Names of Kubernetes' objects, and networks that its policies know."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.validation import Text, reject

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""A DNS label, whatever its length."""


def _dns_label(value: str) -> str:
    if len(value) > 63 or not LABEL.fullmatch(value):
        reject(
            "must be a DNS label: lowercase letters, digits and inner hyphens, at most 63 characters",
            "the API server would refuse every object of that name",
            f"write `{re.sub(r'[^a-z0-9]+', '-', value.lower()).strip('-')[:63].rstrip('-') or 'endpoint'}`",
        )
    return value


DnsLabel = Annotated[Text, AfterValidator(_dns_label)]
"""A name that Kubernetes accepts for namespaces and services."""


def _cidr(value: str) -> str:
    try:
        network = ip_network(value)
    except ValueError:
        reject("must be a network such as 10.0.0.0/16", fix="write the address of the network, not of a host in it")
    # Two halves of the internet are all of it. No private network and no prefix list of S3 is as large.
    if network.prefixlen < 8:
        reject(
            "must not be the whole internet, nor a large part of it",
            "the pods could send data anywhere",
            "write the networks that are meant, such as those of the VPC's S3 endpoint, or of a prefix list",
        )
    return value


Cidr = Annotated[Text, AfterValidator(_cidr)]
