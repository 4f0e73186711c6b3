"""What containers print reaches the embedded CloudWatch Logs, under SageMaker's names."""

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError


def lines(world: Any, endpoint: str) -> dict[str, list[str]]:
    """Stream -> messages, of an endpoint's log group."""
    logs, group = world.client("logs"), f"/aws/sagemaker/Endpoints/{endpoint}"
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    return {
        each["logStreamName"]: [
            event["message"]
            for event in logs.get_log_events(logGroupName=group, logStreamName=each["logStreamName"])["events"]
        ]
        for each in streams
    }


def test_each_instance_has_a_stream_with_what_it_printed(world: Any) -> None:
    world.endpoint("a", warm=1)
    world.invoke("a", say="first\nsecond\n\nhalf a line")
    found = world.wait_for(lambda: {k: v for k, v in lines(world, "a").items() if "second" in v})
    ((stream, said),) = found.items()
    assert re.fullmatch(r"main/[0-9a-f]{32}", stream)
    assert said[-2:] == ["first", "second"]
    with pytest.raises(ClientError):
        world.invoke("a", crash=True)
    assert world.wait_for(lambda: lines(world, "a")[stream][-1:] == ["half a line"])
    world.wait_for(lambda: [each["state"] for each in world.about("a")["instances"]] == ["idle"])  # the next one


def test_instances_of_a_type_have_ids_of_instances(world: Any) -> None:
    world.asynchronous("b")
    (stream,) = world.wait_for(lambda: lines(world, "b"))
    assert re.fullmatch(r"main/i-[0-9a-f]{17}", stream)


def test_a_container_that_does_not_start_says_why_there(world: Any) -> None:
    world.model("c", broken=True)
    world.config("c", "c")
    world.client("sagemaker").create_endpoint(EndpointName="c", EndpointConfigName="c")
    assert world.settled("c")["EndpointStatus"] == "Failed"
    assert ["the model does not load"] in lines(world, "c").values()


def test_a_declared_group_is_used_and_stays_and_an_own_one_goes_with_its_endpoint(world: Any) -> None:
    logs, sagemaker = world.client("logs"), world.client("sagemaker")
    logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/a")
    for name in ("a", "b"):
        world.endpoint(name)
        sagemaker.delete_endpoint(EndpointName=name)
    world.wait_for(lambda: not sagemaker.list_endpoints()["Endpoints"])
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    assert groups == ["/aws/sagemaker/Endpoints/a"]
    assert lines(world, "a")


def test_a_group_that_somebody_deletes_is_not_made_again(world: Any) -> None:
    world.endpoint("a", warm=1)
    logs, sagemaker = world.client("logs"), world.client("sagemaker")
    logs.delete_log_group(logGroupName="/aws/sagemaker/Endpoints/a")
    world.invoke("a", say="nobody reads this")
    sagemaker.delete_endpoint(EndpointName="a")
    world.wait_for(lambda: not sagemaker.list_endpoints()["Endpoints"])
    assert logs.describe_log_groups()["logGroups"] == []
