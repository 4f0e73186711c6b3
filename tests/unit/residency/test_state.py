"""An exported state becomes resources; what is encrypted in it is unknown, and what is no state is refused."""

from typing import Any

import pytest
from residency_leaks import HERE, THERE

from model_packaging.findings import FindingsError
from scaletozero.residency.resource import UNKNOWN
from scaletozero.residency.state import plain, resources_of

PROVIDER = "urn:pulumi:prod::own::pulumi:providers:aws::default_7_51_1"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def exported(region: Any = HERE, **properties: Any) -> dict[str, Any]:
    urn = "urn:pulumi:prod::own::aws:sqs/queue:Queue::jobs"
    return {
        "version": 3,
        "deployment": {
            "manifest": {},
            "resources": [
                {"urn": "urn:pulumi:prod::own::pulumi:pulumi:Stack::own-prod", "type": "pulumi:pulumi:Stack"},
                {
                    "urn": PROVIDER,
                    "custom": True,
                    "id": "1",
                    "type": "pulumi:providers:aws",
                    "inputs": {"region": region},
                },
                {
                    "urn": urn,
                    "custom": True,
                    "id": "q",
                    "type": "aws:sqs/queue:Queue",
                    "inputs": properties,
                    "outputs": {"arn": "a"},
                    "provider": f"{PROVIDER}::1",
                    "propertyDependencies": {"policy": [urn]},
                },
            ],
        },
    }


def test_a_resource_is_in_its_providers_region_unless_it_says_another() -> None:
    _, queue = resources_of(exported(), "state.json")
    assert (queue.type, queue.name, queue.home) == ("aws:sqs/queue:Queue", "jobs", HERE)
    assert queue.depends == {"policy": [queue.urn]}
    state = exported()
    state["deployment"]["resources"][2]["inputs"] = {"region": THERE}
    assert resources_of(state, "state.json")[1].home == THERE


def test_what_is_encrypted_is_unknown_and_a_secret_in_clear_is_read() -> None:
    assert plain({**SECRET, "ciphertext": "v1:abc"}) is UNKNOWN
    assert plain({"a": [{**SECRET, "value": "x"}]}) == {"a": ["x"]}
    assert plain("04da6b54-80e4-46f7-96ec-b56ff0331ba9") is UNKNOWN
    assert resources_of(exported(region={**SECRET, "ciphertext": "v1:abc"}), "s")[1].home is UNKNOWN


def test_an_empty_stack_has_no_resources() -> None:
    assert resources_of({"version": 3, "deployment": {"resources": None}}, "state.json") == []


@pytest.mark.parametrize("version", [None, 1, 2, 5, "3"])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(FindingsError, match="must be a stack's exported state, version 3 or 4"):
        resources_of({**exported(), "version": version}, "state.json")


@pytest.mark.parametrize("export", [[], "state", None, 3])
def test_what_is_no_mapping_is_refused(export: Any) -> None:
    with pytest.raises(FindingsError, match=r"pulumi stack export"):
        resources_of(export, "state.json")


@pytest.mark.parametrize("deployment", [None, [], {"resources": {"a": 1}}, {"resources": ["x"]}, {"resources": [{}]}])
def test_a_state_without_a_list_of_resources_is_refused(deployment: Any) -> None:
    with pytest.raises(FindingsError, match=r"deployment\.resources"):
        resources_of({"version": 3, "deployment": deployment}, "state.json")


def test_every_mark_of_the_policies_own_sdk_is_known() -> None:
    from scaletozero.residency import state

    assert len(state._UNKNOWN_TEXTS) == 7
