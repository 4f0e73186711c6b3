"""What an endpoint runs, resolved when it is created or updated: SageMaker, too, keeps its own copy from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AsyncOutput:
    """Where an asynchronous endpoint's results are written, and which topics it notifies (`AsyncInferenceConfig`).

    Attributes:
        answers, failures: s3:// addresses below which they are written; failures may have none.
        success_topic, error_topic: the ARNs of SNS topics, where given.
        kms_key: the key that results are encrypted with, where given.
    """

    answers: str
    failures: str | None = None
    success_topic: str | None = None
    error_topic: str | None = None
    kms_key: str | None = None


@dataclass(frozen=True)
class Deployment:
    """One variant of one endpoint configuration.

    Attributes:
        region, endpoint, variant, config: names.
        role_arn: the role of the model, with which its objects are read and written.
        model_data_url: s3:// address of the artifact; empty when the image has the model in it.
        environment: the model's own variables.
        memory_mb: memory of one instance; None on an instance type.
        maximum: most instances at a time; a request above it is throttled.
        provisioned: instances that stay warm.
        serverless: whether it scales by itself between the two.
        scalable: whether its configuration has a capacity that can be scaled: provisioned concurrency, or instances.
        concurrency: requests at a time for each instance.
        asynchronous: where results are written; None where callers wait for the response.
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
        """The resource that SageMaker assumes the role for."""
        return f"endpoint/{self.endpoint.lower()}"


def deployment(region: str, endpoint: str, config: Any, models: Mapping[str, Any]) -> Deployment:
    """The deployment of an endpoint configuration as moto keeps it.

    Raises:
        KeyError: its model is not there.
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
    """Left out, SageMaker chooses what it finds best, and says nowhere how; here that is one."""
    return int((config.get("ClientConfig") or {}).get("MaxConcurrentInvocationsPerInstance") or 1)


def _output(config: Mapping[str, Any]) -> AsyncOutput | None:
    if not config:
        return None
    output = config["OutputConfig"]
    topics = output.get("NotificationConfig") or {}
    return AsyncOutput(
        answers=output["S3OutputPath"],
        failures=output.get("S3FailurePath"),
        success_topic=topics.get("SuccessTopic"),
        error_topic=topics.get("ErrorTopic"),
        kms_key=output.get("KmsKeyId"),
    )
