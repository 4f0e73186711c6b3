"""The components as a plugin: the engine constructs them for a program that has only their names."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from languages import install_plugin
from pulumi.automation.errors import CommandError
from workbench import IMAGE

from model_packaging import Artifact
from scaletozero.plugin import NAME, VERSION
from scaletozero.sandbox.testing import SandboxStack


class Remote(pulumi.ComponentResource):
    """A component of the plugin, as a generated binding of any language would register it."""

    bucket: pulumi.Output[str]
    endpointName: pulumi.Output[str]  # noqa: N815 - outputs keep the schema's names here

    def __init__(self, kind: str, name: str, args: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        outputs = dict.fromkeys({"ArtifactStore": ["bucket"], "ServerlessEndpoint": ["endpointName"]}[kind])
        super().__init__(f"{NAME}:index:{kind}", name, {**outputs, **args}, opts, remote=True)


@pytest.fixture
def stack(sandbox_stack: SandboxStack, tmp_path: Path) -> SandboxStack:
    """Stacks whose engine has the plugin, as after `pulumi plugin install`."""
    install_plugin(tmp_path / "home")
    return sandbox_stack


def declare(encoder: Artifact, **changes: Any) -> None:
    opts = pulumi.ResourceOptions(providers=[aws.Provider("aws", region="us-east-1")], version=VERSION)
    store = Remote("ArtifactStore", "artifacts", {"region": "us-east-1"}, opts)
    args = {"artifact": str(encoder.path), "bucket": store.bucket, "image": IMAGE, "region": "us-east-1", **changes}
    endpoint = Remote("ServerlessEndpoint", "sentences", args, opts)
    pulumi.export("name", endpoint.endpointName)


def test_a_program_in_any_language_gets_the_same_endpoint(stack: SandboxStack, encoder: Artifact) -> None:
    made = stack(lambda: declare(encoder, memoryMb=2048, scaling={"max": 4}))
    result = made.up()
    assert result.outputs["name"].value == "acme-dev-sentences"
    assert dict(result.summary.resource_changes or {}) == {"create": 18}
    resources = json.loads(json.dumps(made.export_stack().deployment))["resources"]
    (configuration,) = [r for r in resources if r["type"].endswith(":EndpointConfiguration")]
    variant = configuration["inputs"]["productionVariants"][0]
    assert variant["serverlessConfig"] == {"memorySizeInMb": 2048, "maxConcurrency": 4}
    made.destroy()


def test_a_mistake_reaches_the_program_as_the_same_finding(stack: SandboxStack, encoder: Artifact) -> None:
    with pytest.raises(CommandError, match=r"sentences.scaling.max: must be from 1 to 200, got 500"):
        stack(lambda: declare(encoder, scaling={"max": 500})).preview()
