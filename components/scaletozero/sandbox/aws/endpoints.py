"""SageMaker's endpoints with the service's states and rules.

They live in moto's own store, so that moto's lists, tags and searches see them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from moto.core.utils import utcnow
from moto.s3.models import s3_backends
from moto.sagemaker.models import FakeEndpoint, sagemaker_backends

from scaletozero.partitions import arn
from scaletozero.sandbox.aws.async_inference.backlog import Backlog
from scaletozero.sandbox.aws.async_inference.service import snapshot
from scaletozero.sandbox.aws.iam.model_access import ModelAccess
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError, Call, Handler
from scaletozero.sandbox.aws.moto_scaling import applicationautoscaling_backends
from scaletozero.sandbox.aws.runtime.deployment import Deployment, deployment
from scaletozero.sandbox.aws.runtime.instance_pool import InstancePool, StartFailedError
from scaletozero.sandbox.aws.runtime_api import Runtime

log = logging.getLogger(__name__)

BUSY = ("Creating", "Updating", "Deleting")


class Endpoint(FakeEndpoint):
    """moto's endpoint, with the service's states."""

    def __init__(self, region: str, name: str, config: Any, tags: list[dict[str, str]]) -> None:
        super().__init__(ACCOUNT, region, name, config.endpoint_config_name, config.production_variants, {}, tags)
        self.status("Creating")
        self.last_deployment: dict[str, Any] | None = None
        self.arriving: InstancePool | None = None  # of a configuration that does not serve yet

    def status(self, status: str, reason: str | None = None) -> None:
        self.endpoint_status, self.failure_reason, self.last_modified_time = status, reason, utcnow()

    def describe(self) -> dict[str, Any]:
        """The response of DescribeEndpoint."""
        response = {
            "EndpointName": self.endpoint_name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.endpoint_config_name,
            "ProductionVariants": self.production_variants,
            "EndpointStatus": self.endpoint_status,
            "FailureReason": self.failure_reason,
            "CreationTime": self.creation_time.timestamp(),
            "LastModifiedTime": self.last_modified_time.timestamp(),
            "LastDeploymentConfig": self.last_deployment,
        }
        return {key: value for key, value in response.items() if value is not None}

    @property
    def response_object(self) -> dict[str, Any]:  # type: ignore[override]
        return self.describe()


class Endpoints:
    """The operations on endpoints, models and configurations that moto lacks or does not check."""

    def __init__(self, runtime: Runtime, access: ModelAccess) -> None:
        self._runtime, self._access = runtime, access
        self._lock = threading.RLock()

    @property
    def handlers(self) -> dict[str, Handler]:
        return {
            "SageMaker.CreateModel": self.create_model,
            "SageMaker.CreateEndpointConfig": self.create_config,
            "SageMaker.CreateEndpoint": self.create,
            "SageMaker.UpdateEndpoint": self.update,
            "SageMaker.UpdateEndpointWeightsAndCapacities": self.update_capacities,
            "SageMaker.DescribeEndpoint": self.describe,
            "SageMaker.DeleteEndpoint": self.delete,
        }

    def create_model(self, call: Call) -> None:
        name, store = call.parameters["ModelName"], _store(call)
        if name in store._models:
            raise _exists("model", _arn(call, "model", name))
        role, model = call.parameters.get("ExecutionRoleArn", ""), _arn(call, "model", name)
        self._access.require_trust(role, call.region, model)
        containers = [call.parameters.get("PrimaryContainer"), *(call.parameters.get("Containers") or [])]
        for container in filter(None, containers):
            url = container.get("ModelDataUrl")
            if url and not _is_object(url):
                raise _invalid(f"Could not find model data at {url}.")
            if url:
                self._access.require_readable(role, call.region, url, name)
            if image := container.get("Image"):
                self._access.require_image(role, call.region, image)
        if vpc := call.parameters.get("VpcConfig"):
            self._access.require_network(role, call.region, vpc)

    def create_config(self, call: Call) -> None:
        name, store = call.parameters["EndpointConfigName"], _store(call)
        if name in store.endpoint_configs:
            raise _exists("endpoint configuration", _arn(call, "endpoint-config", name))
        for variant in call.parameters.get("ProductionVariants") or []:
            if variant.get("ModelName") and variant["ModelName"] not in store._models:
                raise _invalid(f'Could not find model "{_arn(call, "model", variant["ModelName"])}".')
            if "ServerlessConfig" not in variant and int(variant.get("InitialInstanceCount") or 0) < 1:
                raise _invalid(
                    "1 validation error detected: Value at 'productionVariants.1.member.initialInstanceCount' failed "
                    "to satisfy constraint: Member must have value greater than or equal to 1"
                )
            if "ServerlessConfig" in variant and call.parameters.get("AsyncInferenceConfig"):
                raise _invalid("AsyncInferenceConfig is not supported for a serverless variant.")
        output = (call.parameters.get("AsyncInferenceConfig") or {}).get("OutputConfig") or {}
        if (output.get("NotificationConfig") or {}).get("IncludeInferenceResponseIn"):
            raise _invalid("IncludeInferenceResponseIn: the sandbox's notifications do not include responses.")

    def create(self, call: Call) -> dict[str, Any]:
        name, store = call.parameters["EndpointName"], _store(call)
        with self._lock:
            if name in store.endpoints:
                raise _exists("endpoint", _arn(call, "endpoint", name))
            config = self._config(call, call.parameters["EndpointConfigName"])
            endpoint: Any = Endpoint(call.region, name, config, call.parameters.get("Tags") or [])
            endpoint.last_deployment = call.parameters.get("DeploymentConfig")
            store.endpoints[name] = endpoint
        self._switch(call, endpoint, config, created=True)
        return {"EndpointArn": endpoint.arn}

    def update(self, call: Call) -> dict[str, Any]:
        with self._lock:
            endpoint = self._settled(call)
            config = self._config(call, call.parameters["EndpointConfigName"])
            self._config(
                call, endpoint.endpoint_config_name
            )  # the service needs the old one, too, to move away from it
            _refuse_other_instances(call, endpoint, config)
            endpoint.status("Updating")
            endpoint.last_deployment = call.parameters.get("DeploymentConfig") or endpoint.last_deployment
        self._switch(call, endpoint, config)
        return {"EndpointArn": endpoint.arn}

    def update_capacities(self, call: Call) -> dict[str, Any]:
        """Capacity of a serverless variant: MaxConcurrency and ProvisionedConcurrency, without a new configuration."""
        with self._lock:
            endpoint = self._settled(call)
            pool = self._runtime.pool(call.region, endpoint.endpoint_name)
            wanted = (call.parameters.get("DesiredWeightsAndCapacities") or [{}])[0]
            if pool is None or wanted.get("VariantName") != pool.deployment.variant:
                raise _invalid(f'Could not find variant "{wanted.get("VariantName")}".')
            change = wanted.get("ServerlessUpdateConfig") or {}
            most = int(change.get("MaxConcurrency") or pool.deployment.maximum)
            warm = int(change.get("ProvisionedConcurrency") or pool.deployment.provisioned)
            if "DesiredInstanceCount" in wanted and not pool.deployment.serverless:
                most = warm = int(wanted["DesiredInstanceCount"])
            if warm > most:
                raise _invalid(f"ProvisionedConcurrency {warm} must not be above MaxConcurrency {most}.")
            endpoint.status("Updating")
        threading.Thread(target=self._resize, args=(endpoint, pool, most, warm), daemon=True).start()
        return {"EndpointArn": endpoint.arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return self._endpoint(call).describe()

    def delete(self, call: Call) -> dict[str, Any]:
        with self._lock:
            endpoint = self._endpoint(call)
            if endpoint.endpoint_status == "Deleting":
                raise _invalid(f'Cannot delete in-progress endpoint "{endpoint.arn}".')
            endpoint.status("Deleting")
            arriving = endpoint.arriving

        def finish() -> None:
            if arriving:  # an instance that never starts would be waited for
                arriving.stop(cancel=True)
            self._runtime.remove(call.region, endpoint.endpoint_name)
            with self._lock:
                _store(call).endpoints.pop(endpoint.endpoint_name, None)

        threading.Thread(target=finish, daemon=True).start()
        return {}

    def snapshot(self) -> dict[str, Any]:
        """Every endpoint with its status and, if it has one, its pool."""
        found: dict[str, Any] = {}
        for region, store in list(sagemaker_backends[ACCOUNT].items()):
            for name, endpoint in list(store.endpoints.items()):
                pool = self._runtime.pool(region, name)
                about = {"status": endpoint.endpoint_status, "region": region, "failure": endpoint.failure_reason}
                if backlog := self._runtime.backlog(region, name):
                    about["backlog"] = snapshot(backlog, time.time())
                found[f"{name} ({region})" if name in found else name] = about | (pool.snapshot() if pool else {})
        return found

    def backlog(self, region: str, name: str) -> Backlog | None:
        return self._runtime.backlog(region, name)

    def pool(self, region: str, name: str) -> InstancePool | None:
        return self._runtime.pool(region, name)

    def scales(self, region: str, name: str) -> bool:
        """Whether an endpoint's capacity can be changed now: it exists, and no other change is in progress."""
        endpoint = sagemaker_backends[ACCOUNT][region].endpoints.get(name)
        return isinstance(endpoint, Endpoint) and endpoint.endpoint_status not in BUSY

    def set_capacity(self, region: str, name: str, warm: int) -> str | None:
        """Scales an endpoint's provisioned concurrency, or its instances, as Application Auto Scaling does.

        Returns:
            Why it could not be scaled; None if it was.
        """
        pool = self._runtime.pool(region, name)
        endpoint = sagemaker_backends[ACCOUNT][region].endpoints.get(name)
        if pool is None or not isinstance(endpoint, Endpoint) or not self.scales(region, name):
            return "the endpoint cannot be changed now"
        most = pool.deployment.maximum if pool.deployment.serverless else warm
        endpoint.status("Updating")
        return self._resize(endpoint, pool, most, min(warm, most))

    def _switch(self, call: Call, endpoint: Endpoint, config: Any, created: bool = False) -> None:
        """Starts the new configuration beside the old one and switches to it once it is healthy."""
        plan = deployment(call.region, endpoint.endpoint_name, config, _store(call)._models)
        pool = self._runtime.new_pool(plan)
        with self._lock:
            endpoint.arriving = pool

        def work() -> None:
            try:
                pool.prove()
            except StartFailedError as error:
                pool.stop()
                log.warning("%s: %s", endpoint.endpoint_name, error)
                with self._lock:
                    endpoint.arriving = None
                    if endpoint.endpoint_status != "Deleting":
                        endpoint.status("Failed" if created else "InService", _failure(plan, error))
                return
            with self._lock:
                if endpoint.endpoint_status == "Deleting":
                    pool.stop()
                    return
                self._runtime.install(pool)
                endpoint.arriving = None
                endpoint.endpoint_config_name = plan.config
                endpoint.production_variants = _variants(endpoint, config, plan)
                endpoint.status("InService")

        threading.Thread(target=work, daemon=True, name=f"move {endpoint.endpoint_name}").start()

    def _resize(self, endpoint: Endpoint, pool: InstancePool, most: int, warm: int) -> str | None:
        reason = None
        try:
            pool.resize(most, warm)
        except StartFailedError as error:
            reason = str(error)
        with self._lock:
            if endpoint.endpoint_status != "Deleting":
                for variant in endpoint.production_variants:
                    for key in ("CurrentServerlessConfig", "DesiredServerlessConfig"):
                        if key in variant:
                            variant[key] = {**variant[key], **_capacity(pool.deployment)}
                    if "CurrentInstanceCount" in variant:
                        variant["CurrentInstanceCount"] = variant["DesiredInstanceCount"] = most
                endpoint.status("InService", reason)
        return reason

    def _endpoint(self, call: Call) -> Endpoint:
        name = call.parameters["EndpointName"]
        endpoint = _store(call).endpoints.get(name)
        if not isinstance(endpoint, Endpoint):
            raise _invalid(f'Could not find endpoint "{_arn(call, "endpoint", name)}".')
        return endpoint

    def _settled(self, call: Call) -> Endpoint:
        endpoint = self._endpoint(call)
        if endpoint.endpoint_status in BUSY:
            raise _invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        if endpoint.endpoint_status == "Failed":
            raise _invalid(f'Cannot update endpoint "{endpoint.arn}" in status Failed: it can only be deleted.')
        return endpoint

    def _config(self, call: Call, name: str) -> Any:
        config = _store(call).endpoint_configs.get(name)
        if config is None:
            raise _invalid(f'Could not find endpoint configuration "{_arn(call, "endpoint-config", name)}".')
        return config


