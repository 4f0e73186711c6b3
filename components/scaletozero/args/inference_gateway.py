"""The arguments of `InferenceGateway`."""

from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.cluster import ClusterArgs


class OnCold(StrEnum):
    """What a request gets while an endpoint starts."""

    HOLD = "hold"
    """It waits."""
    FALLBACK = "fallback"
    """The next target is asked."""
    REJECT = "reject"
    """It is told when to come back."""


class LimitField(StrEnum):
    """The field in which an API takes the most tokens of an answer to a chat."""

    MAX_COMPLETION_TOKENS = "max_completion_tokens"
    """As OpenAI has it."""
    MAX_TOKENS = "max_tokens"
    """As it was before, and as most others have it."""


class Protocol(StrEnum):
    """A protocol of conversations."""

    CHAT = "chat"
    """OpenAI's chat completions."""
    MESSAGES = "messages"
    """Anthropic's messages."""
    RESPONSES = "responses"
    """OpenAI's responses."""


class Offer(StrEnum):
    """What an endpoint's engine offers."""

    CHAT = "chat"
    """OpenAI's chat completions."""
    EMBEDDINGS = "embeddings"
    """OpenAI's embeddings."""
    MESSAGES = "messages"
    """Anthropic's messages."""
    RESPONSES = "responses"
    """OpenAI's responses."""


class Geography(StrEnum):
    """What the id of an inference profile of Bedrock begins with."""

    US_GOV = "us-gov"
    """AWS GovCloud (US)."""
    US = "us"
    """Regions of the United States."""
    EU = "eu"
    """Regions of the European Union."""
    APAC = "apac"
    """Regions of Asia and the Pacific."""
    JP = "jp"
    """Regions of Japan."""
    AU = "au"
    """Regions of Australia."""
    CA = "ca"
    """Regions of Canada and others."""
    GLOBAL = "global"
    """Any commercial region."""


class GatewayProviderArgs(TypedDict):
    """A model behind an API that speaks OpenAI's protocol, or Anthropic's."""

    base_url: str
    """Address of the API, to which `/chat/completions`, `/responses` or `/messages` is added."""
    model: str
    """Name of the model there."""
    price: str
    """The model in genai-prices, `provider/model`, such as `openai/gpt-5-mini`."""
    secret: NotRequired[str]
    """Name of the secret in AWS Secrets Manager that holds the API's key, as text. Required here."""
    variable: NotRequired[str]
    """In place of it, a variable where the gateway runs: for a process only, and refused here."""
    limit_field: NotRequired[LimitField]
    """Field in which the API takes the most tokens of an answer to a chat. Default: `max_completion_tokens`."""
    speaks: NotRequired[list[Protocol]]
    """Protocols of conversations that it has. Default: `chat`, of Anthropic's host also `messages`, of OpenAI's hosts
    also `responses`."""
    surcharge_percent: NotRequired[int]
    """Per cent that it takes on top of the price, for where it works on requests. Default: 10 of OpenAI's hosts of a
    region, else 0."""


class GatewayBedrockArgs(TypedDict):
    """A model on Amazon Bedrock, in the gateway's region."""

    model: str
    """Its id, or that of an inference profile of AWS's."""
    profile: NotRequired[Geography]
    """Of an inference profile, the geography in which it may process requests: what its id begins with."""
    price: NotRequired[str]
    """The model in genai-prices. Default: `aws/` and its id."""


class GatewayCanaryArgs(TypedDict):
    """The trial of a target."""

    alarm: str
    """Name of an alarm in CloudWatch that says that the target is bad."""
    since: str
    """When the trial began, such as `2026-12-01T09:00:00Z`."""
    promote_after_hours: int
    """Hours after which the target gets all requests, if the alarm was silent."""


class GatewayTargetArgs(TypedDict):
    """One of the targets of a model."""

    endpoint: NotRequired[str]
    """An endpoint of the gateway."""
    provider: NotRequired[GatewayProviderArgs]
    """An API."""
    bedrock: NotRequired[GatewayBedrockArgs]
    """A model on Bedrock. This, `provider` or `endpoint` is required."""
    speaks: NotRequired[list[Offer]]
    """Of an endpoint on GPUs of a cluster, what its engine offers. Required of it."""
    url: NotRequired[str]
    """Of such an endpoint, where the gateway reaches it. Required of it."""
    secret: NotRequired[str]
    """Name of the secret with the key that `url` asks for. Default: it asks for none."""
    concurrency: NotRequired[int]
    """For a process only, and refused here: each process of a function would count for itself."""
    canary: NotRequired[GatewayCanaryArgs]
    """For a process only, and refused here: a function is frozen when its response has ended."""
    weight: NotRequired[int]
    """Its share of the requests. Default: it is asked when those before it have failed."""
    seconds: NotRequired[int]
    """Seconds in which it has to answer. Default: as long as the model has."""


