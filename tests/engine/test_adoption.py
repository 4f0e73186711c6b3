"""`up --adopt`: what exists under a declared name and is not in the state is imported into it."""

import copy
from collections.abc import Collection
from typing import Any

from pulumi import automation as auto
from workbench import Workbench, endpoint

from model_packaging import Artifact
from scaletozero.sandbox.inventory import Inventory, inventory_file

FORGOTTEN = ("aws:sagemaker/endpoint:Endpoint", "aws:cloudwatch/logGroup:LogGroup")


def forget(workbench: Workbench) -> dict[str, dict[str, Any]]:
    """Removes the endpoint and its log group from the state, and from what the sandbox remembers; both by URN."""
    stack = workbench.stack()
    exported = stack.export_stack()
    assert exported.deployment
    state: dict[str, Any] = copy.deepcopy({**exported.deployment})
    gone = {each["urn"]: each for each in state["resources"] if each["type"] in FORGOTTEN}
    state["resources"] = [without(each, gone) for each in state["resources"] if each["urn"] not in gone]
    stack.import_stack(auto.Deployment(exported.version, state))
    # Otherwise the sandbox deletes them as an interrupted run's leftovers, which an account does not do.
    inventory = Inventory(inventory_file(workbench.root / ".scaletozero", "local"))
    for created in inventory.live():
        if created.kind in FORGOTTEN:
            inventory.gone(created)
    return gone


def without(resource: dict[str, Any], gone: Collection[str]) -> dict[str, Any]:
    """The resource as if it depended on none of those."""
    resource["dependencies"] = [urn for urn in resource.get("dependencies") or [] if urn not in gone]
    resource["propertyDependencies"] = {
        key: [urn for urn in urns or [] if urn not in gone]
        for key, urns in (resource.get("propertyDependencies") or {}).items()
    }
    return resource


def held(workbench: Workbench) -> dict[str, dict[str, Any]]:
    deployed = workbench.stack().export_stack().deployment
    assert deployed
    return {each["urn"]: each for each in deployed["resources"] if each["type"] in FORGOTTEN}


def test_what_the_state_does_not_hold_is_imported_below_its_component_and_updated(
    workbench: Workbench, encoder: Artifact
) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    created = workbench.aws("sagemaker").list_endpoints()["Endpoints"]
    gone = forget(workbench)
    assert len(gone) == 2
    workbench.declare(endpoints={"sentences": endpoint(encoder, scaling={"max": 7})})

    said = workbench.done("up", "--adopt")

    assert "local: 2 adopted." in said
    last = [line for line in said.splitlines() if line.startswith("local: ")][-1]
    assert "1 created" in last or "replaced" in last  # the configuration, and neither the endpoint nor its logs
    adopted = held(workbench)
    assert {urn: (each["id"], each["parent"]) for urn, each in adopted.items()} == {
        urn: (each["id"], each["parent"]) for urn, each in gone.items()
    }
    assert not any(each.get("protect") for each in adopted.values())
    after = workbench.aws("sagemaker").list_endpoints()["Endpoints"]
    assert [each["CreationTime"] for each in after] == [each["CreationTime"] for each in created]
    assert "nothing changes" in workbench.done("up")


def test_what_another_stack_owns_is_not_adopted(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    sagemaker = workbench.aws("sagemaker")
    (found,) = sagemaker.list_endpoints()["Endpoints"]
    gone = forget(workbench)
    assert gone
    sagemaker.add_tags(ResourceArn=found["EndpointArn"], Tags=[{"Key": "stack", "Value": "others/prod"}])

    result = workbench.run("up", "--adopt")

    assert result.returncode == 2
    assert "a resource of the stack others/prod" in result.stderr
    assert not held(workbench)
    # And without --adopt the service refuses, and the last line says what could be done.
    result = workbench.run("up")
    assert result.returncode == 1
    assert "scaletozero up -e local --adopt" in result.stderr.splitlines()[-1]
