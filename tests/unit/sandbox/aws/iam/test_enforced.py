"""Policies hold in the running sandbox: of models' roles, of roles that callers assume, of users."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/serve"
REGION = "eu-central-1"


def as_role(world: Any, service: str, arn: str = ROLE, policy: str | None = None) -> Any:
    """A client with a session of a role."""
    more = {"Policy": policy} if policy else {}
    found = world.client("sts").assume_role(RoleArn=arn, RoleSessionName="caller", **more)["Credentials"]
    return boto3.client(
        service,
        endpoint_url=world.servers.aws_url,
        region_name=REGION,
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )


def denied(call: Any, **parameters: Any) -> tuple[str, str]:
    """(code, message) of the error."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_model_whose_role_may_not_read_its_archive_is_refused_in_sagemakers_words(world: Any) -> None:
    world.allow("serve", "ecr:*")
    with pytest.raises(ClientError, match=r'Could not access model data at s3://models/a\.tar\.gz.*"s3:GetObject"'):
        world.model("a")


def test_a_model_whose_role_may_not_pull_its_image_is_refused(world: Any) -> None:
    world.allow("serve", "s3:GetObject", "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability")
    with pytest.raises(ClientError, match="not authorized to perform: ecr:GetDownloadUrlForLayer on resource: arn"):
        world.model("a")


def test_a_permission_that_was_taken_fails_the_next_start(world: Any) -> None:
    world.model("a")
    world.config("a", "a")
    world.client("sagemaker").create_endpoint(EndpointName="a", EndpointConfigName="a")
    world.settled("a")
    world.wait_for(lambda: not world.about("a").get("instances"))
    world.allow("serve", "ecr:*")
    with pytest.raises(ClientError, match="AccessDenied"):
        world.client("sagemaker-runtime").invoke_endpoint(EndpointName="a", Body=b"{}")


def test_results_and_messages_of_an_asynchronous_endpoint_take_the_roles_permissions(world: Any) -> None:
    world.asynchronous("a", instances=1)
    world.allow("serve", "s3:GetObject", "ecr:*")
    world.submit("a", echo=1)
    world.wait_for(lambda: not world.about("a")["backlog"]["size"])
    found = world.client("s3").list_objects_v2(Bucket="calls").get("Contents", [])
    assert {each["Key"].partition("/")[0] for each in found} == {"requests"}


def test_a_session_may_do_what_its_role_may(world: Any) -> None:
    world.client("s3").put_object(Bucket="models", Key="home/a", Body=b"a")
    s3 = as_role(world, "s3")
    world.allow("serve", "s3:GetObject", resource="arn:aws:s3:::models/home/*")
    assert s3.get_object(Bucket="models", Key="home/a")["Body"].read() == b"a"
    code, message = denied(s3.get_object, Bucket="models", Key="other")
    assert code == "AccessDenied"
    assert message == (
        "User: arn:aws:sts::123456789012:assumed-role/serve/caller is not authorized to perform: s3:GetObject on "
        "resource: arn:aws:s3:::models/other because no identity-based policy allows the s3:GetObject action"
    )
    assert denied(s3.put_object, Bucket="models", Key="home/a", Body=b"b")[0] == "AccessDenied"


def test_a_session_policy_and_a_bucket_policy_limit_it_further(world: Any) -> None:
    world.client("s3").put_object(Bucket="models", Key="a", Body=b"a")
    narrow = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    limited = as_role(world, "s3", policy=json.dumps({"Version": "2012-10-17", "Statement": [narrow]}))
    assert "no session policy allows" in denied(limited.get_object, Bucket="models", Key="a")[1]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*",
                 "Condition": {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}}  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.client("s3").put_bucket_policy(Bucket="models", Policy=document)
    s3 = as_role(world, "s3")
    assert "explicit deny in a resource-based policy" in denied(s3.get_object, Bucket="models", Key="a")[1]


def test_a_boundary_holds(world: Any) -> None:
    statement = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = world.client("iam").create_policy(PolicyName="limit", PolicyDocument=document)["Policy"]["Arn"]
    world.client("iam").put_role_permissions_boundary(RoleName="serve", PermissionsBoundary=arn)
    _, message = denied(as_role(world, "s3").get_object, Bucket="models", Key="a")
    assert "no permissions boundary allows the s3:GetObject action" in message