class GatewayCacheArgs(TypedDict):
    """How answers of a model are kept, to be given again to the same request."""

    seconds: int
    """For how long, in seconds."""
    shared: NotRequired[bool]
    """Whether an answer to one customer is given to others too. Default: false."""
    any_temperature: NotRequired[bool]
    """Whether answers are kept that the model would not give a second time. Default: false."""
    usd_per_hit: NotRequired[float]
    """What a customer pays for such an answer, in USD. Default: 0."""


class GatewayShadowArgs(GatewayTargetArgs):
    """A target that a share of a model's conversations is mirrored to."""

    percent: int
    """The share, in percent."""
    cap_usd_per_day: float
    """The most that the copies of a day, in UTC, may cost, in USD."""


class KeptBodies(StrEnum):
    """How requests and answers are kept."""

    REDACTED = "redacted"
    """Without secrets, addresses of e-mail and numbers of payment cards."""
    FULL = "full"
    """As they were."""


class GatewayBodiesArgs(TypedDict):
    """What is kept of the requests and answers of a model, for people to read."""

    keep: KeptBodies
    """How they are kept."""
    days: NotRequired[int]
    """For how long, in days. Default: 30."""
    patterns: NotRequired[list[str]]
    """Regular expressions of what is taken out as well. Default: none."""


class GatewayModelArgs(TypedDict):
    """What a model's name leads to: an endpoint, a provider, or several of them."""

    endpoint: NotRequired[str]
    """An endpoint of the gateway, whose model answers with embeddings."""
    provider: NotRequired[GatewayProviderArgs]
    """An API."""
    bedrock: NotRequired[GatewayBedrockArgs]
    """A model on Bedrock."""
    targets: NotRequired[list[GatewayTargetArgs]]
    """In place of both, several of them, eight at most."""
    on_cold: NotRequired[OnCold]
    """What a request gets while an endpoint starts; here it waits. Default: `hold`."""
    cold_after_seconds: NotRequired[int]
    """Seconds after which an endpoint without an answer is taken for cold. Default: 2."""
    seconds: NotRequired[int]
    """Seconds in which a request has to be answered, with all tries. Default: 600."""
    retries: NotRequired[int]
    """How often a target that is overloaded or limits requests is asked again. Default: 1."""
    same_vectors: NotRequired[bool]
    """Whether all targets answer with the same vectors. Default: false."""
    default_output_tokens: NotRequired[int]
    """The most tokens of an answer if the request does not say. Default: 1024."""
    max_output_tokens: NotRequired[int]
    """The most tokens that a request may ask for. Default: 4096."""
    cache: NotRequired[GatewayCacheArgs]
    """How answers are kept. Default: none is."""
    shadow: NotRequired[GatewayShadowArgs]
    """For a process only, and refused here: a function is frozen when its response has ended."""
    bodies: NotRequired[GatewayBodiesArgs]
    """What is kept of requests and answers, for people to read. Default: nothing."""


class GatewayCustomerArgs(TypedDict):
    """Who may ask, for what, and how much it may cost."""

    cap_usd_per_month: float
    """The most that a calendar month, in UTC, may cost, in USD."""
    cap_usd_per_day: NotRequired[float]
    """The most that a day, in UTC, may cost, in USD. Default: no cap of a day."""
    models: NotRequired[list[str]]
    """Models that it may ask for. Default: none."""
    endpoints: NotRequired[list[str]]
    """Endpoints that it may invoke as SageMaker has it. Default: none."""
    requests_per_minute: NotRequired[int]
    """For a process only, and refused here: each process of a function would count for itself."""
    concurrency: NotRequired[int]
    """For a process only, and refused here: a process of a function has one request at a time."""
    expires: NotRequired[str]
    """Last day, in UTC, on which its keys are accepted, such as `2027-06-30`. Default: they do not expire."""
    disabled: NotRequired[bool]
    """Whether every request is refused. Default: false."""
    cache: NotRequired[bool]
    """Whether its answers may be kept where a model has a `cache`. Default: true."""
    keys: NotRequired[list[str]]
    """Hashes of its keys, as `scaletozero customers key` prints them. Default: none."""


class GatewayEndpointArgs(TypedDict):
    """An endpoint that a gateway leads to: serverless with `memory_mb`, asynchronous with `instance_type`, on GPUs of a
    cluster with `usd_per_hour`."""

    endpoint_name: pulumi.Input[str]
    """Name of the endpoint."""
    endpoint_arn: NotRequired[pulumi.Input[str]]
    """ARN of the endpoint. Required of one at SageMaker."""
    memory_mb: NotRequired[int]
    """Memory of one container in MB, from which the price of a request follows."""
    instance_type: NotRequired[str]
    """Type of an instance, from which the price of a request follows."""
    requests: NotRequired[pulumi.Input[str]]
    """The s3:// address below which requests are put. Required beside `instance_type`."""
    usd_per_hour: NotRequired[pulumi.Input[float]]
    """Price of a replica in USD per hour, from which the price of a request follows."""
    host: NotRequired[pulumi.Input[str]]
    """Name by which the cluster's interceptor knows it. Required beside `usd_per_hour`."""
    concurrency: NotRequired[int]
    """Requests that an instance or a replica works on at a time, which share its price. Default: 1."""
    start_seconds: NotRequired[pulumi.Input[int]]
    """What its start takes, in seconds. Default: not known."""
    artifact_digest: NotRequired[pulumi.Input[str]]
    """Digest of the artifact that it serves, which answers are kept under. Required where a model with a `cache` leads
    to it."""


