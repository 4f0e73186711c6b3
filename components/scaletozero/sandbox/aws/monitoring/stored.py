"""Alarms as moto stores them: their members as the API has them, their state, and what tells of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scaletozero.sandbox.aws.middleware import ACCOUNT
from scaletozero.sandbox.monitoring.alarm import ALARM, INSUFFICIENT, OK


def members(alarm: Any) -> dict[str, Any]:
    """A metric alarm's members of `PutMetricAlarm` that say when it is in alarm."""
    return {
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric_name,
        "Dimensions": _dimensions(alarm.dimensions),
        "Statistic": alarm.statistic,
        "ExtendedStatistic": alarm.extended_statistic,
        "Period": alarm.period,
        "Metrics": [_query(each) for each in alarm.metric_data_queries],
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.treat_missing_data,
    }


def _query(query: Any) -> dict[str, Any]:
    found = {"Id": query.id, "Expression": query.expression, "Label": query.label, "ReturnData": query.return_data}
    if stat := query.metric_stat:
        metric = stat.metric
        found["MetricStat"] = {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.metric_name,
                "Dimensions": _dimensions(metric.dimensions),
            },
            "Period": stat.period,
            "Stat": stat.stat,
        }
    return {key: value for key, value in found.items() if value is not None}


def _dimensions(dimensions: Any) -> list[dict[str, str]]:
    return [{"Name": str(each.name), "Value": str(each.value)} for each in dimensions]


def actions(alarm: Any) -> list[str]:
    """The ARNs that an alarm notifies of its present state."""
    if not alarm.actions_enabled:
        return []
    by_state = {ALARM: alarm.alarm_actions, OK: alarm.ok_actions, INSUFFICIENT: alarm.insufficient_data_actions}
    return list(by_state[alarm.state_value] or ())


def state(alarm: Any) -> dict[str, Any]:
    """Its state as EventBridge's event and the event to a function have it."""
    return {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data,
        "timestamp": _time(alarm.state_updated_timestamp),
    }


def configuration(alarm: Any) -> dict[str, Any]:
    """Its configuration in the same events."""
    about = {"description": alarm.description, "alarmRule": alarm.rule}
    if not alarm.rule:
        about["metrics"] = [_lowered(each) for each in _metrics(alarm)]
    return {key: value for key, value in about.items() if value is not None}


def _metrics(alarm: Any) -> list[dict[str, Any]]:
    given = members(alarm)
    if given["Metrics"]:
        return given["Metrics"]
    metric = {key: given[key] for key in ("Namespace", "MetricName", "Dimensions")}
    statistic = given["Statistic"] or given["ExtendedStatistic"]
    return [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": given["Period"], "Stat": statistic}}]


def _lowered(query: Mapping[str, Any]) -> dict[str, Any]:
    found = {key[0].lower() + key[1:]: value for key, value in query.items() if key != "MetricStat"}
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        found["metricStat"] = {
            "metric": {
                "namespace": metric["Namespace"],
                "name": metric["MetricName"],
                "dimensions": {each["Name"]: each["Value"] for each in metric["Dimensions"]},
            },
            "period": stat["Period"],
            "stat": stat["Stat"],
        }
    return found


def message(alarm: Any, before: str) -> dict[str, Any]:
    """What a topic is told (CloudWatch user guide, notifications of alarms)."""
    told = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": _time(alarm.state_updated_timestamp),
        "Region": alarm.region_name,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "AlarmRule": alarm.rule,
        "Trigger": None if alarm.rule else members(alarm),
    }
    return {key: value for key, value in told.items() if value is not None}


def reason_data(recent: tuple[float, ...], threshold: float, now: datetime) -> str:
    """The machine-readable reason of a state."""
    about = {"version": "1.0", "queryDate": _time(now), "recentDatapoints": list(recent), "threshold": threshold}
    return json.dumps(about)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
