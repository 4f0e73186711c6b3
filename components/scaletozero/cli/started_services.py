"""The endpoints that `bench --starts` starts, at SageMaker: what is sent to them, and what they and AWS say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.cli.past import containers_ready, kept_of
from scaletozero.cli.querying import Target
from scaletozero.cli.target_metrics import TargetMetrics
from scaletozero.endpoints.async_client import Submitted, outcome, submit
from scaletozero.observability.forced_calls import METRICS, Called, Total, Totals
from scaletozero.observability.forced_wakes import Answer, Instances, Request
from scaletozero.observability.past_starts import Kept, Ready
from scaletozero.sandbox import daemon

SKEW_SECONDS = 2.0
"""By how much this machine's clock may differ from AWS's: the resolution of their responses' dates, and a slow one."""


class Clients:
    """The clients of a target, each made once.

    Args:
        target: a deployed endpoint.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._made = target, dict[str, Any]()

    def __call__(self, service: str = "sagemaker-runtime") -> Any:
        """A boto3 client. Default: of the SageMaker Runtime."""
        if service not in self._made:
            self._made[service] = self._target.client(service)
        return self._made[service]


def aws_clock(clients: Clients, endpoint: str) -> Callable[[], datetime]:
    """AWS's clock, with which its records are compared: this machine's, corrected where that differs from it."""
    response = clients("sagemaker").describe_endpoint(EndpointName=endpoint)
    here = datetime.now(UTC)
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    ahead = parsedate_to_datetime(date) - here if date else timedelta()
    if abs(ahead.total_seconds()) <= SKEW_SECONDS:
        ahead = timedelta()
    return lambda: datetime.now(UTC) + ahead


@dataclass
class AsynchronousService:
    """An asynchronous endpoint.

    Attributes:
        target: it.
        body: the request that is submitted.
    """

    target: Target
    body: bytes
    _submitted: Submitted | None = None

    def __post_init__(self) -> None:
        self._clients = Clients(self.target)
        self._clock = aws_clock(self._clients, self.target.name)

    def clock(self) -> datetime:
        return self._clock()

    def instances(self) -> Instances:
        about = self._clients("sagemaker").describe_endpoint(EndpointName=self.target.name)
        (variant,) = about["ProductionVariants"]
        current, desired = (int(variant.get(each) or 0) for each in ("CurrentInstanceCount", "DesiredInstanceCount"))
        return Instances(about["EndpointStatus"], current, desired, about.get("FailureReason") or "")

    def submit(self) -> Request:
        assert self.target.requests
        at = self._clock()
        s3, runtime = self._clients("s3"), self._clients()
        self._submitted = submit(self.target.name, self.body, requests=self.target.requests, s3=s3, runtime=runtime)
        return Request(self._submitted.inference_id, at)

    def answer(self, request: Request) -> Answer | None:
        assert self._submitted
        assert self._submitted.inference_id == request.id
        found = outcome(self._submitted, s3=self._clients("s3"))
        return Answer(found.at, found.failed) if found else None

    def kept(self, since: datetime) -> Kept:
        return kept_of(self.target, self._clients, since - timedelta(seconds=1), self._clock())


@dataclass
class ServerlessService:
    """A serverless endpoint.

    Attributes:
        target: it.
        body: the request that is sent.
    """

    target: Target
    body: bytes
    _clients: Clients = field(init=False)

    def __post_init__(self) -> None:
        self._clients = Clients(self.target)
        self._clock = aws_clock(self._clients, self.target.name)
        self._began = self._clock()

    def call(self) -> Called:
        at = self._clock()
        try:
            response = self._clients().invoke_endpoint(
                EndpointName=self.target.name, ContentType="application/json", Body=self.body
            )
            response["Body"].read()
        except ClientError as error:
            said = error.response
            reason = said.get("OriginalMessage") or said["Error"].get("Message", str(error))
            return Called(at, self._clock(), f"{said['Error'].get('Code', 'Error')}: {reason}")
        except BotoCoreError as error:
            return Called(at, self._clock(), f"no response: {error}")
        return Called(at, self._clock())

    def totals(self) -> Totals:
        read = TargetMetrics(self.target, self._began, self._clock() + timedelta(minutes=1), self._clients)
        return {
            each: Total(
                round(sum(count for _, count in read.of_variant(each, "SampleCount"))),
                sum(total for _, total in read.of_variant(each, "Sum")),
            )
            for each in METRICS
        }

    def ready(self, since: datetime, until: datetime) -> Sequence[Ready]:
        return containers_ready(self.target, self._clients, since, until)

    def instances(self) -> int | None:
        if self.target.sandbox is None:
            return None
        return len(daemon.status(self.target.sandbox)["endpoints"][self.target.name]["instances"])