class GatewayApiArgs(TypedDict):
    """A Regional REST API before a gateway's function, whose responses stream."""

    domain: NotRequired[str]
    """Its name, such as `models.example.com`; the address that AWS gives is switched off with it. Default: that one."""
    certificate_arn: NotRequired[pulumi.Input[str]]
    """ARN of the certificate of `domain`, in the gateway's region. Required with it, and only then."""
    requests_per_second: NotRequired[int]
    """Requests a second above which it refuses those of all callers together. Default: 50."""
    burst: NotRequired[int]
    """How many it takes at once above that. Default: 100."""
    access_logs: NotRequired[bool]
    """Whether each request is a line of a log of its own. The account has to let API Gateway write logs. Default:
    false."""
    web_acl_arn: NotRequired[pulumi.Input[str]]
    """ARN of a regional web ACL of AWS WAF. Default: none."""


class LedgerFailure(StrEnum):
    """What a gateway does while its ledger does not answer."""

    OPEN = "open"
    """It admits requests without it, within bounds."""


class LedgerDownArgs(TypedDict):
    """What each pod of a gateway admits while the ledger does not answer."""

    fail: LedgerFailure
    """That requests are admitted without it."""
    usd: float
    """The most that a pod admits so in any 24 hours, in USD: so much can a month cost more than the caps."""
    seconds: int
    """For how many seconds it does so, from the first request that the ledger did not answer."""


class GatewayPodsArgs(TypedDict):
    """The pods of a cluster that a gateway runs as."""

    cluster: ClusterArgs
    """The cluster, in the gateway's region."""
    namespace: str
    """The namespace of its objects, which must exist. `ClusterPrerequisites` creates namespaces."""
    image: str
    """The image with the program, with its registry, pinned by a digest or an exact tag."""
    replicas: NotRequired[int]
    """How many pods run at all times. Default: 2."""
    callers: NotRequired[list[str]]
    """Namespaces whose pods may call it. Default: its own."""
    https_cidrs: NotRequired[list[str]]
    """Networks that the pods may send HTTPS requests to, in CIDR notation. Required where nothing enforces names of
    hosts, as EKS Auto Mode and Cilium do."""
    cpu_millis: NotRequired[int]
    """Thousandths of a processor that each pod requests. Default: 500."""
    memory_mib: NotRequired[int]
    """Memory in MiB that each pod requests, and its limit. Default: 512."""
    ledger_down: NotRequired[LedgerDownArgs]
    """What each pod admits while the ledger does not answer. Default: nothing."""


class InferenceGatewayArgs(TypedDict):
    """The arguments of `InferenceGateway`."""

    region: str
    """AWS region of everything in it."""
    models: NotRequired[dict[str, GatewayModelArgs]]
    """Name that clients ask for -> what it leads to. Default: none."""
    customers: NotRequired[dict[str, GatewayCustomerArgs]]
    """Name -> caps, limits and keys. Default: none, so that nobody is let in."""
    endpoints: NotRequired[dict[str, GatewayEndpointArgs]]
    """Name that models and customers lead to -> an endpoint. Default: none."""
    concurrency: NotRequired[int]
    """Requests at a time, which are reserved of the account's concurrency; 0 closes the gateway. Default: 10."""
    memory_mb: NotRequired[int]
    """Memory of the function in MB, with which its share of a processor grows. Default: 1024."""
    package: NotRequired[str]
    """Path of the zip file of its code. Default: one that is made from what is installed here."""
    adapter_layer_arn: NotRequired[str]
    """ARN of the layer with the Lambda Web Adapter. Default: the one that its authors publish in the region."""
    api: NotRequired[GatewayApiArgs]
    """API through which it is reached. Default: it is reached by a URL of the function."""
    pods: NotRequired[GatewayPodsArgs]
    """Pods that it runs as, in place of a function; its options must then have a Kubernetes provider. Default: it runs
    as a function."""
    topic_arn: NotRequired[pulumi.Input[str]]
    """ARN of an SNS topic that is told of its alarms. Default: none."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """ARN of the key of its tables, its logs and its providers' secrets. Default: the services' own."""
    residency: NotRequired[list[str]]
    """Regions that it, and the hosts of its providers, may be in. Default: any region."""
    approved_hosts: NotRequired[list[str]]
    """Hosts of providers that `residency` does not refuse: their location is known to be within it, or an exception was
    approved. Default: none."""
    log_retention_days: NotRequired[int]
    """Days for which its logs are kept. Default: 30."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
