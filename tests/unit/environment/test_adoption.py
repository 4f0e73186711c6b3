"""What `up --adopt` may take over, decided exactly; the services' answers are stubbed, their shapes botocore's."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from pulumi.automation import EngineEvent

from model_packaging.findings import FindingsError
from scaletozero.environment.adoption import (
    Existing,
    PlannedCreate,
    PlannedCreates,
    find_existing,
    require_adoptable,
    wait_until_updatable,
    with_adopted,
)

STACK = "urn:pulumi:dev::acme::pulumi:pulumi:Stack::acme-dev"
PARENT = "urn:pulumi:dev::acme::scaletozero:index:ServerlessEndpoint::search"
PROVIDER = "urn:pulumi:dev::acme::pulumi:providers:aws::aws"
ENDPOINT, LOGS = "aws:sagemaker/endpoint:Endpoint", "aws:cloudwatch/logGroup:LogGroup"
TAGS = {"managed-by": "scaletozero", "stack": "acme/dev"}
ARN = "arn:aws:sagemaker:us-east-1:111122223333:endpoint/acme-search"
LOGS_ARN = "arn:aws:logs:us-east-1:111122223333:log-group:/acme"


def planned(type_: str = ENDPOINT, *names: str, **changes: Any) -> PlannedCreate:
    about = {
        "urn": f"urn:pulumi:dev::acme::scaletozero:index:ServerlessEndpoint${type_}::search",
        "type": type_,
        "parent": PARENT,
        "provider": PROVIDER,
        "region": "us-east-1",
        "named_by": names or ("acme-search",),
        "tags": TAGS,
    }
    return PlannedCreate(**{**about, **changes})


def event(op: str = "create", type_: str = ENDPOINT, **inputs: Any) -> EngineEvent:
    given = {"name": "acme-search", "region": "us-east-1", "tags": TAGS, **inputs}
    urn = f"urn:pulumi:dev::acme::scaletozero:index:ServerlessEndpoint${type_}::search"
    new = {"type": type_, "urn": urn, "parent": PARENT, "inputs": given, "provider": f"{PROVIDER}::1234"}
    step = {"op": op, "urn": urn, "type": type_, "provider": f"{PROVIDER}::1234", "new": new}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "resourcePreEvent": {"metadata": step}})


def heard(*events: EngineEvent) -> list[PlannedCreate]:
    creates = PlannedCreates()
    for each in events:
        creates(each)
    return creates.found


def test_a_planned_create_under_a_declared_name_is_heard() -> None:
    assert heard(event()) == [planned()]


@pytest.mark.parametrize(
    "other",
    [
        event("same"),
        event("update"),
        event("create-replacement"),
        event(type_="aws:sagemaker/model:Model"),
        event(tags=None),
        event(tags={"stack": "acme/dev"}),
        event(name=None),
        EngineEvent.from_json({"sequence": 1, "timestamp": 1}),
    ],
)
def test_nothing_else_is(other: EngineEvent) -> None:
    assert heard(other) == []


@pytest.fixture
def clients() -> dict[str, Any]:
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
    return {name: boto3.client(name, **keys) for name in ("sagemaker", "logs")}


def described(status: str) -> dict[str, Any]:
    times = {"CreationTime": 0, "LastModifiedTime": 0}
    return {"EndpointName": "acme-search", "EndpointArn": ARN, "EndpointStatus": status, **times}


def test_an_endpoint_is_found_with_its_tags_and_its_status(clients: dict[str, Any]) -> None:
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    with Stubber(clients["sagemaker"]) as stub:
        stub.add_response("describe_endpoint", described("InService"), {"EndpointName": "acme-search"})
        stub.add_response("list_tags", {"Tags": tags[:1], "NextToken": "more"}, {"ResourceArn": ARN})
        stub.add_response("list_tags", {"Tags": tags[1:]}, {"ResourceArn": ARN, "NextToken": "more"})
        found = find_existing([planned()], lambda service, region: clients[service], "us-east-1")
    assert found == [(planned(), Existing("acme-search", TAGS, "InService"))]


def test_an_endpoint_that_does_not_exist_is_created(clients: dict[str, Any]) -> None:
    with Stubber(clients["sagemaker"]) as stub:
        stub.add_client_error("describe_endpoint", "ValidationException", f'Could not find endpoint "{ARN}".')
        assert find_existing([planned()], lambda service, region: clients[service], "us-east-1") == []


def test_a_log_group_is_found_by_its_whole_name(clients: dict[str, Any]) -> None:
    group, longer = planned(LOGS, "/acme"), planned(LOGS, "/acm")
    answer = {"logGroups": [{"logGroupName": "/acme", "arn": f"{LOGS_ARN}:*"}]}
    with Stubber(clients["logs"]) as stub:
        stub.add_response("describe_log_groups", answer, {"logGroupNamePrefix": "/acme", "limit": 1})
        stub.add_response("list_tags_for_resource", {"tags": TAGS}, {"resourceArn": LOGS_ARN})
        stub.add_response("describe_log_groups", answer, {"logGroupNamePrefix": "/acm", "limit": 1})
        found = find_existing([group, longer], lambda service, region: clients[service], "us-east-1")
    assert found == [(group, Existing("/acme", TAGS))]


def test_without_the_permission_to_read_nothing_is_adopted(clients: dict[str, Any]) -> None:
    with Stubber(clients["sagemaker"]) as stub:
        stub.add_client_error("describe_endpoint", "AccessDeniedException", "not allowed")
        with pytest.raises(FindingsError, match=r"endpoint acme-search.*not allowed"):
            find_existing([planned()], lambda service, region: clients[service], "us-east-1")


STATE = {STACK, PARENT, PROVIDER}


@pytest.mark.parametrize("status", ["InService", "Creating", "Updating", None])
def test_what_carries_the_tags_of_this_stack_may_be_adopted(status: str | None) -> None:
    require_adoptable([(planned(), Existing("acme-search", {**TAGS, "team": "x"}, status))], STATE, "dev")


@pytest.mark.parametrize(
    ("existing", "state", "words"),
    [
        (Existing("a", {**TAGS, "stack": "other/prod"}, "InService"), STATE, "a resource of the stack other/prod"),
        (Existing("a", {**TAGS, "managed-by": "hand"}, "InService"), STATE, "a resource without a stack's tags"),
        (Existing("a", {}, "InService"), STATE, "a resource without a stack's tags"),
        (Existing("a", TAGS, "Failed"), STATE, "delete-endpoint --endpoint-name acme-search"),
        (Existing("a", TAGS, "Deleting"), STATE, "must have the status InService"),
        (Existing("a", TAGS, "InService"), {STACK, PROVIDER}, "`scaletozero up -e dev`, which creates them"),
        (Existing("a", TAGS, "InService"), {STACK, PARENT}, "`scaletozero up -e dev`, which creates them"),
    ],
)
def test_what_may_not_be_adopted(existing: Existing, state: set[str], words: str) -> None:
    with pytest.raises(FindingsError) as caught:
        require_adoptable([(planned(), existing)], state, "dev")
    (finding,) = caught.value.findings
    assert finding.path == "endpoint acme-search"
    assert words in str(finding)


def test_everything_in_the_way_is_said_at_once() -> None:
    with pytest.raises(FindingsError) as caught:
        require_adoptable(
            [(planned(), Existing("a", {}, "InService")), (planned(LOGS, "/acme"), Existing("b", {}))], STATE, "dev"
        )
    assert [finding.path for finding in caught.value.findings] == ["endpoint acme-search", "log group /acme"]


def wait(clients: dict[str, Any], *statuses: str) -> list[str]:
    said: list[str] = []
    with Stubber(clients["sagemaker"]) as stub:
        for status in statuses:
            stub.add_response("describe_endpoint", described(status), {"EndpointName": "acme-search"})
        found = [(planned(), Existing("acme-search", TAGS, "Creating")), (planned(LOGS, "/acme"), Existing("l", TAGS))]
        wait_until_updatable(found, lambda service, region: clients[service], "us-east-1", said.append, delay=0)
        stub.assert_no_pending_responses()
    return said


def test_an_endpoint_is_adopted_when_it_can_be_updated(clients: dict[str, Any]) -> None:
    assert wait(clients, "Creating", "Creating", "InService") == ["waiting: endpoint acme-search is Creating"]


def test_an_endpoint_that_fails_meanwhile_is_not(clients: dict[str, Any]) -> None:
    with pytest.raises(FindingsError, match="aws sagemaker delete-endpoint"):
        wait(clients, "Creating", "Failed")


def test_an_endpoint_that_is_changed_for_an_hour_is_not(clients: dict[str, Any]) -> None:
    with pytest.raises(FindingsError, match="within an hour"):
        wait(clients, *["Creating"] * 120)


def test_an_endpoint_that_is_deleted_meanwhile_is_not(clients: dict[str, Any]) -> None:
    with Stubber(clients["sagemaker"]) as stub:
        stub.add_client_error("describe_endpoint", "ValidationException", "Could not find endpoint")
        creating = [(planned(), Existing("acme-search", TAGS, "Creating"))]
        with pytest.raises(FindingsError, match="Could not find endpoint"):
            wait_until_updatable(creating, lambda service, region: clients[service], "us-east-1", str, delay=0)


def test_an_endpoint_that_serves_is_not_waited_for() -> None:
    serves = [(planned(), Existing("acme-search", TAGS, "InService"))]
    wait_until_updatable(serves, lambda service, region: pytest.fail(service), "us-east-1", pytest.fail)


def test_the_state_holds_what_is_adopted_below_its_component() -> None:
    before = [{"urn": STACK}, {"urn": PROVIDER, "id": "1234"}, {"urn": PARENT}]
    found = [
        (planned(), Existing("acme-search", TAGS, "InService")),
        (planned(LOGS, "/acme", region=None), Existing("/acme", TAGS)),
    ]
    after, urns = with_adopted({"manifest": {"version": "v3"}, "resources": before}, found)
    assert urns == [each.urn for each, _ in found]
    assert after["manifest"] == {"version": "v3"}
    assert after["resources"][:3] == before
    shared = {"custom": True, "parent": PARENT, "provider": f"{PROVIDER}::1234"}
    named = {"name": "acme-search", "region": "us-east-1"}
    assert after["resources"][3:] == [
        {
            **shared,
            "urn": urns[0],
            "type": ENDPOINT,
            "id": "acme-search",
            "inputs": named,
            "outputs": {**named, "id": "acme-search"},
        },
        {
            **shared,
            "urn": urns[1],
            "type": LOGS,
            "id": "/acme",
            "inputs": {"name": "/acme"},
            "outputs": {"name": "/acme", "id": "/acme"},
        },
    ]
