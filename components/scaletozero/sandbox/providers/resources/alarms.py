"""CloudWatch alarms; those that the embedded CloudWatch would never evaluate are refused here already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.monitoring.expressions import UnsupportedError, parse
from scaletozero.sandbox.providers.rules import known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Convert, Naming, Read, ResourceType, State, Step, Tagging

_TAGS = Tagging(
    "tag_resource", "untag_resource", "list_tags_for_resource", "Tags", {"ResourceARN": "arn"}, keys="TagKeys"
)


def _pairs(value: Any) -> Any:
    return [{"name": key, "value": item} for key, item in value.items()]


def _from_pairs(value: Any) -> Any:
    return {pair["name"]: pair["value"] for pair in value or []}


def _nested(queries: Any) -> Any:
    """Terraform's `metric` holds what the API keeps in MetricStat and, one deeper, in its Metric."""
    out = []
    for query in queries:
        # Without it the API takes true; the Terraform provider sends false.
        query = {"returnData": False, **query}
        metric = query.pop("metric", None)
        if isinstance(metric, list):
            metric = metric[0] if metric else None
        if metric is not None:
            inner = {key: metric[key] for key in ("namespace", "metricName") if metric.get(key) is not None}
            if metric.get("dimensions"):
                inner["dimensions"] = _pairs(metric["dimensions"])
            outer = {key: item for key, item in metric.items() if key not in ("namespace", "metricName", "dimensions")}
            query["metricStat"] = outer | {"metric": inner}
        out.append(query)
    return out


def _flat(queries: Any) -> Any:
    out = []
    for query in queries or []:
        query = {key: value for key, value in dict(query).items() if (key, value) != ("returnData", False)}
        stat = query.pop("metricStat", None)
        if stat:
            inner = dict(stat.pop("metric", {}))
            if "dimensions" in inner:
                inner["dimensions"] = _from_pairs(inner["dimensions"])
            query["metric"] = stat | inner
        out.append(query)
    return out


_QUERIES = Convert("metricQueries", _nested, _flat, ((".metricStat.metric.", ".metric."), (".metricStat.", ".metric.")))

_MEMBERS: dict[str, Any] = {
    "AlarmName": "name",
    "ComparisonOperator": "comparisonOperator",
    "EvaluationPeriods": "evaluationPeriods",
    "DatapointsToAlarm": "datapointsToAlarm",
    "MetricName": "metricName",
    "Namespace": "namespace",
    "Period": "period",
    "Statistic": "statistic",
    "ExtendedStatistic": "extendedStatistic",
    "Threshold": "threshold",
    "ThresholdMetricId": "thresholdMetricId",
    "TreatMissingData": "treatMissingData",
    "Unit": "unit",
    "EvaluateLowSampleCountPercentile": "evaluateLowSampleCountPercentiles",
    "ActionsEnabled": "actionsEnabled",
    "AlarmActions": "alarmActions",
    "OKActions": "okActions",
    "InsufficientDataActions": "insufficientDataActions",
    "AlarmDescription": "alarmDescription",
    "Dimensions": Convert("dimensions", _pairs, _from_pairs),
    "Metrics": _QUERIES,
}


def _props(members: dict[str, Any]) -> dict[str, str]:
    return {source.prop if isinstance(source, Convert) else source: path for path, source in members.items()}


def _what_it_watches(state: State) -> Iterator[Failure]:
    single, several = state.get("metricName") is not None, state.get("metricQueries") is not None
    if single == several:
        yield Failure("metricName", "exactly one of `metricName` and `metricQueries` must be given")
    if single:
        for prop in ("namespace", "period"):
            if state.get(prop) is None:
                yield Failure(prop, "is required with `metricName`")
        if (state.get("statistic") is None) == (state.get("extendedStatistic") is None):
            yield Failure("statistic", "exactly one of `statistic` and `extendedStatistic` must be given")
    if (state.get("threshold") is None) == (state.get("thresholdMetricId") is None):
        yield Failure("threshold", "exactly one of `threshold` and `thresholdMetricId` must be given")
    queries = state.get("metricQueries")
    if isinstance(queries, list):
        yield from _queries(queries)


def _queries(queries: list[Any]) -> Iterator[Failure]:
    shown = [query for query in queries if isinstance(query, dict) and query.get("returnData") is True]
    if len(shown) != 1:
        yield Failure("metricQueries", f"exactly one must have `returnData` true, got {len(shown)}")
    for index, query in enumerate(queries):
        if isinstance(query, dict) and (query.get("metric") is None) == (query.get("expression") is None):
            yield Failure(f"metricQueries[{index}]", "must have exactly one of `metric` and `expression`")
        elif isinstance(query, dict) and known(written := query.get("expression")):
            try:
                parse(str(written))
            except UnsupportedError as error:
                yield Failure(f"metricQueries[{index}].expression", str(error))


