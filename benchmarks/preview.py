"""Measures the cost of the components at preview, against a program that registers the same resources by hand.

Both run on the real engine against the same embedded AWS, alternately, several times; the result is the ratio of the
medians.

    python benchmarks/preview.py [--sizes 1 10 100 300] [--rounds 3] [--estimate]

With `--estimate` it compares the preview of an environment with and without its estimate instead: the stack's output,
and the table that the command prints.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pulumi
import pulumi_aws as aws
from pulumi import automation as auto

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from small_artifact import small_artifact

from model_packaging import Artifact
from model_packaging.validation import parse
from scaletozero.cli.estimate_table import estimate_table
from scaletozero.endpoints.artifact_store import tls_only_policy
from scaletozero.endpoints.model import role_policy
from scaletozero.engine.find import find_engine
from scaletozero.environment import declare
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment
from scaletozero.sandbox import daemon
from scaletozero.sandbox.environment import sandbox_environment
from scaletozero.sandbox.providers.install import install_plugins
from scaletozero.spending.prices import prices
from scaletozero.spending.traffic import Assumptions

REGION = "us-east-1"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"
OWN_TAGS = {"managed-by": "scaletozero", "stack": "bench/bench"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}


def with_components(artifacts: list[Artifact], count: int) -> Callable[[], None]:
    """The environment as a user would declare it, each endpoint with its own model."""
    endpoints = {f"e{i}": {"artifact": str(artifacts[i].path), "image": IMAGE} for i in range(count)}
    quotas = {"serverless_endpoints": count, "concurrency": 10 * count}
    data = {"region": REGION, "endpoints": endpoints, "quotas": quotas}
    return lambda: declare_environment(parse(Environment, data), Path("/"))


def with_estimate(artifacts: list[Artifact], count: int, *, wanted: bool) -> Callable[[], None]:
    """The environment with its packaged models open, as the command declares it, with or without its estimate."""
    endpoints = {f"e{i}": {"artifact": str(artifacts[i].path), "image": IMAGE} for i in range(count)}
    quotas = {"serverless_endpoints": count, "concurrency": 10 * count}
    environment = read_environment({"region": REGION, "endpoints": endpoints, "quotas": quotas}, Path("/"))

    def program() -> None:
        if wanted:
            estimate_table(estimate_environment(environment, Assumptions(), prices()))
            declare_environment(environment, Path("/"))
            return
        nothing = SimpleNamespace(summary=dict)
        with mock.patch.object(declare, "estimate_environment", return_value=nothing):
            declare_environment(environment, Path("/"))

    return program


def by_hand(artifacts: list[Artifact], count: int) -> Callable[[], None]:
    """The same resources with the same inputs, registered one by one: without components and checks."""

    def program() -> None:
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region=REGION))
        bucket = _bucket_by_hand(opts)
        for i in range(count):
            _endpoint_by_hand(f"e{i}", bucket, artifacts[i], opts)

    return program


def _bucket_by_hand(opts: pulumi.ResourceOptions) -> aws.s3.Bucket:
    bucket = aws.s3.Bucket("artifacts", region=REGION, tags=OWN_TAGS, opts=opts)
    name = bucket.bucket
    aws.s3.BucketPublicAccessBlock(
        "private",
        region=REGION,
        bucket=name,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketOwnershipControls(
        "ownership", region=REGION, bucket=name, rule={"object_ownership": "BucketOwnerEnforced"}, opts=opts
    )
    aws.s3.BucketVersioning(
        "versioning", region=REGION, bucket=name, versioning_configuration={"status": "Enabled"}, opts=opts
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        "encryption",
        region=REGION,
        bucket=name,
        rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        opts=opts,
    )
    aws.s3.BucketLifecycleConfiguration(
        "lifecycle",
        region=REGION,
        bucket=name,
        rules=[
            {
                "id": "old",
                "status": "Enabled",
                "filter": {"prefix": "models/"},
                "noncurrent_version_expiration": {"noncurrent_days": 30},
            }
        ],
        opts=opts,
    )
    policy = bucket.arn.apply(tls_only_policy)
    aws.s3.BucketPolicy("policy", region=REGION, bucket=name, policy=policy, opts=opts)
    return bucket


def _endpoint_by_hand(name: str, bucket: aws.s3.Bucket, artifact: Artifact, opts: pulumi.ResourceOptions) -> None:
    archive = aws.s3.BucketObjectv2(
        f"{name}-artifact",
        region=REGION,
        bucket=bucket.bucket,
        key=f"models/{name}/{artifact.digest}/model.tar.gz",
        source=pulumi.FileAsset(str(artifact.archive)),
        checksum_algorithm="SHA256",
        content_type="application/gzip",
        tags=OWN_TAGS,
        override_provider={"default_tags": {"tags": {}}},
        opts=opts,
    )
    tags = {**OWN_TAGS, "endpoint": name}
    log_group = f"/aws/sagemaker/Endpoints/{name}"
    logs = aws.cloudwatch.LogGroup(
        f"{name}-logs", region=REGION, name=log_group, retention_in_days=30, tags=tags, opts=opts
    )
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    about = f"What the containers of the endpoint {name} may do"
    role = aws.iam.Role(f"{name}-role", description=about, assume_role_policy=trust, tags=tags, opts=opts)
    url = pulumi.Output.format("s3://{0}/{1}", archive.bucket, archive.key)
    allowed = pulumi.Output.all(archive.bucket, archive.key, logs.arn).apply(
        lambda known: role_policy(REGION, IMAGE, *known, kms_key_arn=None)
    )
    permissions = aws.iam.RolePolicy(f"{name}-permissions", role=role.name, policy=allowed, opts=opts)
    model = aws.sagemaker.Model(
        f"{name}-model",
        region=REGION,
        execution_role_arn=role.arn,
        primary_container={"image": IMAGE, "model_data_url": url},
        tags=tags,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[permissions])),
    )
    configuration = aws.sagemaker.EndpointConfiguration(
        f"{name}-configuration",
        region=REGION,
        production_variants=[
            {
                "variant_name": "AllTraffic",
                "model_name": model.name,
                "serverless_config": {"memory_size_in_mb": 1024, "max_concurrency": 10},
            }
        ],
        tags=tags,
        opts=opts,
    )
    aws.sagemaker.Endpoint(
        name,
        region=REGION,
        name=name,
        endpoint_config_name=configuration.name,
        tags=tags,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[logs])),
    )


def preview_seconds(stack: auto.Stack, program: Callable[[], None]) -> float:
    """One preview, from the call to its end."""
    stack.workspace.program = program
    began = time.perf_counter()
    stack.preview()
    return time.perf_counter() - began


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 300])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--estimate", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        artifacts = [small_artifact(folder, f"m{i}", f"model {i}".encode()) for i in range(max(chosen.sizes))]
        sandbox = daemon.ensure_running(folder / "state", aws_port=0, runtime_port=0, idle_seconds=60)
        try:
            _table(folder, artifacts, sandbox, chosen)
        finally:
            daemon.stop(folder / "state")


def _table(folder: Path, artifacts: list[Artifact], sandbox: daemon.Sandbox, chosen: argparse.Namespace) -> None:
    (folder / "backend").mkdir()
    install_plugins(folder / "home")
    stack = auto.create_or_select_stack(
        "bench",
        project_name="bench",
        program=lambda: None,
        opts=auto.LocalWorkspaceOptions(
            work_dir=temporary_project(folder),
            pulumi_home=str(folder / "home"),
            pulumi_command=find_engine(lambda line: print(line, file=sys.stderr)),
            env_vars=sandbox_environment(folder / "backend", sandbox, folder / "manifests"),
        ),
    )
    columns = ("with the estimate", "without it") if chosen.estimate else ("with components", "by hand")
    print(f"| endpoints | resources | {columns[0]} | {columns[1]} | ratio | ms an endpoint |")
    print("|---:|---:|---:|---:|---:|---:|")
    for size in chosen.sizes:
        if chosen.estimate:
            programs = [with_estimate(artifacts, size, wanted=wanted) for wanted in (True, False)]
        else:
            programs = [with_components(artifacts, size), by_hand(artifacts, size)]
        times = [[preview_seconds(stack, program) for program in programs] for _ in range(chosen.rounds)]
        ours, bare = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(pair[0] / pair[1] for pair in times)
        resources = 10 + 8 * size  # the stack, the provider, the store with its seven; a component with seven each
        row = (size, resources, f"{ours:.2f} s", f"{bare:.2f} s", f"{ratio:.2f}", f"{1000 * ours / size:.0f}")
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def temporary_project(folder: Path) -> str:
    """A folder for the engine's own files."""
    (folder / "work").mkdir()
    return str(folder / "work")


if __name__ == "__main__":
    main()
