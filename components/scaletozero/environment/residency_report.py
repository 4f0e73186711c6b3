"""The rows of an environment's residency report, from its declaration. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from model_packaging.validation import Later
from scaletozero.endpoints.kind import EndpointSettings, Invocation
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.settings import Environment
from scaletozero.gateway.ledger.accounts import KEPT_SECONDS
from scaletozero.residency.report import OPERATOR, Row
from scaletozero.settings.common import RESULT_DAYS
from scaletozero.settings.gateway import Gateway

ENCRYPTED = "(encrypted in the settings)"

PROMPTS, MEMORY = "prompts and responses", "in memory only"
_HELD = "constructor and closure at preview; the policy pack if it is in use"

_BOUND = "; the permissions boundary of the endpoints' roles"


def rows_of(environment: Environment) -> list[Row]:
    """Where each kind of the environment's data is stored and processed."""
    rows = list(_rows(environment))
    if environment.residency and environment.residency.guard:
        return [replace(row, enforced_by=f"{_HELD}{_BOUND}") if row.enforced_by == _HELD else row for row in rows]
    return rows


def _rows(environment: Environment) -> Iterator[Row]:
    region, store = environment.region, environment.artifacts
    arn = ENCRYPTED if isinstance(store.kms_key_arn, Later) else store.kms_key_arn
    key = f"KMS key {arn}" if arn else "Amazon S3's own (AES-256)"
    bucket = "aws s3api get-bucket-location --bucket BUCKET; aws s3api get-bucket-replication --bucket BUCKET"
    kept = f"while deployed; replaced versions {store.keep_old_versions_days} days"
    yield Row("", "artifacts", region, region, "", OPERATOR, key, kept, _HELD, bucket)
    if arn:
        named = "KEY" if arn is ENCRYPTED else arn
        show = f"aws kms describe-key --key-id {named} --region {region} --query KeyMetadata.MultiRegion"
        yield Row("", "key", region, region, "", OPERATOR, "AWS KMS", "until it is deleted", _HELD, show)
    for name, endpoint in environment.endpoints.items():
        yield from _endpoint(environment, name, endpoint, key)
    if environment.gateway is not None and environment.gateway.deployed:
        yield from _gateway(environment, environment.gateway, arn)


def _gateway(environment: Environment, gateway: Gateway, arn: str | None) -> Iterator[Row]:
    """The data of the function, or of the pods, that the gateway runs as."""
    region, name = environment.region, "gateway"

    def row(data: str, rests_in: str, passes: str, key: str, retention: str, verify: str) -> Row:
        return Row(name, data, rests_in, region, passes, OPERATOR, key, retention, _HELD, verify)

    hosts = {host for _, host in gateway.hosts()}
    models = {
        f"Amazon Bedrock, {each.model} in {f'any Region of {each.profile}' if each.profile else region}"
        for _, each in gateway.bedrocks()
    }
    pods = gateway.cluster is not None
    placed = "kubectl get pods -o wide; kubectl get nodes -L topology.kubernetes.io/region"
    url = f"aws lambda get-function-url-config --region {region} --function-name FUNCTION"
    passes = "; ".join([f"the cluster's pods, {region}" if pods else f"AWS Lambda, {region}", *sorted(hosts | models)])
    yield row(PROMPTS, "", passes, "the cluster's own" if pods else "TLS in transit", MEMORY, placed if pods else url)
    tables = f"KMS key {arn}" if arn else "Amazon DynamoDB's own"
    table = f"aws dynamodb describe-table --region {region} --table-name TABLE"
    records = f"records {KEPT_SECONDS // 86_400} days, balances until a customer is deleted; restorable for 35 days"
    yield row("usage and balances of customers", region, "", tables, records, table)
    if kept := [each.cache.seconds for each in gateway.models.values() if each.cache is not None]:
        yield row("answers that are kept", region, "", tables, f"{max(kept)} seconds; restorable for 35 days", table)
    if kept := [each.bodies for each in gateway.models.values() if each.bodies is not None]:
        what = "prompts and answers that are kept, " + " and ".join(sorted({each.keep for each in kept}))
        days = f"{max(each.days for each in kept)} days; restorable for 35 days"
        yield row(what, region, "", tables, days, table)
    if pods:
        agent = "not enforced: the cluster's log agent decides"
        logs = "as the cluster keeps them"
        yield Row(name, "logs", region, region, "", OPERATOR, "the cluster's own", logs, agent, placed)
        return
    logs = f"aws logs describe-log-groups --region {region} --log-group-name-prefix gateway-logs"
    of_logs = f"KMS key {arn}" if arn else "CloudWatch Logs' own"
    yield row("logs", region, "", of_logs, f"{environment.log_retention_days} days", logs)


def _endpoint(environment: Environment, name: str, endpoint: EndpointSettings, key: str) -> Iterator[Row]:
    region, invocation = environment.region, kind_of(endpoint).invocation

    def row(data: str, rests_in: str, passes: str, key: str, retention: str, verify: str, held: str = _HELD) -> Row:
        return Row(name, data, rests_in, region, passes, OPERATOR, key, retention, held, verify)

    if invocation is Invocation.CLUSTER:
        placed = "kubectl get pods -o wide; kubectl get nodes -L topology.kubernetes.io/region"
        own, agent = "the cluster's own", "not enforced: the cluster's log agent decides"
        passes = [f"the cluster's interceptor, {region}", *kind_of(endpoint).outside_hosts(endpoint)]
        yield row(PROMPTS, "", "; ".join(passes), own, MEMORY, placed)
        yield row("logs", region, "", own, "as the cluster keeps them", placed, agent)
        yield row("metrics", region, "", own, "as Prometheus keeps them", placed)
        return
    runtime = f"SageMaker Runtime, {region}"
    if invocation is Invocation.QUEUE:
        days = environment.artifacts.keep_answers_days or RESULT_DAYS
        config = f"aws sagemaker describe-endpoint-config --region {region} --query AsyncInferenceConfig"
        yield row(PROMPTS, region, runtime, key, f"{days} days", config)
    else:
        capture = f"aws sagemaker describe-endpoint --region {region} --query DataCaptureConfig"
        yield row(PROMPTS, "", runtime, "TLS in transit", MEMORY, capture)
    logs = f"aws logs describe-log-groups --region {region} --log-group-name-prefix /aws/sagemaker/Endpoints/"
    of_logs = key if environment.artifacts.kms_key_arn else "CloudWatch Logs' own"
    yield row("logs", region, "", of_logs, f"{environment.log_retention_days} days", logs)
    metrics = f"aws cloudwatch list-metrics --region {region} --namespace AWS/SageMaker"
    yield row("metrics", region, "", "CloudWatch's own", "15 months", metrics)
