"""The provider's configuration (`aws:region`, an explicit `aws.Provider`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scaletozero.sandbox.providers.check import Settings, session
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.shapes import Failure, nearest
from scaletozero.sandbox.providers.values import UNKNOWN

_APPLIED = ("region", "defaultTags", "ignoreTags", "allowedAccountIds", "forbiddenAccountIds")

_ABOUT_ACCESS = frozenset(
    {
        "accessKey", "assumeRoles", "assumeRoleWithWebIdentity", "customCaBundle", "httpProxy", "httpsProxy",
        "insecure", "maxRetries", "noProxy", "profile", "retryMode", "secretKey", "sharedConfigFiles",
        "sharedCredentialsFiles",
        "skipCredentialsValidation", "skipMetadataApiCheck", "skipRegionValidation", "skipRequestingAccountId", "token",
        "tokenBucketRateLimiterCapacity", "ec2MetadataServiceEndpoint", "ec2MetadataServiceEndpointMode",
        "s3UsePathStyle", "s3UsEast1RegionalEndpoint", "useDualstackEndpoint", "useFipsEndpoint", "userAgents",
        "version",        "pluginDownloadURL", "stsRegion",
    }
)  # fmt: skip
"""Settings for access to a real account, which the embedded AWS does not need."""


def _object(value: Any) -> Any:
    """Parses structured configuration, which the engine passes as JSON text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def config_failures(config: Mapping[str, Any]) -> list[Failure]:
    failures = []
    for key, value in config.items():
        if key == "endpoints":
            failures.append(Failure(key, "must not be given: the sandbox's provider talks to the embedded AWS only"))
        elif key not in _APPLIED and key not in _ABOUT_ACCESS:
            failures.append(
                Failure(key, f"is not a setting of the provider; {nearest(key, [*_APPLIED, *_ABOUT_ACCESS])}")
            )
        elif key == "region" and value is not UNKNOWN and value not in session().get_available_regions("s3"):
            known = nearest(str(value), session().get_available_regions("s3"))
            failures.append(Failure(key, f"must be an AWS region, got {value!r}; {known}"))
    return failures


def settings_from(config: Mapping[str, Any], clients: Clients) -> Settings:
    """The settings, with the embedded AWS's account. Raises ValueError if they do not allow that account."""
    region = config.get("region")
    region = region if isinstance(region, str) and region else None
    identity = clients("sts", region).get_caller_identity()
    account = identity["Account"]
    allowed, forbidden = _object(config.get("allowedAccountIds")), _object(config.get("forbiddenAccountIds"))
    if (allowed and account not in allowed) or (forbidden and account in forbidden):
        raise ValueError(f"AWS account ID not allowed: {account} (the embedded AWS's)")
    tags = _object(config.get("defaultTags")) or {}
    ignored = _object(config.get("ignoreTags")) or {}
    partition = session().get_partition_for_region(region) if region else "aws"
    return Settings(
        region=region,
        default_tags={key: str(value) for key, value in (tags.get("tags") or {}).items()},
        ignored_tags=(frozenset(ignored.get("keys") or ()), tuple(ignored.get("keyPrefixes") or ())),
        account=account,
        partition=partition,
    )
