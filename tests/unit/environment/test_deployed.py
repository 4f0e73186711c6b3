"""What is read from a stack's state: by resource, never by an export's name, however many there are."""

from typing import Any

import pytest

from scaletozero.environment.deployed import endpoints_in

STACK = "urn:pulumi:dev::acme::pulumi:pulumi:Stack::acme-dev"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}


def resource(kind: str, name: str, parent: str = STACK, **more: Any) -> dict[str, Any]:
    return {"urn": f"{parent.rpartition('::')[0]}${kind}::{name}", "type": kind, "parent": parent, **more}


def serverless(name: str, parent: str = STACK, **outputs: Any) -> list[dict[str, Any]]:
    owner = resource("scaletozero:index:ServerlessEndpoint", name, parent, outputs=outputs)
    variant = {"serverlessConfig": {"memorySizeInMb": 2048.0, "maxConcurrency": 7.0}}
    arn = f"arn:aws:sagemaker:eu-central-1:111122223333:endpoint/acme-{name}"
    configuration = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    return [
        owner,
        resource(configuration, f"{name}-c", owner["urn"], outputs={"productionVariants": [variant]}),
        resource("aws:sagemaker/endpoint:Endpoint", name, owner["urn"], id=f"acme-{name}", outputs={"arn": arn}),
        resource("aws:cloudwatch/logGroup:LogGroup", f"{name}-l", owner["urn"], outputs={"name": f"/aws/{name}"}),
    ]


def test_an_endpoint_whose_component_never_registered_its_outputs() -> None:
    assert endpoints_in(serverless("sentences")) == {
        "sentences": {
            "kind": "serverless",
            "name": "acme-sentences",
            "arn": "arn:aws:sagemaker:eu-central-1:111122223333:endpoint/acme-sentences",
            "region": "eu-central-1",
            "memory_mb": 2048,
            "max": 7,
            "logs": "/aws/sentences",
        }
    }


def test_behind_hundreds_of_other_resources() -> None:
    others = [resource("aws:s3/bucket:Bucket", f"b{index}") for index in range(500)]
    assert set(endpoints_in([*others, *serverless("sentences")])) == {"sentences"}


def test_two_of_one_name_are_told_apart_by_their_parents() -> None:
    teams = [resource("team:index:Search", "search"), resource("team:index:Chat", "chat")]
    below = [each for team in teams for each in serverless("vectors", team["urn"])]
    assert set(endpoints_in([*teams, *below])) == {"search/vectors", "chat/vectors"}


def test_a_component_without_its_endpoint_is_not_deployed() -> None:
    assert endpoints_in(serverless("sentences")[:2]) == {}


def test_an_endpoint_that_waits_for_its_deletion_is_none() -> None:
    assert endpoints_in([{**each, "delete": True} for each in serverless("sentences")]) == {}


def test_a_secret_stays_in_the_state() -> None:
    found = endpoints_in(serverless("sentences", artifact_digest=SECRET, requests=SECRET))["sentences"]
    assert "digest" not in found
    assert "requests" not in found


@pytest.mark.parametrize("kind", ["aws:lambda/function:Function", "team:index:ServerlessEndpoint"])
def test_what_is_no_endpoint(kind: str) -> None:
    assert endpoints_in([resource(kind, "sentences", outputs={"endpoint_name": "sentences"})]) == {}
