"""The Lambda function that measures what endpoints have cost since the first of the month. It is deployed as this one
file.

It is called every few minutes, and computes the whole month each time: what came late is in the next value, and a run
that failed or came twice changes nothing. An alarm on the metric closes the endpoint; the function itself cannot.
"""

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

NAMESPACE, METRIC = "ScaleToZero/Spending", "MonthToDate"
"""The metric that is written, in USD."""

DAY_SECONDS = 24 * 3600


def handler(_event: Mapping[str, Any], _context: object) -> dict[str, float]:
    """Writes the month's spending of every endpoint.

    Returns:
        Endpoint -> USD.

    Raises:
        RuntimeError: the spending of an endpoint could not be read or written. The others were.
    """
    endpoints: list[dict[str, str]] = json.loads(os.environ["MEASURED"])
    measures: dict[str, list[Any]] = json.loads(os.environ["MEASURES"])
    client = boto3.client("cloudwatch")
    begin, end = month(datetime.now(UTC))
    written, failures = {}, []
    for each in endpoints:
        dimensions = _dimensions({"EndpointName": each["endpoint"], "VariantName": each["variant"]})
        try:
            usd = spent(client, each, measures, begin, end)
            data = [{"MetricName": METRIC, "Dimensions": dimensions, "Value": usd, "Unit": "None"}]
            client.put_metric_data(Namespace=NAMESPACE, MetricData=data)
        except (BotoCoreError, ClientError, RuntimeError) as error:
            failures.append(f"{each['endpoint']}: {error}")
            continue
        written[each["endpoint"]] = usd
    print(json.dumps({"month": begin.isoformat(), "usd": written, "failed": failures}))
    if failures:
        raise RuntimeError("; ".join(failures))
    return written


def month(now: datetime) -> tuple[datetime, datetime]:
    """The whole month of a moment: a clock that is set back within it still sees everything that was measured."""
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return begin, (begin + timedelta(days=32)).replace(day=1)


def spent(
    client: Any, endpoint: Mapping[str, str], measures: Mapping[str, list[Any]], begin: datetime, end: datetime
) -> float:
    """USD of an endpoint's work between two midnights in UTC.

    Args:
        client: CloudWatch's.
        endpoint: its `endpoint`, `variant` and `usd`, the expression.
        measures: the names in expressions -> namespace, metric, statistic, and whether the variant is a dimension.

    Raises:
        RuntimeError: CloudWatch did not give all of it; a part would be below the bill.
    """
    queries: list[dict[str, Any]] = [{"Id": "usd", "Expression": endpoint["usd"], "Period": DAY_SECONDS}]
    for key, (namespace, name, statistic, by_variant) in measures.items():
        if not re.search(rf"\b{key}\b", endpoint["usd"]):
            continue
        named = {"EndpointName": endpoint["endpoint"], **({"VariantName": endpoint["variant"]} if by_variant else {})}
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": _dimensions(named)}
        about = {"Metric": metric, "Period": DAY_SECONDS, "Stat": statistic}
        queries.append({"Id": key, "MetricStat": about, "ReturnData": False})
    asked: dict[str, Any] = {"MetricDataQueries": queries, "StartTime": begin, "EndTime": end}
    total, status = 0.0, ""
    while True:
        answer = client.get_metric_data(**asked)
        for each in answer["MetricDataResults"]:
            total += sum(each["Values"])
            status = each["StatusCode"]
        if not answer.get("NextToken"):
            break
        asked["NextToken"] = answer["NextToken"]
    if status != "Complete":
        raise RuntimeError(f"CloudWatch gave a part of the month only: {status or 'no result'}")
    return total


def _dimensions(named: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": key, "Value": value} for key, value in named.items()]
