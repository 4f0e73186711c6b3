"""Lambda functions."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scaletozero.sandbox.providers.rules import known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Hook, Naming, Read, ResourceType, State, Step, Tagging
from scaletozero.sandbox.providers.values import Asset

_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(archive: Asset) -> bytes:
    """The zip file of an archive, the same for the same content. Raises OSError if a part does not exist."""
    if archive["path"] and not Path(archive["path"]).is_dir():
        return archive.read()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in sorted(_parts(archive, "")):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            target.writestr(info, content)
    return out.getvalue()


def _parts(archive: Asset, prefix: str) -> Iterator[tuple[str, bytes]]:
    root = archive["path"]
    if root:
        for path in Path(root).rglob("*"):
            if path.is_file():
                yield f"{prefix}{path.relative_to(root).as_posix()}", path.read_bytes()
    for name, part in archive.assets:
        if part.is_archive:
            yield from _parts(part, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", part.read()


def _zip(state: State) -> bytes | None:
    return zipped(state["code"]) if isinstance(state.get("code"), Asset) else None


def _a_source(state: State) -> Iterator[Failure]:
    given = [prop for prop in ("code", "s3Bucket", "imageUri") if state.get(prop) is not None]
    if len(given) != 1:
        yield Failure(given[-1] if given else "code", "exactly one of `code`, `s3Bucket`, `imageUri` must be given")
    yield from _archive(state.get("code"))
    if "imageUri" not in given:
        for prop in ("handler", "runtime"):
            if state.get(prop) is None:
                yield Failure(prop, "is required for a function that is not an image")
    if state.get("s3Bucket") is not None and state.get("s3Key") is None:
        yield Failure("s3Key", "is required with `s3Bucket`")


def _a_layer(state: State) -> Iterator[Failure]:
    given = [prop for prop in ("code", "s3Bucket") if state.get(prop) is not None]
    if len(given) != 1:
        yield Failure(given[-1] if given else "code", "exactly one of `code`, `s3Bucket` must be given")
    yield from _archive(state.get("code"))


def _version(state: State) -> int:
    number = str(state["@id"]).rpartition(":")[2]
    return int(number) if number.isdecimal() else 0  # without an id yet, no version


def _layer_versions(client: Any, state: State) -> Iterator[str]:
    """The versions of a layer."""
    for page in client.get_paginator("list_layer_versions").paginate(LayerName=state["layerName"]):
        yield from (each["LayerVersionArn"] for each in page["LayerVersions"])


def _archive(code: Any) -> Iterator[Failure]:
    if code is None or not known(code):
        return
    if not isinstance(code, Asset) or not code.is_archive:
        yield Failure("code", "must be a FileArchive, AssetArchive or RemoteArchive")
        return
    try:
        zipped(code)
    except OSError as error:
        yield Failure("code", f"cannot be read: {error}")


def _limits(state: State) -> Iterator[Failure]:
    """Checks limits of the service that are stricter than its model (Lambda developer guide, quotas)."""
    timeout, memory, reserved = (state.get(key) for key in ("timeout", "memorySize", "reservedConcurrentExecutions"))
    if isinstance(timeout, int) and not 1 <= timeout <= 900:
        yield Failure("timeout", f"must be between 1 and 900, got {timeout}")
    if isinstance(memory, int) and not 128 <= memory <= 10240:
        yield Failure("memorySize", f"must be between 128 and 10240, got {memory}")
    if isinstance(reserved, int) and reserved < -1:
        yield Failure("reservedConcurrentExecutions", f"must be at least -1, got {reserved}")


def _reserve(client: Any, state: State) -> None:
    amount = state.get("reservedConcurrentExecutions")
    if amount is None or amount < 0:
        client.delete_function_concurrency(FunctionName=state["@id"])
    else:
        client.put_function_concurrency(FunctionName=state["@id"], ReservedConcurrentExecutions=amount)


_CONFIGURATION = {
    "Role": "role",
    "Handler": "handler",
    "Runtime": "runtime",
    "Description": "description",
    "Timeout": "timeout",
    "MemorySize": "memorySize",
    "Environment": "environment",
    "DeadLetterConfig": "deadLetterConfig",
    "KMSKeyArn": "kmsKeyArn",
    "TracingConfig": "tracingConfig",
    "Layers": "layers",
    "VpcConfig": "vpcConfig",
    "EphemeralStorage": "ephemeralStorage",
    "LoggingConfig": "loggingConfig",
    "ImageConfig": "imageConfig",
}
_NOT_KEPT = ("imageConfig", "loggingConfig", "deadLetterConfig")
"""Properties that moto accepts but does not return."""

_CODE = {"S3Bucket": "s3Bucket", "S3Key": "s3Key", "S3ObjectVersion": "s3ObjectVersion", "ImageUri": "imageUri"}
_LAYER_CODE = {"S3Bucket": "s3Bucket", "S3Key": "s3Key", "S3ObjectVersion": "s3ObjectVersion"}
_URL = {"AuthType": "authorizationType", "Cors": "cors", "InvokeMode": "invokeMode"}
_EVENTS = {
    "MaximumRetryAttempts": "maximumRetryAttempts",
    "MaximumEventAgeInSeconds": "maximumEventAgeInSeconds",
    "DestinationConfig": "destinationConfig",
}

ROWS = (
    ResourceType(
        kind="aws:lambda/function:Function",
        service="lambda",
        naming=Naming(limit=64),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=("ResourceNotFoundException",),
        create=(
            Step(
                "create_function",
                {
                    "FunctionName": "name",
                    "PackageType": "packageType",
                    "Architectures": "architectures",
                    "Publish": "publish",
                    "Code.ZipFile": _zip,
                    **{f"Code.{member}": prop for member, prop in _CODE.items()},
                    **_CONFIGURATION,
                },
            ),
            Hook(_reserve, on=("reservedConcurrentExecutions",)),
        ),
        update=(
            Step(
                "update_function_code",
                {"FunctionName": "@id", "ZipFile": _zip, "Architectures": "architectures", **_CODE},
                on=("code", "sourceCodeHash", "architectures", *_CODE.values()),
            ),
            Step(
                "update_function_configuration",
                {"FunctionName": "@id", **_CONFIGURATION},
                on=tuple(_CONFIGURATION.values()),
            ),
            Hook(_reserve, on=("reservedConcurrentExecutions",)),
        ),
        reads=(
            Read(
                "get_function_configuration",
                {"FunctionName": "@id"},
                {
                    **{p: m for m, p in _CONFIGURATION.items() if p not in _NOT_KEPT},
                    "arn": "FunctionArn",
                    "name": "FunctionName",
                    "lastModified": "LastModified",
                    "version": "Version",
                    "codeSha256": "CodeSha256",
                    "sourceCodeSize": "CodeSize",
                    "packageType": "PackageType",
                    "architectures": "Architectures",
                },
            ),
        ),
        delete=(Step("delete_function", {"FunctionName": "@id"}),),
        replaces=frozenset({"name", "packageType"}),
        required=("role",),
        defaults={
            "memorySize": 128,
            "timeout": 3,
            "packageType": "Zip",
            "publish": False,
            "reservedConcurrentExecutions": -1,
            "skipDestroy": False,
        },
        local={"skipDestroy": bool, "sourceCodeHash": str, "code": object, "reservedConcurrentExecutions": int},
        computed=frozenset(
            {"architectures", "loggingConfig", "ephemeralStorage", "tracingConfig", "sourceCodeHash"}
        ),
        outputs={
            "invokeArn": "arn:{@partition}:apigateway:{@region}:lambda:path/2015-03-31/functions/{arn}/invocations",
            "qualifiedArn": "{arn}:{version}",
        },
        rules=(_a_source, _limits),
        refused=dict.fromkeys(
            (
                "capacityProviderConfig", "codeSha256", "codeSigningConfigArn", "durableConfig", "fileSystemConfig",
                "publishTo", "replaceSecurityGroupsOnDestroy", "replacementSecurityGroupIds", "snapStart",
                "sourceKmsKeyArn", "tenancyConfig", "useResourceTimeoutForPropagation",
            ),
            "leave it out in the sandbox; the toolkit's functions do not need it",
        ),
        renames={"entryPoints": "EntryPoint", "commands": "Command"},
        tagging=Tagging(
            "tag_resource", "untag_resource", "list_tags", "Tags", {"Resource": "arn"}, style="map"
        ),
    ),
    ResourceType(
        kind="aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
        service="lambda",
        id=lambda s: s["functionName"],
        from_id=lambda i: {"functionName": i},
        gone=("ResourceNotFoundException",),
        create=(Step("put_function_event_invoke_config", {"FunctionName": "functionName", **_EVENTS}),),
        # moto continues to return the first configuration.
        update=(
            Step("delete_function_event_invoke_config", {"FunctionName": "@id"}, on=tuple(_EVENTS.values())),
            Step(
                "put_function_event_invoke_config",
                {"FunctionName": "functionName", **_EVENTS},
                on=tuple(_EVENTS.values()),
            ),
        ),
        reads=(
            Read(
                "get_function_event_invoke_config",
                {"FunctionName": "@id"},
                {prop: member for member, prop in _EVENTS.items()},
            ),
        ),
        delete=(Step("delete_function_event_invoke_config", {"FunctionName": "@id"}),),
        replaces=frozenset({"functionName"}),
        refused={"qualifier": "leave it out in the sandbox; the toolkit's functions have no versions"},
    ),
    ResourceType(
        kind="aws:lambda/layerVersion:LayerVersion",
        service="lambda",
        id_path="LayerVersionArn",
        gone=("ResourceNotFoundException",),
        create=(
            Step(
                "publish_layer_version",
                {
                    "LayerName": "layerName",
                    "Description": "description",
                    "CompatibleArchitectures": "compatibleArchitectures",
                    "CompatibleRuntimes": "compatibleRuntimes",
                    "LicenseInfo": "licenseInfo",
                    "Content.ZipFile": _zip,
                    **{f"Content.{member}": prop for member, prop in _LAYER_CODE.items()},
                },
            ),
        ),
        reads=(
            Read(
                "get_layer_version",
                {"LayerName": "layerName", "VersionNumber": _version},
                {
                    "arn": "LayerVersionArn",
                    "layerArn": "LayerArn",
                    "version": "Version",
                    "description": "Description",
                    "createdDate": "CreatedDate",
                    "codeSha256": "Content.CodeSha256",
                    "sourceCodeSize": "Content.CodeSize",
                },
            ),
        ),
        delete=(
            Step("delete_layer_version", {"LayerName": "layerName", "VersionNumber": _version}),
        ),
        replaces=frozenset({"*", "code", "sourceCodeHash"}),
        required=("layerName",),
        defaults={"skipDestroy": False},
        local={"skipDestroy": bool, "sourceCodeHash": str, "code": object},
        computed=frozenset({"sourceCodeHash"}),
        rules=(_a_layer,),
        find=_layer_versions,
        found_by=("layerName",),
    ),
    ResourceType(
        kind="aws:lambda/functionUrl:FunctionUrl",
        service="lambda",
        id=lambda s: s["functionName"],
        from_id=lambda i: {"functionName": i},
        gone=("ResourceNotFoundException",),
        create=(Step("create_function_url_config", {"FunctionName": "functionName", **_URL}),),
        update=(Step("update_function_url_config", {"FunctionName": "@id", **_URL}, on=tuple(_URL.values())),),
        reads=(
            Read(
                "get_function_url_config",
                {"FunctionName": "@id"},
                {
                    "functionArn": "FunctionArn",
                    "functionUrl": "FunctionUrl",
                    **{prop: member for member, prop in _URL.items()},
                },
            ),
        ),
        delete=(Step("delete_function_url_config", {"FunctionName": "@id"}),),
        replaces=frozenset({"functionName"}),
        required=("authorizationType",),
        defaults={"invokeMode": "BUFFERED"},
        outputs={"urlId": "{functionUrl}"},
        refused={"qualifier": "leave it out in the sandbox; the toolkit's functions have no versions"},
    ),
)  # fmt: skip
