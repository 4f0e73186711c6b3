"""The tests that the guides tell organisations to write, run as they are written."""

from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from snippets import Snippet, all_snippets
from workbench import IMAGE

from model_packaging import Artifact
from scaletozero import ArtifactStore, ServerlessEndpoint
from scaletozero.sandbox.testing import SandboxStack

REGION = "us-east-1"


@pytest.mark.parametrize("snippet", [pytest.param(each, id=each.name) for each in all_snippets() if each.is_a_test])
def test_a_test_of_the_reader_passes(snippet: Snippet, sandbox_stack: SandboxStack, encoder: Artifact) -> None:
    def program() -> None:
        opts = pulumi.ResourceOptions(providers=[aws.Provider("aws", region=REGION)])
        bucket = ArtifactStore("artifacts", {"region": REGION}, opts).bucket
        args = {"artifact": str(encoder.path), "bucket": bucket, "image": IMAGE, "region": REGION}
        pulumi.export("name", ServerlessEndpoint("sentences", args, opts).endpoint_name)  # pyright: ignore[reportArgumentType]

    names: dict[str, Any] = {"program": program}
    exec(compile(snippet.text, snippet.name, "exec"), names)
    (test,) = [value for name, value in names.items() if name.startswith("test_")]
    test(sandbox_stack)
