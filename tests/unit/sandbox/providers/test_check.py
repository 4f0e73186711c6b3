"""What the provider or AWS would refuse is refused before anything is made, and named as it was written."""

import json
from typing import Any

import pytest

from scaletozero.sandbox.providers.check import Settings, check, operation, shape_at
from scaletozero.sandbox.providers.resources import TABLE
from scaletozero.sandbox.providers.shapes import bind
from scaletozero.sandbox.providers.values import UNKNOWN, Secret

REGION = "eu-central-1"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/serve@sha256:{'0' * 64}"
ROLE = "arn:aws:iam::123456789012:role/serve"


def row(kind: str) -> Any:
    return next(row for name, row in TABLE.items() if name.endswith(f":{kind}"))


def failures(kind: str, inputs: dict[str, Any], olds: dict[str, Any] | None = None) -> dict[str, str]:
    settings = Settings(region=REGION)
    found = check(row(kind), inputs, olds or {}, logical="logical", seed=b"seed", settings=settings)[1]
    reasons: dict[str, str] = {}
    for failure in found:
        reasons[failure.path] = f"{reasons.get(failure.path, '')}; {failure.reason}"
    return reasons


def serverless(memory: Any = 1024, most: Any = 5, **more: Any) -> dict[str, Any]:
    return {
        "variantName": "main",
        "modelName": "m",
        "serverlessConfig": {"memorySizeInMb": memory, "maxConcurrency": most} | more,
    }


def model(**container: Any) -> dict[str, Any]:
    whole = {"image": IMAGE, "modelDataUrl": "s3://models/a.tar.gz"} | container
    return {
        "executionRoleArn": ROLE,
        "primaryContainer": {key: value for key, value in whole.items() if value is not None},
    }


SIZE = "productionVariants[0].serverlessConfig"


def config(*variants: Any, **more: Any) -> dict[str, Any]:
    return {"productionVariants": list(variants)} | more


def policy(**statement: Any) -> str:
    whole = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | statement
    return json.dumps({"Version": "2012-10-17", "Statement": [{k: v for k, v in whole.items() if v is not None}]})


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("EndpointConfiguration", config(serverless(1024, 1))),
        ("EndpointConfiguration", config(serverless(6144, 200, provisionedConcurrency=200))),
        ("EndpointConfiguration", config(serverless(UNKNOWN, UNKNOWN))),
        ("EndpointConfiguration", config(serverless("2048", "5"))),
        ("EndpointConfiguration", config(UNKNOWN)),
        ("EndpointConfiguration", {"productionVariants": UNKNOWN}),
        ("Model", model()),
        ("Model", model(modelDataUrl=UNKNOWN, image=UNKNOWN)),
        ("Model", model(image="private.example.com/serve:1", imageConfig={"repositoryAccessMode": "Vpc"})),
        ("Bucket", {"bucket": "a.b-c9"}),
        ("LogGroup", {"retentionInDays": 3653}),
        ("RolePolicy", {"role": "r", "policy": UNKNOWN}),
        ("Topic", {"tags": {"k": UNKNOWN}}),
    ],
)
def test_what_is_right_passes(kind: str, inputs: dict[str, Any]) -> None:
    assert failures(kind, inputs) == {}


