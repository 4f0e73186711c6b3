"""`ResidencyGuard`: its documents, the roles that its boundary is set on, and wrong arguments."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero import ResidencyGuard, WarmCalls, bounded_by
from scaletozero.residency import guard
from scaletozero.settings.residency import Residency

HERE, ACCOUNT = "eu-central-1", "111122223333"
ONE = parse(Residency, {"regions": [HERE]})


def args(**more: Any) -> Any:
    where = {} if "geography" in more else {"regions": [HERE]}
    return {"region": HERE, **where, **more}


def test_the_boundary_is_the_only_resource_and_says_what_the_residency_does(run: Any) -> None:
    done = run(lambda: ResidencyGuard("guard", args(tags={"team": "risk"})).boundary_arn)
    (policy,) = (each for each in done.registered if each.typ.startswith("aws:"))
    assert policy.typ == "aws:iam/policy:Policy"
    assert json.loads(policy.inputs["policy"]) == guard.boundary(ONE)
    assert " " not in policy.inputs["policy"]
    assert policy.inputs["tags"]["team"] == "risk"
    assert set(policy.inputs) == {"policy", "tags"}


def outputs(run: Any, given: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def program() -> pulumi.Output[Any]:
        made = ResidencyGuard("guard", given)
        names = ("service_control_policy", "bucket_policies", "key_policy", "endpoint_policy", "image_endpoint_policy")
        return pulumi.Output.all(**{name: getattr(made, name) for name in names}).apply(found.update)

    run(program)
    return found


def test_the_documents_are_those_of_the_guard(run: Any) -> None:
    found = outputs(
        run, args(buckets=["a-bucket"], organization="o-a1b2c3d4e5", vpc_endpoints=["vpce-0123456789abcdef0"])
    )
    assert json.loads(found["service_control_policy"]) == guard.service_control_policy(ONE)
    assert set(found["bucket_policies"]) == {"a-bucket"}
    assert json.loads(found["bucket_policies"]["a-bucket"]) == guard.bucket_policy(
        "a-bucket", HERE, organization="o-a1b2c3d4e5", endpoints=["vpce-0123456789abcdef0"]
    )
    assert json.loads(found["key_policy"]) == guard.key_policy(HERE, ACCOUNT)
    assert json.loads(found["endpoint_policy"]) == guard.endpoint_policy(HERE, ACCOUNT)
    assert json.loads(found["image_endpoint_policy"]) == guard.endpoint_policy(HERE, ACCOUNT, images=True)


def test_a_geography_lets_its_own_profiles_pass(run: Any) -> None:
    found = outputs(run, args(geography="eu"))
    assert json.loads(found["service_control_policy"]) == guard.service_control_policy(
        parse(Residency, {"geography": "eu"})
    )


def test_every_role_below_is_bounded_and_nothing_else_is_changed(run: Any) -> None:
    calls: Any = {
        "endpoint_name": "e",
        "endpoint_arn": f"arn:aws:sagemaker:{HERE}:{ACCOUNT}:endpoint/e",
        "region": HERE,
        "sample_input": "{}",
        "schedule": [{"start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 1}],
        "cold_start_seconds": 1.0,
    }
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    inside = pulumi.ResourceOptions(transformations=[bounded_by(boundary)])

    def program() -> Any:
        WarmCalls("plain", calls)
        return WarmCalls("bounded", calls, inside).failures

    done = run(program)
    roles = {each.name: each.inputs.get("permissionsBoundary") for each in done.of(":Role")}
    assert len(roles) == 4
    assert {name for name, given in roles.items() if given == boundary} == {
        name for name in roles if name.startswith("bounded")
    }
    others = [each for each in done.registered if each.typ != "aws:iam/role:Role"]
    assert not [each.typ for each in others if "permissionsBoundary" in each.inputs]


def test_a_role_keeps_the_boundary_that_it_has(run: Any) -> None:
    own, others = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("own", "others"))

    def program() -> Any:
        opts = pulumi.ResourceOptions(transformations=[bounded_by(others)])
        return aws.iam.Role("r", assume_role_policy="{}", permissions_boundary=own, opts=opts).arn

    assert run(program).one(":Role")["permissionsBoundary"] == own


@pytest.mark.parametrize(
    ("given", "path", "rule"),
    [
        ({"region": HERE}, "guard.regions", "is required, or a geography"),
        (args(regions=[HERE], geography="eu"), "guard.geography", "must not be given together with `regions`"),
        (args(regions=["eu-centrl-1"]), "guard.regions.0", "must be a Region of AWS"),
        (args(geography="europe"), "guard.geography", "must be one of"),
        (args(region="us-east-1"), "guard.region", "must be within the residency"),
        (args(regions=[HERE, "us-gov-west-1"]), "guard.regions", "must be in one partition"),
        (args(buckets=["s3://a"]), "guard.buckets.0", "must be the name of an S3 bucket"),
        (args(buckets=["abc"], organization="acme"), "guard.organization", "must be the id of an organisation"),
        (args(buckets=["abc"], vpc_endpoints=["vpc-1"]), "guard.vpc_endpoints.0", "must be the id of a VPC endpoint"),
        (args(organization="o-a1b2c3d4e5"), "guard.organization", "is for policies of buckets"),
        (args(vpc_endpoints=["vpce-0123456789abcdef0"]), "guard.vpc_endpoints", "is for policies of buckets"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_declared(run: Any, given: Any, path: str, rule: str) -> None:
    with pytest.raises(FindingsError) as caught:
        run(lambda: ResidencyGuard("guard", given).boundary_arn)
    (found,) = caught.value.findings
    assert found.path == path
    assert rule in found.rule
    assert found.got


def test_a_policy_that_aws_would_refuse_for_its_length_is_not_declared(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LARGEST_SCP", 1000)
    with pytest.raises(FindingsError, match="must result in a service control policy of at most 1000 characters"):
        run(lambda: ResidencyGuard("guard", args()).boundary_arn)
