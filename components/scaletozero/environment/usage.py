"""Reads what deployed endpoints used from CloudWatch, and what of it was for which customer from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from botocore.exceptions import ClientError

from model_packaging.findings import FindingsError
from scaletozero.endpoints.kinds import KINDS
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.usage import works_of
from scaletozero.observability.panels import Measure
from scaletozero.observability.provisioned import TAKEN, UNSEEN, with_provisioned
from scaletozero.observability.showback import CustomerWork
from scaletozero.observability.usage import Metering, Sums, Used
from scaletozero.scaling.timeline import kept_seconds, lead_minutes
from scaletozero.settings.names import VARIANT
from scaletozero.spending.prices import prices

DAY_SECONDS = 86_400


def metering_of(about: Mapping[str, Any]) -> Metering | str:
    """What to read of a deployed endpoint, or why nothing can be.

    Args:
        about: as `endpoints_in` has it, with its region.
    """
    try:
        found = KINDS[about["kind"]].metering(about, about["region"], prices())
    except FindingsError as error:
        return str(error.findings[0])
    return found or "its usage is not in CloudWatch"


def read_sums(client: Any, endpoint: str, metering: Metering, first: date, now: datetime) -> Sums:
    """The sum of each metric by day.

    Args:
        client: of CloudWatch in the endpoint's region.
        endpoint: its name at the service.
        first: the first day, in UTC.

    Raises:
        ClientError, BotoCoreError: CloudWatch refused, or did not respond.
    """
    return {each: _by_day(client, endpoint, each, first, now) for each in metering.measures}


def add_provisioned(
    client: Callable[[str], Any],
    endpoint: str,
    declared: Any,
    found: Used,
    about: Mapping[str, Any],
    first: date,
    now: datetime,
) -> Used:
    """What an endpoint used, with the provisioned concurrency that it has by its declaration, since it was made.

    Args:
        client: makes a client of a service in the endpoint's region.
        endpoint: its name at the service.
        declared: its settings; None where they are not this environment's.
        found: what its metrics say.
        about: as `endpoints_in` has it, with its region.
        first: the first day, in UTC.

    Raises:
        ClientError, BotoCoreError: a service refused, or did not respond.
        FindingsError: there is no price for it.
    """
    if declared is None or declared.kind != about["kind"]:
        return found
    provisioned = KINDS[about["kind"]].provisioned(declared, about, about["region"], prices())
    if provisioned is None:
        return replace(found, unseen=tuple(each for each in found.unseen if each != UNSEEN))
    made = client("sagemaker").describe_endpoint(EndpointName=endpoint)["CreationTime"]
    since = max(made, datetime.combine(first, time(), UTC))
    # Windows are opened early by the model's start, which the artifact says: without it, by what the service takes.
    seconds = kept_seconds(declared.schedule, base=declared.scaling.min, lead=lead_minutes(0), since=since, until=now)
    return with_provisioned(found, provisioned, seconds, _by_day(client("cloudwatch"), endpoint, TAKEN, first, now))


def read_works(
    store: DynamoStore, first: date, note: Callable[[str, Mapping[str, Any]], object] = lambda *_: None
) -> list[CustomerWork]:
    """What customers' requests did since a day in UTC; nothing where no gateway has made the ledger's table.

    Args:
        note: is told of each record, with its customer.

    Raises:
        ClientError, BotoCoreError: DynamoDB refused, or did not respond.
    """
    since = int(datetime.combine(first, time(), UTC).timestamp())
    try:
        return works_of(_noted(store.usage(since), note))
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []
        raise


def _noted(
    records: Iterable[tuple[str, dict[str, Any]]], note: Callable[[str, Mapping[str, Any]], object]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for customer, record in records:
        note(customer, record)
        yield customer, record


def bucket_of(resources: Iterable[Mapping[str, Any]]) -> str | None:
    """The environment's bucket: the output `bucket` in its stack's state; None where there is none.

    Args:
        resources: `deployment.resources` of an exported stack.
    """
    outputs = next((each.get("outputs") or {} for each in resources if each["type"] == "pulumi:pulumi:Stack"), {})
    bucket = outputs.get("bucket")
    return bucket if isinstance(bucket, str) else None


def _by_day(client: Any, endpoint: str, measure: Measure, first: date, now: datetime) -> dict[date, float]:
    dimensions = measure.of({"EndpointName": endpoint, "VariantName": VARIANT})
    found = client.get_metric_statistics(
        Namespace=measure.namespace,
        MetricName=measure.metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.combine(first, time(), UTC),
        EndTime=now,
        Period=DAY_SECONDS,
        Statistics=[measure.statistic],
    )
    return {point["Timestamp"].astimezone(UTC).date(): point[measure.statistic] for point in found["Datapoints"]}