def test_an_encrypted_object_takes_the_key_too(world: Any) -> None:
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    world.client("s3").put_object(Bucket="models", Key="a", Body=b"a", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    s3 = as_role(world, "s3")
    world.allow("serve", "s3:GetObject")
    assert f"kms:Decrypt on resource: {key}" in denied(s3.get_object, Bucket="models", Key="a")[1]
    world.allow("serve", "s3:GetObject", "kms:Decrypt")
    assert s3.get_object(Bucket="models", Key="a")["Body"].read() == b"a"


def test_writing_an_encrypted_object_takes_the_key_too(world: Any) -> None:
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    world.client("s3").put_object(
        Bucket="models", Key="from", Body=b"a", ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )
    s3, encrypted = as_role(world, "s3"), {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    world.allow("serve", "s3:*")
    denial = f"kms:GenerateDataKey on resource: {key}"
    assert denial in denied(s3.put_object, Bucket="models", Key="a", Body=b"a", **encrypted)[1]
    upload = s3.create_multipart_upload
    assert denial in denied(upload, Bucket="models", Key="a", **encrypted)[1]
    world.allow("serve", "s3:*", "kms:GenerateDataKey")
    s3.put_object(Bucket="models", Key="a", Body=b"a", **encrypted)
    copy = {"Bucket": "models", "Key": "b", "CopySource": "models/from"}
    assert "kms:Decrypt" in denied(s3.copy_object, **copy)[1]
    world.allow("serve", "s3:*", "kms:Decrypt")
    assert denial in denied(s3.copy_object, **copy, **encrypted)[1]
    s3.copy_object(**copy)


def test_a_signature_for_a_region_that_does_not_exist_is_refused(world: Any) -> None:
    found = world.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="caller")["Credentials"]
    keys = {"aws_access_key_id": found["AccessKeyId"], "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"]}  # fmt: skip
    nowhere = boto3.client("sqs", endpoint_url=world.servers.aws_url, region_name="nowhere", **keys)
    assert denied(nowhere.list_queues) == ("SignatureDoesNotMatch", "Credential should be scoped to a valid region.")


def test_the_json_protocols_have_their_own_code(world: Any) -> None:
    assert denied(as_role(world, "sagemaker").list_models)[0] == "AccessDeniedException"


def test_a_user_without_policies_may_do_nothing_but_ask_who_it_is(world: Any) -> None:
    world.client("iam").create_user(UserName="someone")
    key = world.client("iam").create_access_key(UserName="someone")["AccessKey"]
    found = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    s3, sts = (boto3.client(each, endpoint_url=world.servers.aws_url, region_name=REGION, **found)
               for each in ("s3", "sts"))  # fmt: skip
    assert "user/someone is not authorized" in denied(s3.list_buckets)[1]
    assert sts.get_caller_identity()["Arn"].endswith("user/someone")


def test_what_a_role_was_never_used_for_is_named(world: Any) -> None:
    world.allow("serve", "s3:GetObject", "s3:DeleteObject", "ecr:*")
    world.model("a")
    statement = world.page("/_sandbox/permissions")["serve"]["statements"][0]
    assert statement == {
        "name": "Allowed",
        "actions": ["s3:GetObject", "s3:DeleteObject", "ecr:*"],
        "unused": ["s3:DeleteObject"],
    }


def test_a_role_that_may_not_write_logs_writes_none(world: Any) -> None:
    world.allow("serve", "s3:GetObject", "ecr:*")
    for name, actions in (("silent", ()), ("heard", ("logs:*",))):
        world.allow("serve", "s3:GetObject", "ecr:*", *actions)
        world.model(name)
        world.config(name, name)
        world.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
        world.settled(name)
        world.invoke(name)
        found = world.client("logs").describe_log_streams(logGroupName=f"/aws/sagemaker/Endpoints/{name}")
        assert bool(found["logStreams"]) is bool(actions)


@pytest.mark.parametrize(("pattern", "trusted"), [("*", True), ("training-job/*", False)])
def test_a_trust_policy_may_say_what_the_role_is_assumed_for(world: Any, pattern: str, trusted: bool) -> None:
    source = {"ArnLike": {"aws:SourceArn": f"arn:aws:sagemaker:{REGION}:123456789012:{pattern}"}}
    account = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    who = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**who, "Condition": {**source, **account}}]})
    world.client("iam").update_assume_role_policy(RoleName="serve", PolicyDocument=document)
    if trusted:
        world.model("a")
        world.config("a", "a")
        world.client("sagemaker").create_endpoint(EndpointName="a", EndpointConfigName="a")
        assert world.settled("a")["EndpointStatus"] == "InService"
    else:
        with pytest.raises(ClientError, match="Could not assume role"):
            world.model("a")
