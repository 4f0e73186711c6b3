"""A program of one's own in the command: what is deployed is read from the stack's resources."""

import json

from workbench import IMAGE, NOTHING, Workbench

from model_packaging import Artifact

PROGRAM = """
import pulumi
import pulumi_aws as aws
from scaletozero import ArtifactStore, ServerlessEndpoint

class Team(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("team:index:Team", name)
        inside = pulumi.ResourceOptions(parent=self, providers=[aws.Provider("aws", region="us-east-1")])
        store = ArtifactStore("artifacts", {{"region": "us-east-1"}}, inside)
        self.endpoint = ServerlessEndpoint("vectors", {{
            "artifact": {artifact!r}, "bucket": store.bucket, "image": {image!r}, "region": "us-east-1",
            "scaling": {{"max": 3}},
        }}, inside)

team = Team("search")
pulumi.export("endpoints", ["a list", "of its own"])
{more}
"""

FAILING = """
def fail(arn):
    raise RuntimeError("what follows the endpoint")
pulumi.export("late", team.endpoint.endpoint_arn.apply(fail))
"""


def test_an_export_named_endpoints_and_a_program_that_fails_after_the_endpoint(
    workbench: Workbench, encoder: Artifact
) -> None:
    program = workbench.root / "stacks" / "__main__.py"
    program.write_text(PROGRAM.format(artifact=str(encoder.path), image=IMAGE, more=FAILING))
    workbench.declare()
    result = workbench.run("up")
    assert result.returncode == 1
    assert "what follows the endpoint" in result.stderr

    # The stack has no outputs now, but it has an endpoint.
    report = json.loads(workbench.run("status", "--json").stdout)
    about = report["endpoints"]["vectors"]
    assert (about["kind"], about["max"], about["digest"]) == ("serverless", 3, encoder.digest)
    assert about["arn"].endswith(about["name"])
    assert report["live"]["endpoints"][about["name"]]["status"] == "InService"
    asked = workbench.run("invoke", "vectors", '{"inputs": ["hello"]}')
    assert len(json.loads(asked.stdout)["embeddings"][0]) == 384
    unknown = workbench.run("invoke", "vector", "{}")
    assert unknown.returncode == 2
    assert "Fix: write `vectors`" in unknown.stderr

    program.write_text(PROGRAM.format(artifact=str(encoder.path), image=IMAGE, more=""))
    workbench.done("up")
    shown = workbench.run("status")
    assert "vectors" in shown.stdout
    assert "implemented by the sandbox itself" not in shown.stderr
    assert "implemented by the sandbox itself" in workbench.run("status", "--verbose").stderr
    workbench.stack().destroy()
    assert workbench.left() == NOTHING
    assert "everything is deleted" in workbench.done("down")
