"""What an endpoint runs, resolved when it is created or updated, because SageMaker keeps a copy from then on too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AsyncOutput:
    """Where an asynchronous endpoint writes results, and which topics it notifies (`AsyncInferenceConfig`).

    Attributes:
        results, failures: s3:// addresses below which they are written; `failures` is optional.
        success_topic, error_topic: the ARNs of SNS topics, if given.
        kms_key: the key that results are encrypted with, if given.
    """

    results: str
    failures: str | None = None
    success_topic: str | None = None
    error_topic: str | None = None
    kms_key: str | None = None


@dataclass(frozen=True)
class Deployment:
    """One variant of one endpoint configuration.

    Attributes:
        region, endpoint, variant, config: names.
        role_arn: the role of the model, which reads and writes its objects.
        model_data_url: s3:// address of the artifact; empty if the image contains the model.
        environment: the model's environment variables.
        memory_mb: memory of one instance; None if it has an instance type.
        maximum: maximum number of instances at a time; requests beyond it are throttled.
        provisioned: number of instances that stay warm.
        serverless: whether it scales between the two on demand.
        scalable: whether its configuration has a scalable capacity: provisioned concurrency, or instances.
        concurrency: number of requests that an instance works on at a time.
        asynchronous: where results are written; None if callers wait for the response.
    """

    region: str
    endpoint: str
    variant: str
    config: str
    image: str
    model_data_url: str
    role_arn: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int | None = None
    maximum: int = 1
    provisioned: int = 0
    serverless: bool = True
    scalable: bool = False
    concurrency: int = 1
    asynchronous: AsyncOutput | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.region, self.endpoint

    @property
    def source(self) -> str:
        """The resource on whose behalf SageMaker assumes the role."""
        return f"endpoint/{self.endpoint.lower()}"


def deployment(region: str, endpoint: str, config: Any, models: Mapping[str, Any]) -> Deployment:
    """The deployment of an endpoint configuration as moto stores it.

    Raises:
        KeyError: its model does not exist.
    """
    variant = config.production_variants[0]
    model = models[variant["ModelName"]]
    container = model.primary_container or model.containers[0]
    serverless = variant.get("ServerlessConfig")
    asynchronous = config.async_inference_config or {}
    instances = int(variant.get("InitialInstanceCount") or 1)
    return Deployment(
        region=region,
        endpoint=endpoint,
        variant=variant["VariantName"],
        config=config.endpoint_config_name,
        image=container.get("Image", ""),
        model_data_url=container.get("ModelDataUrl", ""),
        role_arn=model.execution_role_arn or "",
        environment={str(k): str(v) for k, v in (container.get("Environment") or {}).items()},
        memory_mb=int(serverless["MemorySizeInMB"]) if serverless else None,
        maximum=int(serverless["MaxConcurrency"]) if serverless else instances,
        provisioned=int(serverless.get("ProvisionedConcurrency") or 0) if serverless else instances,
        serverless=bool(serverless),
        scalable=not serverless or bool(serverless.get("ProvisionedConcurrency")),
        concurrency=_concurrency(asynchronous),
        asynchronous=_output(asynchronous),
    )


def _concurrency(config: Mapping[str, Any]) -> int:
    """If the setting is omitted, SageMaker chooses a value by rules that it does not document; the sandbox uses 1."""
    return int((config.get("ClientConfig") or {}).get("MaxConcurrentInvocationsPerInstance") or 1)


def _output(config: Mapping[str, Any]) -> AsyncOutput | None:
    if not config:
        return None
    output = config["OutputConfig"]
    topics = output.get("NotificationConfig") or {}
    return AsyncOutput(
        results=output["S3OutputPath"],
        failures=output.get("S3FailurePath"),
        success_topic=topics.get("SuccessTopic"),
        error_topic=topics.get("ErrorTopic"),
        kms_key=output.get("KmsKeyId"),
    )
