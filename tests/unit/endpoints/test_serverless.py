"""Exactly what each component declares, as an update and as a preview."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from model_packaging.findings import FindingsError
from scaletozero import ArtifactStore, ServerlessEndpoint
from scaletozero.endpoints.model import own_image

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/abc"
OWN = {"managed-by": "scaletozero", "stack": "acme/dev"}


def args(artifact: Any, /, **changes: Any) -> Any:
    return {"artifact": str(artifact.path), "bucket": "models", "image": IMAGE, "region": "eu-central-1", **changes}


def test_a_store_is_seven_resources_and_every_one_is_closed(run) -> None:
    done = run(lambda: ArtifactStore("artifacts", {"region": "eu-central-1", "tags": {"team": "search"}}).arn)
    assert done.types() == [
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
    ]
    assert done.one(":Bucket") == {"region": "eu-central-1", "tags": {**OWN, "team": "search"}}
    assert done.one(":BucketVersioning")["versioningConfiguration"] == {"status": "Enabled"}
    assert done.one(":BucketOwnershipControls")["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    block = done.one(":BucketPublicAccessBlock")
    keys = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [block[key] for key in keys] == [True] * 4
    rule, uploads = done.one(":BucketLifecycleConfiguration")["rules"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 30}
    assert rule["filter"] == {"prefix": "models/"}
    # Wherever in the bucket somebody writes: `publish` and `submit()` do so elsewhere.
    assert uploads["filter"] == {"prefix": ""}
    assert uploads["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}


@pytest.mark.parametrize("late", [False, True])
def test_a_store_s_access_logs_go_where_they_are_wanted(run, late) -> None:
    where = pulumi.Output.from_input("logs-of-all") if late else "logs-of-all"
    done = run(lambda: ArtifactStore("artifacts", {"region": "eu-central-1", "access_log_bucket": where}).arn)
    assert done.one(":BucketLogging") == {
        "region": "eu-central-1",
        "bucket": "artifacts-0123abc",
        "targetBucket": "logs-of-all",
        "targetPrefix": "artifacts-0123abc/",
    }


@pytest.mark.parametrize("wrong", ["s3://logs", "arn:aws:s3:::logs", "Logs", "l"])
def test_what_is_no_bucket_gets_no_access_logs(run, wrong) -> None:
    with pytest.raises(FindingsError, match=r"artifacts\.access_log_bucket: must be the name of an S3 bucket"):
        run(lambda: ArtifactStore("artifacts", {"region": "eu-central-1", "access_log_bucket": wrong}))


@pytest.mark.parametrize(
    "key, default, bucket_key",
    [
        (None, {"sseAlgorithm": "AES256"}, False),
        (KEY, {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}, True),
    ],
)
def test_a_store_is_encrypted_with_the_key_that_is_given(run, key, default, bucket_key) -> None:
    given: Any = {"region": "eu-central-1", **({"kms_key_arn": key} if key else {})}
    done = run(lambda: ArtifactStore("artifacts", given).arn)
    (rule,) = done.one(":BucketServerSideEncryptionConfiguration")["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": bucket_key}


def test_a_store_denies_what_does_not_come_through_tls(run) -> None:
    done = run(lambda: ArtifactStore("artifacts", {"region": "eu-central-1"}).arn)
    policy = done.one(":BucketPolicy")["policy"]
    (statement,) = json.loads(policy)["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [name.rsplit(":", 1)[-1] for name in statement["Resource"]] == ["artifacts-0123abc", "artifacts-0123abc/*"]


def test_an_endpoint_is_seven_resources(run, make_artifact) -> None:
    artifact = make_artifact(recommended_mb=2048)
    done = run(lambda: ServerlessEndpoint("sentences", args(artifact)).endpoint_arn)
    assert done.types() == [
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:s3/bucketObjectv2:BucketObjectv2",
        "aws:sagemaker/endpoint:Endpoint",
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        "aws:sagemaker/model:Model",
    ]
    archive = done.one(":BucketObjectv2")
    assert archive["key"] == f"models/acme-dev-sentences/{artifact.digest}/model.tar.gz"
    assert archive["checksumAlgorithm"] == "SHA256"
    assert archive["tags"] == OWN
    assert done.one(":LogGroup")["name"] == "/aws/sagemaker/Endpoints/acme-dev-sentences"
    model = done.one(":Model")
    url = f"s3://models/models/acme-dev-sentences/{artifact.digest}/model.tar.gz"
    assert model["primaryContainer"] == {"image": IMAGE, "modelDataUrl": url}
    (variant,) = done.one(":EndpointConfiguration")["productionVariants"]
    assert variant["serverlessConfig"] == {"memorySizeInMb": 2048, "maxConcurrency": 10}
    assert "name" not in done.one(":EndpointConfiguration")
    endpoint = done.one(":Endpoint")
    assert endpoint["name"] == "acme-dev-sentences"
    assert endpoint["endpointConfigName"] == variant["modelName"].replace("model", "configuration")


def test_an_endpoint_takes_what_is_given_over_what_the_manifest_recommends(run, make_artifact) -> None:
    given = args(make_artifact(recommended_mb=2048), memory_mb=4096, scaling={"max": 77})
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    (variant,) = done.one(":EndpointConfiguration")["productionVariants"]
    assert variant["serverlessConfig"] == {"memorySizeInMb": 4096, "maxConcurrency": 77}


@pytest.mark.parametrize("key", [None, KEY])
def test_an_endpoint_s_role_may_do_what_it_needs_and_nothing_else(run, make_artifact, key) -> None:
    artifact = make_artifact()
    done = run(
        lambda: ServerlessEndpoint("sentences", args(artifact, **({"kms_key_arn": key} if key else {}))).endpoint_arn
    )
    statements = {s["Sid"]: s for s in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    # Containers of the model before start too, until the endpoint has moved to this one.
    assert statements["ReadArtifact"]["Resource"] == "arn:aws:s3:::models/models/acme-dev-sentences/*/model.tar.gz"
    assert statements["PullImage"]["Resource"] == "arn:aws:ecr:eu-central-1:111122223333:repository/serving"
    everything = [s for s in statements.values() if s["Resource"] == "*"]
    assert {s["Sid"] for s in everything} == {"LogInToRegistry", "WriteMetrics"}
    assert all(s["Condition"] for s in everything)
    assert ("DecryptArtifact" in statements) == bool(key)
    assert not [
        a for s in statements.values() for a in [s["Action"]] if a == "*" or (isinstance(a, str) and a.endswith(":*"))
    ]
    (trust,) = json.loads(done.one(":Role")["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111122223333"},
        "ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:eu-central-1:111122223333:*"},
    }


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("days", [None, 365])
def test_logs_are_kept_as_long_as_is_said_under_the_environment_s_key(run, make_artifact, key, days) -> None:
    given = args(make_artifact(), kms_key_arn=key, log_retention_days=days)
    logs = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn).one(":LogGroup")
    assert (logs["retentionInDays"], logs.get("kmsKeyId")) == (days or 30, key)


@pytest.mark.parametrize("days, near", [(31, 60), (0, 1), (-1, 1), (4000, 3653)])
def test_logs_are_kept_only_as_long_as_the_service_can(run, make_artifact, days, near) -> None:
    with pytest.raises(FindingsError, match=r"sentences\.log_retention_days: must be one of") as error:
        run(lambda: ServerlessEndpoint("sentences", args(make_artifact(), log_retention_days=days)))
    assert error.value.findings[0].fix == f"write {near}"


def test_an_endpoint_can_have_a_name_that_is_not_its_component_s(run, make_artifact) -> None:
    artifact = make_artifact()
    given = args(artifact, endpoint_name="search-prod", alarms={"name": "search-prod-alarms"})
    done = run(lambda: ServerlessEndpoint("sentences", given).endpoint_arn)
    assert done.one(":Endpoint")["name"] == "search-prod"
    assert done.one(":LogGroup")["name"] == "/aws/sagemaker/Endpoints/search-prod"
    assert done.one(":BucketObjectv2")["key"].startswith("models/search-prod/")
    assert done.one(":CompositeAlarm")["alarmName"] == "search-prod-alarms"
    for wrong in ("-a", "a_b", "x" * 64, "arn:aws:sagemaker:eu-central-1:111122223333:endpoint/a"):
        with pytest.raises(FindingsError, match=r"sentences\.endpoint_name: must have 1 to 63 letters"):
            run(lambda w=wrong: ServerlessEndpoint("sentences", args(artifact, endpoint_name=w)))


def test_an_endpoint_that_went_back_fails_the_program_before_anything_is_taken_away(
    run, mocks, make_artifact, monkeypatch
) -> None:
    answer = type(mocks).new_resource

    def goes_back(self: Any, given: Any) -> Any:
        id_, outputs = answer(self, given)
        return id_, {**outputs, "endpointConfigName": "the-old-one"} if given.typ.endswith(":Endpoint") else outputs

    monkeypatch.setattr(type(mocks), "new_resource", goes_back)
    artifact = make_artifact()
    with pytest.raises(Exception, match="SageMaker returned to the-old-one"):
        run(lambda: ServerlessEndpoint("sentences", args(artifact)).endpoint_arn)


def test_the_longest_name_of_an_environment_has_room_for_what_is_inside(run, make_artifact) -> None:
    given = args(make_artifact(), scaling={"min": 1, "max": 4})
    assert run(lambda: ServerlessEndpoint("s" * 100, given).endpoint_arn).one(":Policy")
    with pytest.raises(FindingsError, match="at most 200"):
        run(lambda: ServerlessEndpoint("s" * 201, given).endpoint_arn)


def test_another_model_is_another_object_and_the_same_model_the_same(run, make_artifact) -> None:
    keys = []
    for name, content in (("one", b"a"), ("two", b"b"), ("three", b"a")):
        artifact = make_artifact(name, content)
        done = run(lambda a=artifact: ServerlessEndpoint("sentences", args(a)).endpoint_arn)
        keys.append(done.one(":BucketObjectv2")["key"])
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_the_engine_gets_the_words_of_a_finding_and_no_traceback(run, make_artifact) -> None:
    """The Python host and the Automation API print an error of this kind as it is."""
    artifact = make_artifact()
    with pytest.raises(pulumi.RunError, match=r"^sentences\.memory_mb: must be one of"):
        run(lambda: ServerlessEndpoint("sentences", args(artifact, memory_mb=1500)))
    with pytest.raises(pulumi.RunError, match=r"^it\.image: must be in the account"):
        own_image("it.image", IMAGE, "arn:aws:iam::444455556666:role/serving")


def test_what_comes_from_other_resources_is_checked_once_it_is_known(run, make_artifact) -> None:
    def program() -> Any:
        repository = aws.ecr.Repository("serving")
        image = repository.name.apply(lambda name: f"111122223333.dkr.ecr.eu-central-1.amazonaws.com/{name}:1")
        return ServerlessEndpoint("sentences", args(make_artifact(), image=image)).endpoint_arn

    done = run(program)
    image = done.one(":Model")["primaryContainer"]["image"]
    assert image == "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving-0123abc:1"


def test_what_comes_late_and_is_wrong_is_refused_too(run, make_artifact) -> None:
    image = pulumi.Output.from_input("111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:1")
    with pytest.raises(Exception, match=r"sentences.image: must be in the endpoint's region, eu-central-1"):
        run(lambda: ServerlessEndpoint("sentences", args(make_artifact(), image=image)).endpoint_arn)


def test_what_decides_must_be_plain(run, make_artifact) -> None:
    given = args(make_artifact(), memory_mb=pulumi.Output.from_input(2048))
    with pytest.raises(FindingsError, match=r"sentences.memory_mb: must be a plain value"):
        run(lambda: ServerlessEndpoint("sentences", given))


def test_a_refused_endpoint_declares_nothing(run, make_artifact) -> None:
    artifact = make_artifact()
    registered = []

    def program() -> None:
        for change in ({"memory_mb": 1500}, {"scaling": {"max": 500}}, {"memory": 1024}, {"artifact": "/nowhere"}):
            with pytest.raises(FindingsError):
                ServerlessEndpoint("sentences", args(artifact, **change))
        with pytest.raises(FindingsError):
            ServerlessEndpoint("my_sentences", args(artifact))

    registered = run(program).registered
    assert registered == []


def refusal(run, **late: Any) -> str:
    given: Any = {"region": "eu-central-1", **late}
    with pytest.raises(Exception, match=r"artifacts\.kms_key_arn") as caught:
        run(lambda: ArtifactStore("artifacts", given).arn)
    return str(caught.value)


def test_a_secret_is_not_shown_by_the_finding_about_it(run) -> None:
    wrong = "arn:aws:kms:us-east-1:111122223333:key/very-secret"
    assert wrong in refusal(run, kms_key_arn=pulumi.Output.from_input(wrong))
    said = refusal(run, kms_key_arn=pulumi.Output.secret(wrong))
    assert "artifacts.kms_key_arn: must be" in said
    assert "[secret]" in said
    assert "very-secret" not in said


def test_an_output_that_turns_out_empty_is_refused(run) -> None:
    for empty in (None, ""):
        said = refusal(run, kms_key_arn=pulumi.Output.from_input(empty))
        assert "artifacts.kms_key_arn: must have a value once it is known" in said


@pytest.mark.parametrize("wrong", [None, [], "region", 5])
def test_arguments_that_are_no_mapping_are_refused(run, wrong: Any) -> None:
    with pytest.raises(FindingsError, match=r"artifacts: must be a mapping of arguments"):
        run(lambda: ArtifactStore("artifacts", wrong))
