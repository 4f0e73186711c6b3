"""What the kinds on SageMaker have in common: the arguments of their components, and the exports about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from model_packaging.findings import Finding
from scaletozero.cold_start.remembered import Recalled, recall
from scaletozero.endpoints.kind import Kind, Site, common_exports, without_none
from scaletozero.endpoints.state import Resource, first_given, first_item, properties, whole
from scaletozero.residency.resource import DeclaredResource
from scaletozero.settings.alarms import topic_conflicts
from scaletozero.settings.asynchronous import AsynchronousEndpoint
from scaletozero.settings.framework_images import FrameworkImage, address
from scaletozero.settings.serverless import LONGEST_START, ServerlessEndpoint, image_conflicts

if TYPE_CHECKING:
    import pulumi

    from scaletozero.endpoints.asynchronous import AsyncEndpoint
    from scaletozero.endpoints.serverless import ServerlessEndpoint as ServerlessComponent

SageMakerSettings = ServerlessEndpoint | AsynchronousEndpoint


def sagemaker_findings(settings: SageMakerSettings, region: str) -> Iterable[Finding]:
    """The findings on images and topics in another region; paths are below the endpoint."""
    yield from image_conflicts(settings.image, region, "image", settings.processor)
    yield from topic_conflicts(settings.alarms, region, "alarms")


def image_address(settings: SageMakerSettings, region: str) -> str:
    """The complete address of an endpoint's image."""
    image = settings.image
    return address(image, region, settings.processor) if isinstance(image, FrameworkImage) else image


def sagemaker_declared(name: str, settings: SageMakerSettings, region: str) -> Iterable[DeclaredResource]:
    """The resources for the closure: the model with its image, and the topics that its alarms notify."""
    path = f"endpoints.{name}"
    model = {"primaryContainer": {"image": image_address(settings, region)}}
    written = {"primaryContainer.image": f"{path}.image"}
    yield DeclaredResource("aws:sagemaker/model:Model", path, model, region, written=written)
    if settings.alarms is not None:
        actions = [str(each) for each in settings.alarms.notify]  # pyright: ignore[reportGeneralTypeIssues]
        written = {f"alarmActions[{index}]": f"{path}.alarms.notify.{index}" for index in range(len(actions))}
        alarm = "aws:cloudwatch/metricAlarm:MetricAlarm"
        yield DeclaredResource(alarm, path, {"alarmActions": actions}, region, written=written)


def arguments(name: str, settings: SageMakerSettings, site: Site, bucket: pulumi.Output[str]) -> Any:
    """The arguments of an endpoint's component."""
    return {
        **settings.model_dump(exclude={"kind", "artifact", "tags"}, exclude_unset=True),
        "artifact": site.opened.get(name) or str(site.root / settings.artifact),
        "bucket": bucket,
        "region": site.region,
        "tags": site.tags_of(settings),
        "log_retention_days": site.log_retention_days,
        **without_none({"kms_key_arn": site.kms_key_arn}),
        **({"residency": list(site.residency)} if site.residency else {}),
    }


def serverless_type(memory_mb: int) -> str:
    """What a start of a serverless container has in place of an instance type: more memory comes with more CPU."""
    return f"serverless-{memory_mb}"


START = ("instance", "container", "model")
"""The phases of an asynchronous endpoint's start from when an instance is asked for: a schedule asks at once."""

CALL = ("overhead", "answer")
"""The phases of a call to a serverless endpoint that are not those of the container's start."""

S = TypeVar("S", ServerlessEndpoint, AsynchronousEndpoint)


def asynchronous_remembering(settings: AsynchronousEndpoint, recalled: Recalled) -> AsynchronousEndpoint:
    """The settings with the measured start, unless it was written by hand, or `instance` was never measured."""
    return _remembering(settings, [recalled.seconds.get(each, 0.0) for each in START if START[0] in recalled.seconds])


def serverless_remembering(settings: ServerlessEndpoint, recalled: Recalled) -> ServerlessEndpoint:
    """The settings with the measured start, without the call that met it, unless it was written by hand."""
    return _remembering(settings, [each for phase, each in recalled.seconds.items() if phase not in CALL])


def _remembering(settings: S, measured: Sequence[float]) -> S:
    """The settings with what the parts of a start took, in seconds."""
    if settings.cold_start_seconds is not None or not measured:
        return settings
    seconds = math.ceil(sum(measured))
    return settings.model_copy(update={"cold_start_seconds": min(max(seconds, 1), LONGEST_START)})


def say_measured(kind: Kind[Any], name: str, settings: SageMakerSettings, site: Site, owner: pulumi.Resource) -> None:
    """Says at preview what the measured starts of an endpoint say, or why they do not count."""
    import pulumi

    starts, opened = site.starts.get(name, ()), site.opened.get(name)
    served = kind.served(settings, opened, site.region) if starts and opened else None
    if served is None:
        return
    recalled = recall(starts, served, f"endpoints.{name}")
    if recalled.stale:
        pulumi.warn(str(recalled.stale), owner)
        return
    shown = ", ".join(f"{phase} {seconds:.3g} s" for phase, seconds in recalled.seconds.items())
    pulumi.info(f"cold start, {next(iter(recalled.sources.values()))}: {shown}", owner)


def exports(settings: SageMakerSettings, endpoint: ServerlessComponent | AsyncEndpoint) -> dict[str, Any]:
    """The exports about an endpoint on SageMaker."""
    return {
        **common_exports(settings),
        "name": endpoint.endpoint_name,
        "arn": endpoint.endpoint_arn,
        "digest": endpoint.artifact_digest,
        "logs": endpoint.log_group,
    }


def on_dashboard(name: str, settings: SageMakerSettings) -> dict[str, Any]:
    """What a dashboard shows of an endpoint on SageMaker of any kind."""
    alarms = settings.alarms
    return {
        "title": name,
        "kind": settings.kind,
        **({"alarms": alarms.model_dump(exclude={"notify"}, exclude_unset=True)} if alarms is not None else {}),
    }


def sagemaker_deployed(children: Mapping[str, Resource]) -> dict[str, Any]:
    """The properties of an endpoint on SageMaker in a stack's state."""
    endpoint = children.get("aws:Endpoint")
    if not endpoint or not endpoint.get("id"):
        return {}
    arn = properties(endpoint).get("arn")
    variant = first_item(properties(children.get("aws:EndpointConfiguration")).get("productionVariants"))
    serverless = variant.get("serverlessConfig") or {}
    target = properties(children.get("aws:Target"))
    source = properties(children.get("aws:BucketObjectv2")).get("source")
    return {
        "name": endpoint["id"],
        "arn": arn,
        "region": arn.split(":")[3] if isinstance(arn, str) and arn.count(":") > 3 else None,
        "memory_mb": serverless.get("memorySizeInMb"),
        "instance_type": variant.get("instanceType"),
        "max": whole(first_given(target.get("maxCapacity"), serverless.get("maxConcurrency"))),
        "artifact": str(Path(path).parent) if isinstance(source, Mapping) and (path := source.get("path")) else None,
        "logs": properties(children.get("aws:LogGroup")).get("name"),
    }
