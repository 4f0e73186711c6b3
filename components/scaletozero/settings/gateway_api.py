"""What a user may declare of the API through which a gateway's function is reached, in place of a URL. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, may_be_later, reject
from scaletozero.partitions import arn_prefix
from scaletozero.settings.gateway_models import Model

SILENT_SECONDS = 300
"""Seconds without a byte after which a Regional API ends a response that streams (API Gateway developer guide, response
transfer mode)."""

MOST_SECONDS = 900
"""The longest response that streams (the same)."""

_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_CERTIFICATE = re.compile(r"arn:aws(?:-[a-z]+)*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]{1,128}")
_WEB_ACL = re.compile(r"arn:aws(?:-[a-z]+)*:wafv2:[a-z0-9-]+:\d{12}:regional/webacl/[\w-]{1,128}/[a-f0-9-]{36}")


def _domain(value: str) -> str:
    if not _DOMAIN.fullmatch(value):
        reject("must be a domain's name in lower case", "API Gateway would refuse it", "write `models.example.com`")
    return value


def _certificate(value: str) -> str:
    if not _CERTIFICATE.fullmatch(value):
        fix = "write `arn:<partition>:acm:<region>:<account>:certificate/<id>`"
        reject("must be the ARN of a certificate in AWS Certificate Manager", "API Gateway would refuse it", fix)
    return value


def _web_acl(value: str) -> str:
    if not _WEB_ACL.fullmatch(value):
        fix = "write `arn:<partition>:wafv2:<region>:<account>:regional/webacl/<name>/<id>`"
        reject("must be the ARN of a regional web ACL", "AWS WAF would refuse it", fix)
    return value


def _rate(value: int) -> int:
    if not 1 <= value <= 10_000:
        reject("must be from 1 to 10000", "API Gateway would refuse every request, or take no notice", "write `50`")
    return value


CertificateArn = Annotated[Text, AfterValidator(_certificate), may_be_later]
WebAclArn = Annotated[Text, AfterValidator(_web_acl), may_be_later]
Rate = Annotated[Int, AfterValidator(_rate)]


class GatewayApi(Settings):
    """A Regional REST API before a gateway's function, whose responses stream.

    Attributes:
        domain: its name; the address that AWS gives is switched off with it. Default: that address.
        certificate_arn: the certificate of the domain.
        requests_per_second: above which it refuses requests of all callers together. Default: 50.
        burst: how many it takes at once above that. Default: 100.
        access_logs: whether each request is a line of a log of its own; the account has to let API Gateway write logs.
        web_acl_arn: a web ACL of AWS WAF. Default: none.
    """

    domain: Annotated[Text, AfterValidator(_domain)] | None = None
    certificate_arn: CertificateArn | None = None
    requests_per_second: Rate = 50
    burst: Rate = 100
    access_logs: bool = False
    web_acl_arn: WebAclArn | None = None

    def conflicts(self) -> Iterable[Finding]:
        given, missing = ("domain", "certificate_arn") if self.domain else ("certificate_arn", "domain")
        if getattr(self, given) is not None and getattr(self, missing) is None:
            then = "nobody could reach it by its name"
            yield Finding(missing, f"is required with `{given}`", "nothing", then, f"write it, or remove `{given}`")
        if self.burst < self.requests_per_second:
            rule, then = "must be at least `requests_per_second`", "that rate would never be reached"
            yield Finding("burst", rule, str(self.burst), then, f"write {self.requests_per_second} or more")


def api_conflicts(api: GatewayApi, region: str, models: Iterable[tuple[str, Model]]) -> Iterable[Finding]:
    """Findings on what is of another Region, and on models that take longer than the API waits.

    Args:
        region: of the gateway.
        models: names and settings of its models.
    """
    yield from (replace(each, path=f"api.{each.path}") for each in api.conflicts())
    for key, service in (("certificate_arn", "acm"), ("web_acl_arn", "wafv2")):
        given, begins = getattr(api, key), arn_prefix(service, region)
        if isinstance(given, str) and not given.startswith(begins):
            fix = f"write an ARN that begins with `{begins}`"
            yield Finding(f"api.{key}", f"must be in {region}", given, "API Gateway would refuse it", fix)
    for name, model in models:
        if model.seconds > SILENT_SECONDS:
            yield Finding(
                f"models.{name}.seconds",
                f"must be at most {SILENT_SECONDS} behind an API",
                str(model.seconds),
                "API Gateway ends a response that sent nothing for so long, and the request would be paid for unseen",
                f"write {SILENT_SECONDS} or less, or remove `api`: a URL waits for 900 seconds",
            )