def _periods(state: State) -> Iterator[Failure]:
    """PutMetricAlarm: 10, 20, 30 or a multiple of 60 s; periods x period at most a day (a week from 3600 s on)."""
    period, count, needed = (state.get(key) for key in ("period", "evaluationPeriods", "datapointsToAlarm"))
    if isinstance(period, int) and period not in (10, 20, 30) and period % 60:
        yield Failure("period", f"must be 10, 20, 30 or a multiple of 60, got {period}")
    if isinstance(period, int) and isinstance(count, int):
        most = 7 * 86400 if period >= 3600 else 86400
        if period * count > most:
            yield Failure("evaluationPeriods", f"times period must be at most {most} s, got {period * count}")
    if isinstance(count, int) and isinstance(needed, int) and needed > count:
        yield Failure("datapointsToAlarm", f"must be at most evaluationPeriods ({count}), got {needed}")


def _missing_data(state: State) -> Iterator[Failure]:
    allowed = ("breaching", "notBreaching", "ignore", "missing")
    value = state.get("treatMissingData")
    if known(value) and value not in allowed:
        yield Failure("treatMissingData", f"must be one of {', '.join(allowed)}, got {value!r}")


_put = Step("put_metric_alarm", _MEMBERS, on=tuple(prop for prop in _props(_MEMBERS) if prop != "name"))

_COMPOSITE: dict[str, Any] = {
    "AlarmName": "alarmName",
    "AlarmRule": "alarmRule",
    "AlarmDescription": "alarmDescription",
    "ActionsEnabled": "actionsEnabled",
    "AlarmActions": "alarmActions",
    "OKActions": "okActions",
    "InsufficientDataActions": "insufficientDataActions",
    "ActionsSuppressor": lambda s: (s.get("actionsSuppressor") or {}).get("alarm"),
    "ActionsSuppressorExtensionPeriod": lambda s: (s.get("actionsSuppressor") or {}).get("extensionPeriod"),
    "ActionsSuppressorWaitPeriod": lambda s: (s.get("actionsSuppressor") or {}).get("waitPeriod"),
}

_COMPOSITE_PROPS = [source for source in _COMPOSITE.values() if isinstance(source, str) and source != "alarmName"]

_put_composite = Step("put_composite_alarm", _COMPOSITE, on=(*_COMPOSITE_PROPS, "actionsSuppressor"))


def _one(key: str) -> Any:
    return lambda response, _state: (response[key] or [None])[0]


ROWS = (
    ResourceType(
        kind="aws:cloudwatch/metricAlarm:MetricAlarm",
        service="cloudwatch",
        naming=Naming(limit=255),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        create=(_put,),
        update=(_put,),
        reads=(
            Read(
                "describe_alarms",
                {"AlarmNames": lambda s: [s["@id"]], "AlarmTypes": lambda _: ["MetricAlarm"]},
                _props(_MEMBERS) | {"arn": "AlarmArn"},
                pick=_one("MetricAlarms"),
            ),
        ),
        delete=(Step("delete_alarms", {"AlarmNames": lambda s: [s["@id"]]}),),
        replaces=frozenset({"name"}),
        defaults={"actionsEnabled": True, "treatMissingData": "missing"},
        computed=frozenset({"evaluateLowSampleCountPercentiles"}),
        renames={"okActions": "OKActions", "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile"},
        rules=(_what_it_watches, _periods, _missing_data),
        refused=dict.fromkeys(
            ("evaluationCriteria", "evaluationInterval", "evaluationWindow", "warmUpConfiguration"),
            "leave it out; the sandbox has alarms on metrics and metric math only",
        ),
        tagging=_TAGS,
    ),
    ResourceType(
        kind="aws:cloudwatch/compositeAlarm:CompositeAlarm",
        service="cloudwatch",
        id=lambda s: s["alarmName"],
        from_id=lambda i: {"alarmName": i},
        create=(_put_composite,),
        update=(_put_composite,),
        reads=(
            Read(
                "describe_alarms",
                {"AlarmNames": lambda s: [s["@id"]], "AlarmTypes": lambda _: ["CompositeAlarm"]},
                {source: path for path, source in _COMPOSITE.items() if isinstance(source, str)} | {"arn": "AlarmArn"},
                pick=_one("CompositeAlarms"),
            ),
        ),
        delete=(Step("delete_alarms", {"AlarmNames": lambda s: [s["@id"]]}),),
        replaces=frozenset({"alarmName"}),
        defaults={"actionsEnabled": True},
        local={"actionsSuppressor": dict},
        renames={"okActions": "OKActions"},
        tagging=_TAGS,
    ),
)
