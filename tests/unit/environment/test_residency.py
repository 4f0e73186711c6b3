"""An environment held to its residency, with every kind of endpoint."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment
from scaletozero.environment.residency import residency_findings
from scaletozero.environment.residency_report import rows_of
from scaletozero.environment.settings import Environment
from scaletozero.partitions import arn, dns_suffix, registry_host
from scaletozero.residency.closure import findings
from scaletozero.residency.guard import boundary
from scaletozero.residency.resource import DeclaredResource
from scaletozero.settings.asynchronous import AsyncEndpointSettings
from scaletozero.settings.common import ArtifactStoreSettings
from scaletozero.settings.residency import Residency
from scaletozero.settings.serverless import ServerlessEndpointSettings

HERE, THERE, ACCOUNT = "eu-central-1", "us-east-1", "111122223333"
TODAY = date(2026, 11, 28)
EXPIRED = {"allow": "x", "reason": "r", "approver": "a", "expires": "2026-11-27"}


def image(region: str) -> str:
    return f"{registry_host(ACCOUNT, region)}/serving:1"


def serverless(**more: Any) -> dict[str, Any]:
    return {"artifact": "a", "image": image(HERE), **more}


def gpu(**more: Any) -> dict[str, Any]:
    return {"kind": "gpu", "artifact": "a", "image": image(HERE), **more}


CLUSTER = {"namespace": "models", "cluster": {"name": "c", "version": "1.34"}}


def environment(**more: Any) -> Environment:
    given: dict[str, Any] = {"region": HERE, "residency": {"regions": [HERE]}, "endpoints": {"one": serverless()}}
    return parse(Environment, {k: v for k, v in {**given, **more}.items() if k != "region" or v}, "environment")


def refused(**more: Any) -> str:
    with pytest.raises(FindingsError) as caught:
        environment(**more)
    return str(caught.value)


def test_a_clean_environment_has_none() -> None:
    assert residency_findings(environment(), TODAY) == []
    assert residency_findings(environment(residency={"geography": "eu"}), TODAY) == []
    assert residency_findings(parse(Environment, {"region": HERE, "endpoints": {}}, "environment"), TODAY) == []


@pytest.mark.parametrize(
    "more, path, said",
    [
        ({"residency": {"regions": ["eu-west-1"]}}, "environment.region", "must be within the residency, eu-west-1"),
        ({"residency": None}, "environment.residency", "must not be empty"),
        ({"residency": {}}, "environment.residency.regions", "is required, or a geography"),
        (
            {"region": "eu-south-1", "residency": {"geography": "eu"}, "endpoints": {}},
            "environment.region",
            "has enabled",
        ),
        ({"residency": {"geography": "europa"}}, "environment.residency.geography", "must be one of eu, uk"),
        ({"residency": {"geography": "eu", "pinned": [HERE]}}, "environment.residency.pinned", "changed since"),
        ({"region": None}, "environment.region", "is required"),
        ({"region": "eu-centrl-1"}, "environment.region", "write `eu-central-1`"),
        (
            {"artifacts": {"kms_key_arn": f"arn:aws-cn:kms:{HERE}:{ACCOUNT}:key/k"}},
            "environment.artifacts.kms_key_arn",
            f"begins with `arn:aws:kms:{HERE}:`",
        ),
        (
            {"endpoints": {"one": serverless(alarms={"notify": [f"arn:aws-cn:sns:{HERE}:{ACCOUNT}:t"]})}},
            "environment.endpoints.one.alarms.notify.0",
            f"begins with `arn:aws:sns:{HERE}:`",
        ),
        (
            {"endpoints": {"one": serverless(kind="asynchronous", instance_type="ml.p5.48xlarge")}},
            "environment.endpoints.one.instance_type",
            "offered",
        ),
        (
            {"residency": {"regions": [HERE], "exceptions": [{k: v for k, v in EXPIRED.items() if k != "reason"}]}},
            "environment.residency.exceptions.0.reason",
            "is required",
        ),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_declared(more: dict[str, Any], path: str, said: str) -> None:
    text = refused(**more)
    assert path in text
    assert said in text


def test_an_expired_exception_is_a_finding() -> None:
    (found,) = residency_findings(environment(residency={"regions": [HERE], "exceptions": [EXPIRED]}), TODAY)
    assert found.path == "environment.residency.exceptions.0.expires"


@pytest.mark.parametrize(
    "endpoint, path",
    [
        (gpu(image=image(THERE)), "environment.endpoints.one.image"),
        (gpu(image="docker.io/vllm/vllm-openai:v0.11.0"), "environment.endpoints.one.image"),
        (
            gpu(serving={"environment": {"F": "https://api.openai.com/v1"}}),
            "environment.endpoints.one.serving.environment.F",
        ),
        (gpu(serving={"arguments": ["--model=s3://elsewhere/m"]}), "environment.endpoints.one.serving.arguments.0"),
        (gpu(egress=[f"sts.{HERE}.{dns_suffix(HERE)}", "api.openai.com"]), "environment.endpoints.one.egress.1"),
        (gpu(egress=[f"*.s3.{THERE}.{dns_suffix(THERE)}"]), "environment.endpoints.one.egress.0"),
        *(
            (gpu(serving={"environment": {"MODEL": model}}), "environment.endpoints.one.serving.environment.MODEL")
            for model in ("eu.amazon.nova-pro-v1:0", "global.anthropic.claude-sonnet-4-5-20250929-v1:0")
        ),
    ],
)
def test_a_gpu_endpoint_that_leads_out_is_found_where_it_was_written(endpoint: dict[str, Any], path: str) -> None:
    found = residency_findings(environment(kubernetes=CLUSTER, endpoints={"one": endpoint}), TODAY)
    assert [each.path for each in found] == [path]


def test_the_report_names_the_hosts_that_pods_may_call() -> None:
    hosts = ["eu.api.openai.com", "*.example.com"]
    rows = rows_of(environment(kubernetes=CLUSTER, endpoints={"one": gpu(egress=hosts), "two": gpu()}))
    passes = {row.endpoint: row.passes for row in rows if row.data == "prompts and responses"}
    assert passes["one"] == f"{passes['two']}; eu.api.openai.com; *.example.com"


def test_the_report_has_what_a_gateways_function_keeps_and_sends() -> None:
    provider = {"base_url": "https://eu.api.openai.com/v1", "model": "m", "price": "openai/gpt-5-mini", "secret": "s"}
    found = environment(
        artifacts={"kms_key_arn": arn("kms", HERE, ACCOUNT, "key/1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9")},
        gateway={
            "function": {},
            "models": {"chat": {"provider": provider, "cache": {"seconds": 60}, "bodies": {"keep": "full"}}},
            "customers": {"acme": {"cap_usd_per_month": 5, "models": ["chat"]}},
        },
    )
    rows = {row.data: row for row in rows_of(found) if row.endpoint == "gateway"}
    bodies = "prompts and answers that are kept, full"
    own = ["prompts and responses", "usage and balances of customers", "answers that are kept", bodies, "logs"]
    assert [*rows] == own
    assert (rows[bodies].rests_in, rows[bodies].retention) == (HERE, "30 days; restorable for 35 days")
    assert rows["prompts and responses"].passes == f"AWS Lambda, {HERE}; eu.api.openai.com"
    assert rows["prompts and responses"].rests_in == ""
    kept = rows["usage and balances of customers"]
    assert (kept.rests_in, kept.key[:8], kept.retention.partition(",")[0]) == (HERE, "KMS key ", "records 400 days")
    assert rows["answers that are kept"].retention == "60 seconds; restorable for 35 days"
    assert rows["logs"].retention == "30 days"
    assert not [row for row in rows_of(environment()) if row.endpoint == "gateway"]


def test_an_image_or_a_topic_of_another_region_is_refused_whatever_the_residency() -> None:
    text = refused(
        endpoints={"one": serverless(image=image(THERE), alarms={"notify": [arn("sns", THERE, ACCOUNT, "t")]})}
    )
    assert "environment.endpoints.one.image" in text
    assert "environment.endpoints.one.alarms.notify.0" in text


def test_constructors_refuse_a_region_outside() -> None:
    one = {"artifact": "a", "image": image(HERE), "bucket": "b", "region": HERE, "residency": ["eu-west-1"]}
    cases: list[tuple[Any, dict[str, Any]]] = [
        (ServerlessEndpointSettings, one),
        (AsyncEndpointSettings, {**one, "instance_type": "ml.g5.xlarge"}),
        (ArtifactStoreSettings, {"region": HERE, "residency": ["eu-west-1"]}),
    ]
    for model, data in cases:
        with pytest.raises(
            FindingsError, match=r"one\.region: must be within the residency, eu-west-1, got eu-central-1"
        ):
            parse(model, data, "one")
        parse(model, {**data, "residency": [HERE]}, "one")


def test_what_a_sandbox_is_told_to_run_is_held_to_it_too() -> None:
    assert residency_findings(environment(sandbox={}), TODAY) == []


def test_what_the_components_declare_stays_inside(make_artifact: Any, run: Any) -> None:
    path = str(make_artifact().path)
    data = {
        "region": HERE,
        "residency": {"regions": [HERE]},
        "endpoints": {
            "cpu": {"artifact": path, "image": image(HERE), "alarms": {"notify": [arn("sns", HERE, ACCOUNT, "t")]}},
            "queue": {"kind": "asynchronous", "artifact": path, "image": image(HERE), "instance_type": "ml.g5.xlarge"},
        },
    }
    whole = read_environment(data, Path("/"))
    done = run(lambda: declare_environment(whole, Path("/")))
    resources = [
        DeclaredResource(each.typ, each.name, {key: value for key, value in each.inputs.items() if value is not None})
        for each in done.registered
        if each.typ.startswith("aws:")
    ]
    assert len(resources) > 20
    # The mocks give the bucket a name of their own.
    bucket = next(each for each in resources if each.type == "aws:s3/bucket:Bucket")
    names = {bucket.name: HERE, str(done.of(":BucketObjectv2")[0].inputs.get("bucket")): HERE}
    held = parse(Residency, {"regions": [HERE], "locations": names})
    assert [str(each) for each in findings(resources, held, TODAY)] == []
    moved = [replace(each, properties={**each.properties, "region": THERE}) for each in resources]
    assert len(findings(moved, held, TODAY)) >= len([each for each in moved if "iam/" not in each.type])


@pytest.mark.parametrize("where", [{"regions": [HERE]}, {"geography": "eu"}])
def test_a_guard_bounds_every_role_of_the_environment(where: dict[str, Any], make_artifact: Any, run: Any) -> None:
    path = str(make_artifact().path)
    data = {
        "region": HERE,
        "residency": {**where, "guard": True},
        "endpoints": {
            "cpu": {"artifact": path, "image": image(HERE)},
            "queue": {"kind": "asynchronous", "artifact": path, "image": image(HERE), "instance_type": "ml.g5.xlarge"},
        },
    }
    whole = read_environment(data, Path("/"))
    done = run(lambda: declare_environment(whole, Path("/")))
    (policy,) = done.of("iam/policy:Policy")
    assert json.loads(policy.inputs["policy"]) == boundary(parse(Residency, where))
    bounded = [each.inputs["permissionsBoundary"] for each in done.of(":Role")]
    assert len(bounded) == 2
    assert all(each.endswith(f":policy/{policy.name}-0123abc") for each in bounded)
    rows = {row.data: row.enforced_by for row in rows_of(whole)}
    assert rows["logs"].endswith("the permissions boundary of the endpoints' roles")


def test_without_a_guard_no_role_is_bounded(make_artifact: Any, run: Any) -> None:
    data = {
        "region": HERE,
        "residency": {"regions": [HERE]},
        "endpoints": {"cpu": {"artifact": str(make_artifact().path), "image": image(HERE)}},
    }
    done = run(lambda: declare_environment(read_environment(data, Path("/")), Path("/")))
    assert done.of("iam/policy:Policy") == []
    assert done.one(":Role").get("permissionsBoundary") is None
