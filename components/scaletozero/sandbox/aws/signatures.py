"""Checks the signatures of requests: Signature Version 4 in the header or the query, and S3's older presigned URLs.

The canonical forms are those of botocore, with which clients sign.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.auth import HmacV1Auth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotocoreCredentials

from scaletozero.sandbox.aws.middleware import AwsError

SKEW = timedelta(minutes=15)
"""How far a signature's time may differ from the sandbox's (AWS's limit)."""

LONGEST_SECONDS = 7 * 24 * 3600
"""The longest validity of a presigned URL (S3 user guide)."""

UNSIGNED = "UNSIGNED-PAYLOAD"

SecretOf = Callable[[str], str | None]
"""Returns the secret of an access key; None if it does not exist."""

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request"
    r"\s*,\s*SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_CREDENTIAL = re.compile(r"(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class _Signed:
    """A request's signature and its parameters."""

    key: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    time: str
    seconds: int | None
    """How long it is valid; None if it is in the header, and therefore valid for this request only."""


def require_signature(environ: Mapping[str, Any], sha256: str, secret_of: SecretOf, now: datetime) -> str:
    """Refuses a request that is not signed with known credentials.

    Args:
        environ: a WSGI environment with `REQUEST_URI`.
        sha256: hexadecimal digest of the body.
        now: an aware time.

    Returns:
        The access key of the signature.

    Raises:
        AwsError: the request is not signed, or with an unknown key, another secret, a wrong time or for another body.
    """
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if "AWSAccessKeyId" in query and "HTTP_AUTHORIZATION" not in environ:
        _require_version_2(environ, query, secret_of, now)
        return query["AWSAccessKeyId"][0]
    signed = _read(environ, query)
    if signed is None:
        raise AwsError(
            "MissingAuthenticationTokenException",
            "The request is not signed with the sandbox's credentials (`scaletozero status` says where they are).",
            403,
        )
    secret = secret_of(signed.key)
    if secret is None:
        raise _unknown_key(signed.service)
    _require_time(signed, now)
    declared = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if re.fullmatch(r"[0-9a-f]{64}", declared) and declared != sha256:
        raise AwsError("XAmzContentSHA256Mismatch", "The body is not the one that was signed.")
    request = _request(environ, signed, sha256)
    kind = _S3Version4 if signed.service.startswith("s3") else _Version4
    auth = kind(BotocoreCredentials(signed.key, secret), signed.service, signed.region)
    expected = str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))
    if not hmac.compare_digest(expected, signed.signature):
        raise _wrong_signature(signed.service)
    return signed.key


def _read(environ: Mapping[str, Any], query: Mapping[str, list[str]]) -> _Signed | None:
    if match := _HEADER.fullmatch(environ.get("HTTP_AUTHORIZATION", "").strip()):
        found = match.groupdict()
        time, seconds = environ.get("HTTP_X_AMZ_DATE", ""), None
    else:
        first = {name: values[0] for name, values in query.items()}
        credential = _CREDENTIAL.fullmatch(first.get("X-Amz-Credential", ""))
        lasts = first.get("X-Amz-Expires", "")
        if credential is None or not re.fullmatch(r"\d{1,6}", lasts, re.ASCII) or "X-Amz-Signature" not in first:
            return None
        found = credential.groupdict()
        found |= {"headers": first.get("X-Amz-SignedHeaders", ""), "signature": first["X-Amz-Signature"]}
        time, seconds = first.get("X-Amz-Date", ""), int(lasts)
    headers = tuple(found.pop("headers").split(";"))
    return _Signed(**found, headers=headers, time=time, seconds=seconds)


def _require_time(signed: _Signed, now: datetime) -> None:
    try:
        at = datetime.strptime(signed.time, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise AwsError("IncompleteSignatureException", "The request has no valid X-Amz-Date.") from None
    if at.strftime("%Y%m%d") != signed.day:
        raise AwsError("SignatureDoesNotMatch", "The scope's date is not that of X-Amz-Date.", 403)
    last = at + (SKEW if signed.seconds is None else timedelta(seconds=min(signed.seconds, LONGEST_SECONDS)))
    if not at - SKEW <= now <= last:
        raise AwsError("RequestExpired", f"Signature expired or not yet valid: {signed.time}.", 403)


def _request(environ: Mapping[str, Any], signed: _Signed, sha256: str) -> AWSRequest:
    """The request as its sender signed it."""
    parts = urlsplit(environ["REQUEST_URI"])
    query = "&".join(each for each in parts.query.split("&") if not each.startswith("X-Amz-Signature="))
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url=f"http://{environ.get('HTTP_HOST', '')}{parts.path}" + (f"?{query}" if query else ""),
        headers={name: _header(environ, name) for name in signed.headers},
    )
    request.context["timestamp"] = signed.time
    unsigned = signed.seconds is not None and signed.service.startswith("s3")
    request.context["payload"] = environ.get("HTTP_X_AMZ_CONTENT_SHA256") or (UNSIGNED if unsigned else sha256)
    return request


class _Received:
    """What is taken from the request as it was received: which headers are signed, and the body's digest."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers

    def payload(self, request: AWSRequest) -> str:
        return request.context["payload"]


class _Version4(_Received, SigV4Auth):
    pass


class _S3Version4(_Received, S3SigV4Auth):
    pass


class _Version2(HmacV1Auth):
    """Signature Version 2 of a presigned URL: the expiry time is in the place of the date."""

    until = ""

    def _get_date(self) -> str:
        return self.until


def _header(environ: Mapping[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", ""))


def _require_version_2(
    environ: Mapping[str, Any], query: Mapping[str, list[str]], secret_of: SecretOf, now: datetime
) -> None:
    """Checks S3's presigned URLs of Signature Version 2, which boto3 makes by default."""
    key, signature, until = (query.get(name, [""])[0] for name in ("AWSAccessKeyId", "Signature", "Expires"))
    secret = secret_of(key)
    if secret is None:
        raise _unknown_key("s3")
    if not re.fullmatch(r"\d{1,12}", until, re.ASCII) or int(until) < now.timestamp():
        raise AwsError("AccessDenied", "Request has expired", 403)
    headers = HTTPHeaders()
    for name, value in environ.items():
        if name.startswith("HTTP_X_AMZ_") or name in ("CONTENT_TYPE", "HTTP_CONTENT_MD5"):
            headers[name.removeprefix("HTTP_").replace("_", "-").lower()] = value
    parts = urlsplit(environ["REQUEST_URI"])
    name, found, _ = environ.get("HTTP_HOST", "").partition(".localhost")
    path = f"/{name}{parts.path}" if found else parts.path
    auth = _Version2(BotocoreCredentials(key, secret))
    auth.until = until
    expected = auth.get_signature(environ["REQUEST_METHOD"], parts, headers, auth_path=path)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise _wrong_signature("s3")


def _unknown_key(service: str) -> AwsError:
    code = "InvalidAccessKeyId" if service.startswith("s3") else "UnrecognizedClientException"
    return AwsError(
        code,
        "The security token included in the request is invalid: these credentials are not the "
        "sandbox's own (`scaletozero status` says where they are).",
        403,
    )


def _wrong_signature(service: str) -> AwsError:
    code = "SignatureDoesNotMatch" if service.startswith("s3") else "InvalidSignatureException"
    return AwsError(
        code,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method.",
        403,
    )
