"""What a user may declare of the Lambda function that a gateway runs as, and where its adapter is published. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, reject
from scaletozero.partitions import arn, find_partition
from scaletozero.settings.gateway_api import GatewayApi, api_conflicts
from scaletozero.settings.gateway_models import Model

ADAPTER_VERSION = 30
"""The version of the layers with the Lambda Web Adapter 1.1.0 (its README at commit 19156ae, read 2026-11-29)."""

_ADAPTERS = {"aws": "753240598075", "cn-north-1": "041581134020", "cn-northwest-1": "069767869989"}
"""The accounts that publish them: one for the commercial Regions, one for each Region of China, where there is none for
arm64 (its guide, zip packages). For other partitions no layer is known."""

_LAYERS = {"x86_64": "LambdaAdapterLayerX86", "arm64": "LambdaAdapterLayerArm64"}


def _memory(value: int) -> int:
    if not 256 <= value <= 10_240:
        reject("must be from 256 to 10240 MB", "the program would not start, or Lambda would refuse it")
    return value


def _processes(value: int) -> int:
    if not 0 <= value <= 10_000:
        reject("must be from 0 to 10000", "Lambda would refuse it", "write the most requests at a time, 0 closes it")
    return value


def _layer(value: str) -> str:
    if not LAYER.fullmatch(value):
        fix = "write `arn:<partition>:lambda:<region>:<account>:layer:<name>:<version>`"
        reject("must be the ARN of a layer's version", "Lambda would refuse it", fix)
    return value


LAYER = re.compile(r"arn:aws(?:-[a-z]+)*:lambda:(?P<region>[a-z0-9-]+):\d{12}:layer:[A-Za-z0-9_-]{1,140}:\d+")
"""The ARN of a version of a layer."""

MemoryMb = Annotated[Int, AfterValidator(_memory)]
Processes = Annotated[Int, AfterValidator(_processes)]
LayerArn = Annotated[Text, AfterValidator(_layer)]


class GatewayFunction(Settings):
    """The Lambda function that a gateway runs as.

    Attributes:
        concurrency: requests at a time, which are reserved of the account's; 0 closes it. Default: 10.
        memory_mb: its memory, with which its share of a processor grows. Default: 1,024.
        package: the zip file of its code. Default: one that is made from what is installed here.
        adapter_layer_arn: the layer with the Lambda Web Adapter. Default: the one that its authors publish in the
            Region.
        api: the API through which it is reached. Default: it is reached by a URL of its own.
    """

    concurrency: Processes = 10
    memory_mb: MemoryMb = 1024
    package: Text | None = None
    adapter_layer_arn: LayerArn | None = None
    api: GatewayApi | None = None


def adapter_layer(region: str, architecture: str) -> str | None:
    """The layer with the Lambda Web Adapter that its authors publish in a Region; None if none is known.

    Args:
        architecture: `x86_64` or `arm64`.
    """
    found = find_partition(region)
    own = _ADAPTERS.get(region) if architecture == "x86_64" else None
    account = own or (_ADAPTERS.get(found.name) if found else None)
    return account and arn("lambda", region, account, f"layer:{_LAYERS[architecture]}:{ADAPTER_VERSION}")


def no_adapter(region: str, architecture: str) -> Finding:
    """The finding on a Region for which no layer with the adapter is known."""
    return Finding(
        "adapter_layer_arn",
        f"is required in {region} for {architecture}",
        "nothing",
        "nothing would pass requests to the program: the Lambda Web Adapter's authors publish no layer there",
        "publish the adapter as a layer of your own there, and write its ARN",
    )


def function_conflicts(
    function: GatewayFunction, region: str, models: Iterable[tuple[str, Model]]
) -> Iterable[Finding]:
    """Findings on a layer of another Region, and on its API.

    Args:
        models: names and settings of the gateway's models.
    """
    if function.api is not None:
        yield from api_conflicts(function.api, region, models)
    given = function.adapter_layer_arn
    found = LAYER.fullmatch(given) if given is not None else None
    if found and found["region"] != region:
        rule, then = f"must be a layer in {region}", "Lambda would refuse it"
        yield Finding("adapter_layer_arn", rule, found.string, then, "publish the layer there")
