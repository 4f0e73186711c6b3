"""SageMaker's endpoints: states, rules and messages of the service."""

import json
import threading
from typing import Any

import pytest

from scaletozero.sandbox.aws.runtime.instance import START_SECONDS, Instance

ARN = "arn:aws:sagemaker:eu-central-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/serve"


def test_an_endpoint_is_creating_then_in_service_and_then_gone(world: Any) -> None:
    client = world.client("sagemaker")
    start = world.state / "start"
    world.model("a", start_when=str(start))
    world.config("a", "a")
    assert client.create_endpoint(EndpointName="a", EndpointConfigName="a")["EndpointArn"] == f"{ARN}:endpoint/a"
    assert client.describe_endpoint(EndpointName="a")["EndpointStatus"] == "Creating"
    start.touch()
    found = world.settled("a")
    assert found["EndpointStatus"] == "InService"
    assert found["ProductionVariants"][0]["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 4}
    assert [e["EndpointName"] for e in client.list_endpoints()["Endpoints"]] == ["a"]
    client.delete_endpoint(EndpointName="a")
    world.wait_for(lambda: not client.list_endpoints()["Endpoints"])
    message = world.refused("sagemaker", "describe_endpoint", EndpointName="a")
    assert message == f'Could not find endpoint "{ARN}:endpoint/a".'


def test_a_sandbox_that_is_stopped_waits_for_an_endpoint_that_is_being_deleted(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.endpoint("a", warm=1)
    deleting, stopped, order = threading.Event(), threading.Event(), []
    stop = Instance.stop

    def slowly(instance: Instance) -> None:
        deleting.set()
        stopped.wait(1)
        stop(instance)
        order.append("the instance")

    monkeypatch.setattr(Instance, "stop", slowly)
    world.client("sagemaker").delete_endpoint(EndpointName="a")
    assert deleting.wait(60)
    world.servers.stop()
    order.append("the sandbox")
    stopped.set()
    assert (order, world.folders()) == (["the instance", "the sandbox"], [])


def test_tags_of_an_endpoint_are_motos(world: Any) -> None:
    client = world.client("sagemaker")
    world.model("a")
    world.config("a", "a")
    arn = client.create_endpoint(EndpointName="a", EndpointConfigName="a", Tags=[{"Key": "k", "Value": "v"}])
    assert client.list_tags(ResourceArn=arn["EndpointArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    world.settled("a")


def test_a_model_needs_a_role_that_trusts_sagemaker(world: Any) -> None:
    container = {"Image": "i"}
    message = world.refused(
        "sagemaker", "create_model", ModelName="m", ExecutionRoleArn=ROLE + "x", PrimaryContainer=container
    )
    assert "Could not assume role" in message
    who = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    world.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    other = ROLE.replace("serve", "other")
    message = world.refused(
        "sagemaker", "create_model", ModelName="m", ExecutionRoleArn=other, PrimaryContainer=container
    )
    assert "allows principal 'sagemaker.amazonaws.com'" in message


def test_a_model_needs_its_artifact(world: Any) -> None:
    container = {"Image": "i", "ModelDataUrl": "s3://models/none.tar.gz"}
    message = world.refused(
        "sagemaker", "create_model", ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container
    )
    assert message == "Could not find model data at s3://models/none.tar.gz."


def test_nothing_is_made_twice(world: Any) -> None:
    world.endpoint("a")
    with pytest.raises(Exception, match=r'Cannot create already existing model "arn:aws:sagemaker:.*model/a"'):
        world.model("a")
    with pytest.raises(Exception, match=r'Cannot create already existing endpoint configuration "arn'):
        world.config("a", "a")
    message = world.refused("sagemaker", "create_endpoint", EndpointName="a", EndpointConfigName="a")
    assert message == f'Cannot create already existing endpoint "{ARN}:endpoint/a".'


def test_what_an_endpoint_needs_has_to_be_there(world: Any) -> None:
    with pytest.raises(Exception, match=r'Could not find model "arn:aws:sagemaker:.*:model/none"'):
        world.config("c", "none")
    message = world.refused("sagemaker", "create_endpoint", EndpointName="a", EndpointConfigName="none")
    assert message == f'Could not find endpoint configuration "{ARN}:endpoint-config/none".'


def test_a_container_that_does_not_start_fails_the_endpoint_with_its_words(world: Any) -> None:
    world.endpoint("a", broken=True)
    found = world.client("sagemaker").describe_endpoint(EndpointName="a")
    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    assert "the model does not load" in found["FailureReason"]
    message = world.refused("sagemaker", "update_endpoint", EndpointName="a", EndpointConfigName="a")
    assert "can only be deleted" in message


def test_an_artifact_that_went_away_fails_the_endpoint(world: Any) -> None:
    world.model("a")
    world.config("a", "a")
    world.client("s3").delete_object(Bucket="models", Key="a.tar.gz")
    world.client("sagemaker").create_endpoint(EndpointName="a", EndpointConfigName="a")
    found = world.settled("a")
    assert found["EndpointStatus"] == "Failed"
    assert "could not read the model data at s3://models/a.tar.gz" in found["FailureReason"]


def test_a_broken_archive_fails_the_endpoint(world: Any) -> None:
    world.model("a")
    world.config("a", "a")
    whole = world.client("s3").get_object(Bucket="models", Key="a.tar.gz")["Body"].read()
    world.client("s3").put_object(Bucket="models", Key="a.tar.gz", Body=whole[: len(whole) // 2])
    world.client("sagemaker").create_endpoint(EndpointName="a", EndpointConfigName="a")
    found = world.settled("a")
    assert found["EndpointStatus"] == "Failed"
    assert "cannot be unpacked" in found["FailureReason"]


def test_an_update_moves_requests_once_the_new_configuration_answers(world: Any) -> None:
    world.endpoint("a")
    start = world.state / "start"
    world.model("b", version=2, start_when=str(start))
    world.config("b", "b")
    world.client("sagemaker").update_endpoint(EndpointName="a", EndpointConfigName="b")
    assert world.invoke("a")["version"] == 1
    message = world.refused("sagemaker", "update_endpoint", EndpointName="a", EndpointConfigName="b")
    assert message == f'Cannot update in-progress endpoint "{ARN}:endpoint/a".'
    start.touch()
    assert world.settled("a")["EndpointConfigName"] == "b"
    assert world.invoke("a")["version"] == 2


def test_a_failed_update_leaves_the_old_configuration_serving(world: Any) -> None:
    world.endpoint("a")
    world.model("b", broken=True)
    world.config("b", "b")
    world.client("sagemaker").update_endpoint(EndpointName="a", EndpointConfigName="b")
    found = world.settled("a")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "a")
    assert "the model does not load" in found["FailureReason"]
    assert world.invoke("a")["version"] == 1


def test_an_update_needs_the_old_configuration_too(world: Any) -> None:
    world.endpoint("a")
    world.config("b", "a")
    world.client("sagemaker").delete_endpoint_config(EndpointConfigName="a")
    assert world.invoke("a")["version"] == 1
    message = world.refused("sagemaker", "update_endpoint", EndpointName="a", EndpointConfigName="b")
    assert message == f'Could not find endpoint configuration "{ARN}:endpoint-config/a".'


def test_an_endpoint_can_be_deleted_while_it_is_created(world: Any) -> None:
    world.model("a", start_when=str(world.state / "never"))
    world.config("a", "a")
    client = world.client("sagemaker")
    client.create_endpoint(EndpointName="a", EndpointConfigName="a")
    world.wait_for(world.folders)
    client.delete_endpoint(EndpointName="a")
    # Long before the instance would be given up.
    world.wait_for(lambda: not client.list_endpoints()["Endpoints"], seconds=START_SECONDS / 3)
    world.wait_for(lambda: not world.folders(), seconds=START_SECONDS / 3)


def test_capacity_changes_without_a_new_configuration(world: Any) -> None:
    world.endpoint("a")
    change = {"VariantName": "main", "ServerlessUpdateConfig": {"MaxConcurrency": 3, "ProvisionedConcurrency": 2}}
    client = world.client("sagemaker")
    client.update_endpoint_weights_and_capacities(EndpointName="a", DesiredWeightsAndCapacities=[change])
    variant = world.settled("a")["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == {
        "MemorySizeInMB": 1024,
        "MaxConcurrency": 3,
        "ProvisionedConcurrency": 2,
    }
    assert len(world.about("a")["instances"]) == 2
    change["ServerlessUpdateConfig"] = {"MaxConcurrency": 1, "ProvisionedConcurrency": 2}
    message = world.refused(
        "sagemaker", "update_endpoint_weights_and_capacities", EndpointName="a", DesiredWeightsAndCapacities=[change]
    )
    assert "must not be above MaxConcurrency" in message