def _refuse_other_instances(call: Call, endpoint: Endpoint, config: Any) -> None:
    """An endpoint that scales cannot be given other instances (developer guide, endpoint-scaling-update)."""
    old = _store(call).endpoint_configs[endpoint.endpoint_config_name].production_variants
    types = {each["VariantName"]: each.get("InstanceType") for each in old}
    for variant in config.production_variants:
        name, after = variant["VariantName"], variant.get("InstanceType")
        before = types.get(name, after)
        at = f"endpoint/{endpoint.endpoint_name}/variant/{name}"
        scaled = any(at in each for each in applicationautoscaling_backends[ACCOUNT][call.region].targets.values())
        if scaled and after != before:
            raise _invalid(
                f"Cannot update the instance type of variant {name} from {before} to {after} "
                f"while it is registered as a scalable target. Deregister {at} with Application Auto Scaling first."
            )


def _store(call: Call) -> Any:
    return sagemaker_backends[ACCOUNT][call.region]


def _arn(call: Call, kind: str, name: str) -> str:
    return arn("sagemaker", call.region, ACCOUNT, f"{kind}/{name}")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def _exists(kind: str, arn: str) -> AwsError:
    return _invalid(f'Cannot create already existing {kind} "{arn}".')


def _is_object(url: str) -> bool:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    found = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    if found is None:
        return False
    return key in found.keys or any(name.startswith(key) for name in found.keys if key.endswith("/"))


def _failure(plan: Deployment, error: StartFailedError) -> str:
    return (
        f"The container for production variant {plan.variant} did not pass the ping health check. "
        f"Please check CloudWatch logs for this endpoint. {error}"
    )


def _capacity(plan: Deployment) -> Mapping[str, int]:
    warm = {"ProvisionedConcurrency": plan.provisioned} if plan.provisioned else {}
    return {"MaxConcurrency": plan.maximum, **warm}


def _variants(endpoint: Endpoint, config: Any, plan: Deployment) -> list[dict[str, Any]]:
    variants = endpoint._process_production_variants(config.production_variants)
    image = {"SpecifiedImage": plan.image, "ResolvedImage": plan.image}
    return [{"DeployedImages": [image], **variant} for variant in variants]