@pytest.mark.parametrize(
    ("kind", "inputs", "path", "reason"),
    [
        (
            "EndpointConfiguration",
            config(serverless(1023)),
            f"{SIZE}.memorySizeInMb",
            "between 1024 and 6144",
        ),
        ("EndpointConfiguration", config(serverless(6145)), f"{SIZE}.memorySizeInMb", "must be one of 1024, 2048"),
        ("EndpointConfiguration", config(serverless(1500)), f"{SIZE}.memorySizeInMb", "must be one of 1024, 2048"),
        ("EndpointConfiguration", config(serverless(1024.5)), f"{SIZE}.memorySizeInMb", "must be a whole number"),
        ("EndpointConfiguration", config(serverless(True)), f"{SIZE}.memorySizeInMb", "must be a whole number"),
        ("EndpointConfiguration", config(serverless(1024, 0)), f"{SIZE}.maxConcurrency", "between 1 and 200, got 0"),
        (
            "EndpointConfiguration",
            config(serverless(1024, 201)),
            f"{SIZE}.maxConcurrency",
            "between 1 and 200",
        ),
        (
            "EndpointConfiguration",
            config(serverless(1024, 5, provisionedConcurrency=6)),
            f"{SIZE}.provisionedConcurrency",
            "must be at most maxConcurrency (5), got 6",
        ),
        (
            "EndpointConfiguration",
            config(serverless(provisionedConcurrency=0)),
            f"{SIZE}.provisionedConcurrency",
            "between 1 and 200",
        ),
        (
            "EndpointConfiguration",
            config({"variantName": "m", "modelName": "m", "serverlessConfig": {"maxConcurrency": 1}}),
            f"{SIZE}.memorySizeInMb",
            "is required",
        ),
        (
            "EndpointConfiguration",
            config(serverless(memory_mb=3)),
            f"{SIZE}.memory_mb",
            "`memorySizeInMb`?",
        ),
        ("EndpointConfiguration", {}, "productionVariants", "is required"),
        ("EndpointConfiguration", config(serverless(), serverless()), "productionVariants[0]", "exactly one"),
        (
            "EndpointConfiguration",
            config(serverless() | {"instanceType": "ml.m5.large"}),
            "productionVariants[0].instanceType",
            "must not be given together with `serverlessConfig`",
        ),
        (
            "EndpointConfiguration",
            config({"variantName": "m", "modelName": "m"}),
            "productionVariants[0].instanceType",
            "is required for a variant without",
        ),
        (
            "EndpointConfiguration",
            config({"variantName": "m", "modelName": "m", "instanceType": "ml.g5.huge", "initialInstanceCount": 1}),
            "productionVariants[0].instanceType",
            "is not a value the service knows",
        ),
        (
            "EndpointConfiguration",
            config(serverless(), asyncInferenceConfig={"outputConfig": {"s3OutputPath": "s3://b/o"}}),
            "asyncInferenceConfig",
            "not supported by serverless",
        ),
        ("EndpointConfiguration", config(serverless(), name="-a"), "name", "must match"),
        ("EndpointConfiguration", config(serverless(), name="a" * 64), "name", "between 0 and 63 characters, got 64"),
        ("Model", model(image="python:3.12"), "primaryContainer.image", "must be an image in ECR"),
        (
            "Model",
            model(image=IMAGE.replace(REGION, "us-east-1")),
            "primaryContainer.image",
            "must be in the model's region eu-central-1, got one in us-east-1",
        ),
        ("Model", model(image=None), "primaryContainer.image", "is required unless"),
        ("Model", model(modelDataUrl="https://b/k"), "primaryContainer.modelDataUrl", "must be s3://bucket/key"),
        ("Model", model(modelDataUrl="s3://bucket"), "primaryContainer.modelDataUrl", "must be s3://bucket/key"),
        ("Model", model(environment={"1A": "x"}), "primaryContainer.environment.1A", "key must match"),
        ("Model", {"executionRoleArn": ROLE}, "primaryContainer", "exactly one of `primaryContainer`, `containers`"),
        ("Model", model() | {"executionRoleArn": "serve"}, "executionRoleArn", "must match"),
        ("Bucket", {"bucket": "A"}, "bucket", "3-63 lowercase"),
        ("Bucket", {"bucket": "192.168.0.1"}, "bucket", "must not look like an IP address"),
        ("Bucket", {"bucket": "a..b"}, "bucket", "two dots in a row"),
        ("Bucket", {"bucket": "xn--abc"}, "bucket", "what AWS keeps for itself"),
        ("Bucket", {"buckett": "abc"}, "buckett", "did you mean `bucket`?"),
        ("Bucket", {"acl": "private"}, "acl", "declare an aws.s3.BucketAcl"),
        ("Bucket", {"forceDestroy": "yes"}, "forceDestroy", "must be a bool, got 'yes'"),
        ("Bucket", {"tags": {"aws:x": "y"}}, "tags.aws:x", "not begin with aws:"),
        ("Bucket", {"tags": {str(n): "" for n in range(51)}}, "tags", "at most 50 entries, got 51"),
        ("Bucket", {"region": "eu-central-9"}, "region", "did you mean `eu-central-"),
        ("BucketVersioning", {"bucket": "b"}, "versioningConfiguration", "is required"),
        (
            "BucketVersioning",
            {"bucket": "b", "versioningConfiguration": {"status": "On"}},
            "versioningConfiguration.status",
            "must be one of Enabled, Suspended, got 'On'",
        ),
        (
            "BucketLifecycleConfiguration",
            {"bucket": "b", "rules": [{"id": "r", "status": "Enabled"}]},
            "rules[0]",
            "must have at least one of",
        ),
        (
            "BucketObjectv2",
            {"bucket": "b", "key": "k", "content": "a", "contentBase64": "YQ=="},
            "contentBase64",
            "only one of",
        ),
        ("LogGroup", {"retentionInDays": 2}, "retentionInDays", "must be one of 0, 1, 3, 5"),
        ("Role", {"assumeRolePolicy": "{"}, "assumeRolePolicy", "must be a JSON document"),
        ("Role", {"assumeRolePolicy": policy()}, "assumeRolePolicy", "must not name a Resource"),
        ("Role", {"assumeRolePolicy": policy(Resource=None)}, "assumeRolePolicy", "must name a Principal"),
        ("RolePolicy", {"role": "r", "policy": policy(Resource=None)}, "policy", "must name a Resource"),
        ("RolePolicy", {"role": "r", "policy": policy(Effect="Maybe")}, "policy", "Effect must be Allow or Deny"),
        ("RolePolicy", {"role": "r", "policy": policy(Action="GetObject")}, "policy", "Action must be service:Name"),
        ("RolePolicy", {"role": "r", "policy": policy(Resource="bucket")}, "policy", "Resource must be * or an ARN"),
        ("RolePolicy", {"role": "r", "policy": policy(Resources="*")}, "policy", "does not know: Resources"),
        ("RolePolicy", {"role": "r", "policy": "{}"}, "policy", "must have a Statement"),
    ],
)
def test_what_is_wrong_is_named(kind: str, inputs: dict[str, Any], path: str, reason: str) -> None:
    found = failures(kind, inputs)
    assert path in found
    assert reason in found[path]


