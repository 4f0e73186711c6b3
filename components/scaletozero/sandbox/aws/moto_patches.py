"""Patches of moto, where it differs from the service and cannot be configured otherwise."""

from __future__ import annotations

import enum
import re
import threading
from typing import Any

import botocore.session
from moto.awslambda.models import LambdaFunction
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler
from moto.iam.access_control import PermissionResult
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup
from moto.logs.responses import LogsResponse
from moto.s3.models import FakeBucket
from moto.sagemaker.exceptions import ValidationError as SageMakerValidationError
from moto.sagemaker.models import FakeEndpointConfig
from moto.sagemaker.responses import SageMakerResponse
from moto.scheduler.models import EventBridgeSchedulerBackend

from scaletozero.partitions import arn
from scaletozero.sandbox.aws.metric_data import get_metric_data
from scaletozero.sandbox.aws.middleware import ACCOUNT
from scaletozero.sandbox.aws.moto_scaling import models as scaling_models
from scaletozero.sandbox.aws.moto_scaling import responses as scaling_responses


def patch_moto() -> None:
    """Applies the patches of this file. Calling it again changes nothing."""
    FakeBucket.get_permission = _permit  # type: ignore[method-assign]
    FakeEndpointConfig.validate_instance_type = _known_instance_type  # type: ignore[method-assign]
    SageMakerResponse.describe_model = _describe_model  # type: ignore[method-assign]
    SageMakerResponse.describe_endpoint_config = _describe_endpoint_config  # type: ignore[method-assign]
    CloudWatchResponse.put_composite_alarm = _put_composite_alarm  # type: ignore[attr-defined]
    CloudWatchBackend.get_metric_data = get_metric_data  # type: ignore[method-assign]
    scaling_models.ApplicationAutoscalingBackend.put_scaling_policy = _put_scaling_policy  # type: ignore[method-assign]
    LogsResponse.associate_kms_key = _associate_kms_key  # type: ignore[attr-defined]
    LogsResponse.disassociate_kms_key = _disassociate_kms_key  # type: ignore[attr-defined]
    EventBridgeSchedulerBackend.delete_schedule_group = _delete_schedule_group  # type: ignore[method-assign]
    DynamoHandler.call_action = _call_dynamodb  # type: ignore[method-assign]
    LambdaFunction._get_layers_data = _get_layers_data  # type: ignore[method-assign]
    dimensions = {member.name: member.value for member in scaling_models.ScalableDimensionValueSet}
    dimensions["SAGEMAKER_PROVISIONED_CONCURRENCY"] = "sagemaker:variant:DesiredProvisionedConcurrency"
    extended: Any = enum.Enum("ScalableDimensionValueSet", dimensions)
    for module in (scaling_models, scaling_responses):
        setattr(module, "ScalableDimensionValueSet", extended)  # noqa: B010 - a module has no such type


def _permit(self: FakeBucket, *_: Any, **__: Any) -> PermissionResult:
    """Bucket policies: moto ignores the Condition of a statement that denies, so a policy that demands
    TLS would close the bucket. Requests are authorised in front of moto instead (`sandbox.aws.iam`)."""
    return PermissionResult.PERMITTED


def _known_instance_type(self: FakeEndpointConfig, instance_type: str) -> None:
    """Instance types: moto's list is older than the service model."""
    model: Any = botocore.session.get_session().get_service_model("sagemaker")
    known = model.shape_for("ProductionVariantInstanceType").enum
    if instance_type not in known:
        raise SageMakerValidationError(
            message=f"Value '{instance_type}' at 'instanceType' is not a known instance type"
        )


def _describe_model(self: SageMakerResponse) -> ActionResult:
    """Models: moto shows a network without members where a model has none, which typed clients refuse to read."""
    return _without_empty(self.sagemaker_backend.describe_model(self._get_param("ModelName")).response_object)


def _describe_endpoint_config(self: SageMakerResponse) -> ActionResult:
    """Endpoint configurations: the same for data capture."""
    name = self._get_param("EndpointConfigName")
    return _without_empty(self.sagemaker_backend.describe_endpoint_config(name))


def _without_empty(response: dict[str, Any]) -> ActionResult:
    return ActionResult({key: value for key, value in response.items() if value not in ({}, [], None)})


def _put_composite_alarm(self: CloudWatchResponse) -> ActionResult:
    """Composite alarms: moto stores and lists them, but cannot create them."""
    rule = self._get_param("AlarmRule")
    alarms = self.cloudwatch_backend.alarms
    names = re.findall(r"(?:ALARM|OK|INSUFFICIENT_DATA)\(\s*[\"']?([^\"')]+?)[\"']?\s*\)", rule)
    missing = [name for name in names if name.rpartition(":alarm:")[2] not in alarms]
    if missing:
        from moto.cloudwatch.exceptions import ValidationError

        arns = ", ".join(arn("cloudwatch", self.region, ACCOUNT, f"alarm:{name}") for name in missing)
        raise ValidationError(f"Could not save the composite alarm as alarms [{arns}] in the alarm rule do not exist")
    return self.put_metric_alarm()


_moto_put_scaling_policy = scaling_models.ApplicationAutoscalingBackend.put_scaling_policy


def _put_scaling_policy(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Scaling policies: a changed policy must keep its ARN, by which alarms call it."""
    before = {key: policy.policy_arn for key, policy in self.policies.items()}
    policy = _moto_put_scaling_policy(self, *args, **kwargs)
    for key, kept in self.policies.items():
        if kept is policy and key in before:
            policy.policy_arn = before[key]
    return policy


def _delete_schedule_group(self: EventBridgeSchedulerBackend, name: str | None) -> None:
    """Schedule groups: deleting one that does not exist is an error of the service, not a crash."""
    self.get_schedule_group(name)
    self.schedule_groups.pop(name or "default")


def _associate_kms_key(self: LogsResponse) -> ActionResult:
    """Log groups: moto takes their key when they are made, and has no operation that changes it."""
    _log_group(self).kms_key_id = self._get_param("kmsKeyId")
    return ActionResult({})


def _disassociate_kms_key(self: LogsResponse) -> ActionResult:
    _log_group(self).kms_key_id = None
    return ActionResult({})


def _log_group(self: LogsResponse) -> LogGroup:
    found = self.logs_backend.groups.get(self._get_param("logGroupName"))
    if found is None:
        raise ResourceNotFoundException()
    return found


_moto_call_dynamodb = DynamoHandler.call_action
_dynamodb = threading.Lock()


def _call_dynamodb(self: DynamoHandler) -> Any:
    """Items: a write with a condition, and a transaction, are isolated at the service. Moto checks and writes in two
    steps, and a transaction that is cancelled puts back a copy of the tables, with which it undoes other writes."""
    with _dynamodb:
        return _moto_call_dynamodb(self)


_moto_get_layers_data = LambdaFunction._get_layers_data


def _get_layers_data(self: LambdaFunction, layers_versions_arns: list[str]) -> Any:
    """Layers: one of another account may exist, which nobody here can know; moto takes it for missing."""
    own = [each for each in layers_versions_arns if each.split(":")[4] == ACCOUNT]
    found = {each["Arn"]: each for each in _moto_get_layers_data(self, own)}
    return [found.get(each, {"Arn": each, "CodeSize": 0}) for each in layers_versions_arns]
