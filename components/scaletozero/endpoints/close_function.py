"""The Lambda function that closes endpoints whose spending alarm is in alarm. It is deployed as this one file.

It is called when an alarm changes to ALARM, and every few minutes: an alarm acts on a change only, so that what failed
once is closed by the next run. Closing twice changes nothing. It cannot open anything.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ALARM = "ALARM"
MONTH = ".month"
"""The end of the name of an endpoint's alarm on the month; without it, it is the name of the alarm on a window."""
SUSPENDED = {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": True, "ScheduledScalingSuspended": True}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, list[str]]:
    """Closes every endpoint, and the gateway, whose alarm is in alarm.

    Args:
        event: an alarm's change of state, as EventBridge sends it, or anything else.

    Returns:
        The endpoints and functions that are closed, and those of which a part has to wait for the next run.

    Raises:
        RuntimeError: a step failed. The others were taken; Lambda retries, and then keeps the event.
    """
    guarded: dict[str, dict[str, str]] = json.loads(os.environ["ENDPOINTS"])
    gateways: dict[str, str] = json.loads(os.environ.get("GATEWAYS", "{}"))
    roles: list[str] = json.loads(os.environ["ROLES"])
    reasons = _told(event)
    failures: list[str] = []
    try:
        names = [*(name for each in guarded for name in alarms(each)), *gateways]
        found = boto3.client("cloudwatch").describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm"])
        reasons |= {
            each["AlarmName"]: each.get("StateReason", "")
            for each in found["MetricAlarms"]
            if each["StateValue"] == ALARM
        }
    except (BotoCoreError, ClientError) as error:
        failures.append(f"alarms: {error}")
    closed, waiting = [], []
    for alarm, endpoint in guarded.items():
        reason = next((reasons[each] for each in alarms(alarm) if each in reasons), None)
        if reason is None:
            continue
        failed, waits = close(endpoint, roles)
        failures += [f"{endpoint['endpoint']}: {each}" for each in failed]
        (waiting if failed or waits else closed).append(endpoint["endpoint"])
        print(json.dumps({"endpoint": endpoint["endpoint"], "why": reason, "failed": failed, "waits": waits}))
    for alarm, function in gateways.items():
        if alarm in reasons:
            failed = shut(function)
            failures += [f"{function}: {each}" for each in failed]
            (waiting if failed else closed).append(function)
            print(json.dumps({"gateway": function, "why": reasons[alarm], "failed": failed}))
    if failures:
        raise RuntimeError("; ".join(failures))
    return {"closed": closed, "waiting": waiting}


def alarms(name: str) -> list[str]:
    """The names of the alarms that close an endpoint, by its name here. A guard has one of them or both."""
    return [name, f"{name}{MONTH}"]


def by_hand(name: str) -> dict[str, Any]:
    """The event with which a person has an endpoint closed, by its name here."""
    return {"detail": {"alarmName": name, "state": {"value": ALARM, "reason": "closed by hand"}}}


def _told(event: Mapping[str, Any]) -> dict[str, str]:
    """The alarm in an event, with its reason, so that nothing depends on reading the alarms."""
    detail = event.get("detail") or {}
    state = detail.get("state") or {}
    return {detail["alarmName"]: state.get("reason", "")} if state.get("value") == ALARM else {}


def close(endpoint: Mapping[str, str], roles: list[str]) -> tuple[list[str], bool]:
    """Closes one endpoint, the fastest step first. Returns the steps that failed, and whether one has to wait."""
    steps: list[Callable[[], bool]] = [lambda role=each: _deny(endpoint, role) for each in roles]
    steps += [lambda: _suspend(endpoint), lambda: _shrink(endpoint)]
    failed, waits = [], False
    for step in steps:
        try:
            waits = step() or waits
        except (BotoCoreError, ClientError) as error:
            failed.append(str(error))
    return failed, waits


def shut(function: str) -> list[str]:
    """Lets no request into a gateway: its function may not run. Returns what failed."""
    try:
        boto3.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    except (BotoCoreError, ClientError) as error:
        return [str(error)]
    return []


def _deny(endpoint: Mapping[str, str], role: str) -> bool:
    boto3.client("iam").attach_role_policy(RoleName=role, PolicyArn=endpoint["policy"])
    return False


def _suspend(endpoint: Mapping[str, str]) -> bool:
    """Suspends scaling, which would otherwise undo the next step. Its limits stay, for when the endpoint is opened."""
    client = boto3.client("application-autoscaling")
    scaled = f"endpoint/{endpoint['endpoint']}/variant/{endpoint['variant']}"
    found = client.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[scaled])["ScalableTargets"]
    for each in found:
        if each.get("SuspendedState") != SUSPENDED:
            client.register_scalable_target(
                ServiceNamespace="sagemaker",
                ResourceId=scaled,
                ScalableDimension=each["ScalableDimension"],
                SuspendedState=SUSPENDED,
            )
    return False


def _shrink(endpoint: Mapping[str, str]) -> bool:
    """No instance; or one container, the least of a serverless endpoint. Waits while the endpoint is being updated."""
    client = boto3.client("sagemaker")
    try:
        found = client.describe_endpoint(EndpointName=endpoint["endpoint"])
    except ClientError as error:
        if "Could not find" in error.response.get("Error", {}).get("Message", ""):
            return False  # deleted by hand: nothing runs
        raise
    variants = found.get("ProductionVariants") or []
    variant = next((each for each in variants if each["VariantName"] == endpoint["variant"]), {})
    wanted = least(variant)
    if not wanted:
        return False
    if found["EndpointStatus"] != "InService":
        return True
    client.update_endpoint_weights_and_capacities(
        EndpointName=endpoint["endpoint"],
        DesiredWeightsAndCapacities=[{"VariantName": endpoint["variant"], **wanted}],
    )
    return False


def least(variant: Mapping[str, Any]) -> dict[str, Any]:
    """The change that leaves the least of a variant; empty where there is not more."""
    serverless = variant.get("DesiredServerlessConfig") or variant.get("CurrentServerlessConfig")
    if serverless is None:
        return {"DesiredInstanceCount": 0} if variant.get("DesiredInstanceCount", 0) > 0 else {}
    if serverless["MaxConcurrency"] == 1:
        return {}
    config = {"MaxConcurrency": 1}
    if serverless.get("ProvisionedConcurrency"):
        config["ProvisionedConcurrency"] = 1
    return {"ServerlessUpdateConfig": config}
