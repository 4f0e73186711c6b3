"""The rows of an environment's residency report, from its declaration. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from model_packaging.validation import Later
from scaletozero.endpoints.kind import EndpointSettings, Invocation
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.settings import Environment
from scaletozero.residency.report import OPERATOR, Row
from scaletozero.settings.common import RESULT_DAYS

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
