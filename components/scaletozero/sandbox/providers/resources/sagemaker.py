"""Models, endpoint configurations and endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scaletozero.partitions import ECR_HOST, is_own_domain
from scaletozero.sandbox.providers.rules import exactly_one, known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Naming, Read, ResourceType, State, Step, Tagging, Wait

_GONE = ("Could not find",)

_TAGS = Tagging("add_tags", "delete_tags", "list_tags", "Tags", {"ResourceArn": "arn"})

MEMORY_MB = (1024, 2048, 3072, 4096, 5120, 6144)
"""Memory sizes of a serverless variant (API reference, ProductionVariantServerlessConfig)."""

_IMAGE = re.compile(
    rf"{ECR_HOST}"
    r"/[a-z0-9][a-z0-9._/-]*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)


def _each(state: State, prop: str) -> Iterator[tuple[str, dict[str, Any]]]:
    value = state.get(prop)
    if isinstance(value, dict):
        yield prop, value
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield f"{prop}[{index}]", item


def _containers(state: State) -> Iterator[Failure]:
    for path, container in (*_each(state, "primaryContainer"), *_each(state, "containers")):
        image, url = container.get("image"), container.get("modelDataUrl")
        if image is None and container.get("modelPackageName") is None:
            yield Failure(f"{path}.image", "is required unless `modelPackageName` is given")
        if known(image) and (container.get("imageConfig") or {}).get("repositoryAccessMode") != "Vpc":
            yield from _image(f"{path}.image", str(image), state.get("region"))
        if known(url) and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S+", str(url)):
            yield Failure(f"{path}.modelDataUrl", f"must be s3://bucket/key, got {url!r}")
        if url is not None and container.get("modelDataSource") is not None:
            yield Failure(f"{path}.modelDataSource", "must not be given together with `modelDataUrl`")


def _image(path: str, image: str, region: Any) -> Iterator[Failure]:
    match = _IMAGE.fullmatch(image)
    if not match or not is_own_domain(match["region"], match["domain"]):
        form = "ACCOUNT.dkr.ecr.REGION.SUFFIX/REPOSITORY[:TAG][@DIGEST]"
        yield Failure(path, f"must be an image in ECR ({form}), got {image!r}: SageMaker pulls from no other registry")
    elif known(region) and match["region"] != region:
        yield Failure(path, f"must be in the model's region {region}, got one in {match['region']}")


def _variants(state: State) -> Iterator[Failure]:
    variants = [*_each(state, "productionVariants"), *_each(state, "shadowProductionVariants")]
    names = [v.get("variantName") for _, v in variants]
    serverless = [(path, v) for path, v in variants if v.get("serverlessConfig") is not None]
    for index, (path, variant) in enumerate(variants):
        name = variant.get("variantName")
        if known(name) and name in names[:index]:
            yield Failure(f"{path}.variantName", f"must be unique, got {name!r} twice")
        if variant.get("modelName") is None and state.get("executionRoleArn") is None:
            yield Failure(f"{path}.modelName", "is required")
        if variant.get("serverlessConfig") is None:
            for prop in ("instanceType", "initialInstanceCount"):
                if variant.get(prop) is None and not (
                    prop == "initialInstanceCount" and variant.get("managedInstanceScaling")
                ):
                    yield Failure(f"{path}.{prop}", "is required for a variant without `serverlessConfig`")
    for path, variant in serverless:
        yield from _serverless(path, variant)
    if serverless:
        if len(variants) > 1:
            yield Failure(serverless[0][0], "must be the only variant: a serverless endpoint has exactly one")
        for prop in ("dataCaptureConfig", "asyncInferenceConfig"):
            if state.get(prop) is not None:
                yield Failure(prop, "is not supported by serverless endpoints")


_INSTANCE_ONLY = (
    "instanceType", "initialInstanceCount", "acceleratorType", "volumeSizeInGb", "coreDumpConfig", "enableSsmAccess",
    "managedInstanceScaling", "routingConfigs", "inferenceAmiVersion", "capacityReservationConfig",
)  # fmt: skip


def _serverless(path: str, variant: dict[str, Any]) -> Iterator[Failure]:
    for prop in _INSTANCE_ONLY:
        if variant.get(prop) is not None:
            yield Failure(f"{path}.{prop}", "must not be given together with `serverlessConfig`")
    config = variant["serverlessConfig"]
    if not isinstance(config, dict):
        return
    memory, most, provisioned = (config.get(k) for k in ("memorySizeInMb", "maxConcurrency", "provisionedConcurrency"))
    if isinstance(memory, int) and not isinstance(memory, bool) and memory not in MEMORY_MB:
        sizes = ", ".join(map(str, MEMORY_MB))
        yield Failure(f"{path}.serverlessConfig.memorySizeInMb", f"must be one of {sizes}, got {memory}")
    if isinstance(most, int) and isinstance(provisioned, int) and provisioned > most:
        yield Failure(
            f"{path}.serverlessConfig.provisionedConcurrency",
            f"must be at most maxConcurrency ({most}), got {provisioned}",
        )


ROWS = (
    ResourceType(
        kind="aws:sagemaker/model:Model",
        service="sagemaker",
        naming=Naming(limit=63),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=_GONE,
        create=(
            Step(
                "create_model",
                {
                    "ModelName": "name",
                    "PrimaryContainer": "primaryContainer",
                    "Containers": "containers",
                    "InferenceExecutionConfig": "inferenceExecutionConfig",
                    "ExecutionRoleArn": "executionRoleArn",
                    "VpcConfig": "vpcConfig",
                    "EnableNetworkIsolation": "enableNetworkIsolation",
                },
            ),
        ),
        reads=(
            Read(
                "describe_model",
                {"ModelName": "@id"},
                {
                    "arn": "ModelArn",
                    "name": "ModelName",
                    "primaryContainer": "PrimaryContainer",
                    "containers": "Containers",
                    "executionRoleArn": "ExecutionRoleArn",
                    "vpcConfig": "VpcConfig",
                },
            ),
        ),
        delete=(Step("delete_model", {"ModelName": "@id"}),),
        required=("executionRoleArn",),
        renames={"s3DataSources": "S3DataSource"},
        rules=(exactly_one("primaryContainer", "containers"), _containers),
        tagging=_TAGS,
    ),
    ResourceType(
        kind="aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        service="sagemaker",
        naming=Naming(limit=63, prefix="namePrefix"),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=_GONE,
        create=(
            Step(
                "create_endpoint_config",
                {
                    "EndpointConfigName": "name",
                    "ProductionVariants": "productionVariants",
                    "ShadowProductionVariants": "shadowProductionVariants",
                    "DataCaptureConfig": "dataCaptureConfig",
                    "AsyncInferenceConfig": "asyncInferenceConfig",
                    "KmsKeyId": "kmsKeyArn",
                    "ExecutionRoleArn": "executionRoleArn",
                },
            ),
        ),
        reads=(
            Read(
                "describe_endpoint_config",
                {"EndpointConfigName": "@id"},
                {
                    "arn": "EndpointConfigArn",
                    "name": "EndpointConfigName",
                    "productionVariants": "ProductionVariants",
                    "asyncInferenceConfig": "AsyncInferenceConfig",
                    "dataCaptureConfig": "DataCaptureConfig",
                    "kmsKeyArn": "KmsKeyId",
                },
            ),
        ),
        delete=(Step("delete_endpoint_config", {"EndpointConfigName": "@id"}),),
        renames={
            "routingConfigs": "RoutingConfig",
            "includeInferenceResponseIns": "IncludeInferenceResponseIn",
            "s3KmsKeyId": "KmsKeyId",
        },
        rules=(_variants,),
        tagging=_TAGS,
    ),
    ResourceType(
        kind="aws:sagemaker/endpoint:Endpoint",
        service="sagemaker",
        naming=Naming(limit=63),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=_GONE,
        create=(
            Step(
                "create_endpoint",
                {
                    "EndpointName": "name",
                    "EndpointConfigName": "endpointConfigName",
                    "DeploymentConfig": "deploymentConfig",
                },
            ),
        ),
        reads=(
            Read(
                "describe_endpoint",
                {"EndpointName": "@id"},
                {
                    "arn": "EndpointArn",
                    "name": "EndpointName",
                    "endpointConfigName": "EndpointConfigName",
                    "deploymentConfig": "LastDeploymentConfig",
                },
            ),
        ),
        update=(
            Step(
                "update_endpoint",
                {
                    "EndpointName": "@id",
                    "EndpointConfigName": "endpointConfigName",
                    "DeploymentConfig": "deploymentConfig",
                },
                on=("endpointConfigName", "deploymentConfig"),
            ),
        ),
        delete=(Step("delete_endpoint", {"EndpointName": "@id"}),),
        replaces=frozenset({"name"}),
        tagging=_TAGS,
        wait=Wait(
            "describe_endpoint",
            {"EndpointName": "@id"},
            "EndpointStatus",
            pending=("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"),
            ready=("InService",),
            reason="FailureReason",
            # If the new configuration fails, the endpoint returns to the old one and is InService again, as for the
            # Terraform provider (hashicorp/terraform-provider-aws#48997).
            decides={"endpointConfigName": "EndpointConfigName"},
        ),
    ),
)