def test_everything_wrong_is_reported_at_once() -> None:
    found = failures("EndpointConfiguration", config(serverless(1500, 500), name="-", colour="red"))
    assert set(found) == {f"{SIZE}.memorySizeInMb", f"{SIZE}.maxConcurrency", "name", "colour"}


def test_a_secret_is_never_shown() -> None:
    found = failures("Model", model() | {"executionRoleArn": Secret("swordfish")})
    assert set(found) == {"executionRoleArn"}
    assert found["executionRoleArn"].endswith("is a secret that breaks a rule of the service")
    assert "swordfish" not in found["executionRoleArn"]


def test_no_region_is_a_failure_and_never_a_guess() -> None:
    found = check(row("LogGroup"), {}, {}, logical="l", seed=b"", settings=Settings())[1]
    assert [failure.path for failure in found] == ["region"]


NAMES = [
    ("Bucket", "Store", "bucket", "store-"),
    ("Role", "serve", "name", "serve-"),
    ("Repository", "Serve", "name", "serve-"),
    ("Alias", "key", "name", "alias/key-"),
]


@pytest.mark.parametrize(("kind", "logical", "prop", "begins"), NAMES)
def test_a_name_is_made_up_as_the_bridge_does_and_kept(kind: str, logical: str, prop: str, begins: str) -> None:
    settings = Settings(region=REGION)
    first = check(row(kind), {}, {}, logical=logical, seed=b"one", settings=settings)[0]
    assert first[prop].startswith(begins)
    assert len(first[prop]) == len(begins) + 7
    assert first["__defaults"] == [prop]
    again = check(row(kind), {}, first, logical=logical, seed=b"two", settings=settings)[0]
    assert again[prop] == first[prop]
    replacement = check(row(kind), {}, {}, logical=logical, seed=b"two", settings=settings)[0]
    assert replacement[prop] != first[prop]
    given = check(row(kind), {prop: "alias/mine"}, first, logical=logical, seed=b"two", settings=settings)[0]
    assert given[prop] == "alias/mine"
    assert "__defaults" not in given


@pytest.mark.parametrize(
    ("kind", "limit", "prop"), [("Bucket", 63, "bucket"), ("Role", 64, "name"), ("Endpoint", 63, "name")]
)
def test_a_logical_name_that_leaves_no_room(kind: str, limit: int, prop: str) -> None:
    def reasons(length: int) -> list[str]:
        settings = Settings(region=REGION)
        found = check(row(kind), {}, {}, logical="x" * length, seed=b"s", settings=settings)[1]
        return [failure.reason for failure in found if failure.path == prop]

    assert reasons(limit - 8) == []
    assert f"plus 7 random chars is longer than maximum length {limit}" in reasons(limit - 7)[0]


def test_tags_and_default_tags_and_ignored_ones() -> None:
    settings = Settings(REGION, {"owner": "me", "team": "none"}, (frozenset({"skip"}), ("tmp:",)))
    tags = {"team": "search", "skip": "1", "tmp:a": "2"}
    inputs = check(row("Bucket"), {"tags": tags}, {}, logical="l", seed=b"", settings=settings)[0]
    assert inputs["tagsAll"] == {"owner": "me", "team": "search"}
    unknown = check(row("Bucket"), {"tags": {"a": UNKNOWN}}, {}, logical="l", seed=b"", settings=settings)[0]
    assert unknown["tagsAll"] is UNKNOWN


def test_terraforms_block_lists_and_the_apis_structures_meet() -> None:
    shape = shape_at(operation("sagemaker", "create_model").input_shape, "PrimaryContainer")
    source = {"s3DataSources": [{"s3Uri": "s3://b/k", "s3DataType": "S3Object", "compressionType": "Gzip"}]}
    bound, found = bind(shape, {"image": "i", "modelDataSource": source}, "c", {"s3DataSources": "S3DataSource"})
    assert found == []
    assert bound["ModelDataSource"]["S3DataSource"]["S3Uri"] == "s3://b/k"
    source["s3DataSources"] *= 2
    found = bind(shape, {"image": "i", "modelDataSource": source}, "c", {"s3DataSources": "S3DataSource"})[1]
    assert [(f.path, f.reason) for f in found] == [
        ("c.modelDataSource.s3DataSources", "must have exactly one element, got 2")
    ]
