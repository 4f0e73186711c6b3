"""The arguments of `SpendingGuard`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.settings.alarms import EndpointKind
from scaletozero.settings.guard import Over


class GuardedEndpointArgs(TypedDict):
    """One endpoint under a guard."""

    name: str
    """Name of its component, which is the value of its tag `endpoint`."""
    endpoint_name: pulumi.Input[str]
    """Name of the endpoint."""
    endpoint_arn: pulumi.Input[str]
    """ARN of the endpoint."""
    kind: EndpointKind
    """Kind of the endpoint, which decides how its spending is measured and how it is closed."""
    cap_usd_per_month: float
    """The most that a month of it may cost, in USD."""
    max: int
    """The most containers or instances."""
    memory_mb: NotRequired[int]
    """Memory of one container in MB. Required of serverless endpoints, and only for them."""
    instance_type: NotRequired[str]
    """Type of its instances. Required of asynchronous endpoints, and only for them."""
    provisioned: NotRequired[int]
    """The most provisioned concurrency that it can have, which is paid whether requests come or not. Serverless
    endpoints only. Default: 0."""
    other_usd_per_month: NotRequired[float]
    """What else is paid for it each month, in USD, such as storage and alarms. Default: 0."""
    payload_bytes: NotRequired[int]
    """Bytes of a request with its response, which no metric counts. Serverless endpoints only. Default: 5000."""
    variant: NotRequired[str]
    """Variant of the endpoint. Default: `AllTraffic`."""


class GuardedGatewayArgs(TypedDict):
    """A gateway under a guard."""

    function_name: pulumi.Input[str]
    """Name of its function."""
    cap_usd_per_month: float
    """The most that a month of the function may cost, in USD, without what its targets cost."""
    memory_mb: int
    """Memory of the function in MB."""
    concurrency: int
    """Its requests at a time."""
    timeout_seconds: int
    """The longest that a request takes, in seconds."""
    usd_per_request: NotRequired[float]
    """What a request costs besides the function's time, in USD, such as writes and logs. Default: 0."""


class SpendingGuardArgs(TypedDict):
    """The arguments of `SpendingGuard`."""

    region: str
    """AWS region of the endpoints."""
    endpoints: NotRequired[list[GuardedEndpointArgs]]
    """The endpoints, ten at most. Either these or `gateway` is required. Default: none."""
    gateway: NotRequired[GuardedGatewayArgs]
    """The function of a gateway, which is left no requests at a time above its part of the cap, over a window of
    `window_hours`. Default: it is closed by hand only."""
    callers: NotRequired[list[pulumi.Input[str]]]
    """ARNs of the roles that invoke the endpoints: they are denied to invoke one that is closed. Required where an
    endpoint is serverless. Default: none."""
    emails: NotRequired[list[str]]
    """Addresses of those who are told. Either these, ten at most, or `topic_arn` is required."""
    topic_arn: NotRequired[pulumi.Input[str]]
    """ARN of an SNS topic that is told."""
    window_hours: NotRequired[int]
    """Hours of the sliding window in which an endpoint may spend its part of the cap: 1, 2, 3, 4, 6, 8, 12 or 24.
    Default: 24."""
    over: NotRequired[Over]
    """Over what the caps are held: `window`, `month` (what the calendar month has cost, measured every five minutes),
    or `both`. Default: `window`."""
    cap_usd_per_month: NotRequired[float]
    """The most that a month of the whole stack may cost, in USD, which a budget watches. Default: no such budget."""
    budgets: NotRequired[bool]
    """Whether AWS Budgets watch the caps too. They need the cost allocation tags `stack` and `endpoint`, and come hours
    later. Default: true, where the partition has them."""
    anomalies_above_usd: NotRequired[float]
    """USD from which on AWS Cost Anomaly Detection tells of an unusual cost of the stack, hours to a day later. It
    needs the cost allocation tag `stack`. Default: it is not asked."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """ARN of the key of the function's logs. Default: CloudWatch's own."""
    log_retention_days: NotRequired[int]
    """Days for which the function's logs are kept. Default: 30."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
