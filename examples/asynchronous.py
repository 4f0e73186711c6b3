"""A model on GPU instances that run only while requests wait: a Pulumi program, and a caller of the endpoint.

Its configuration, in the namespace `asynchronous`: `artifact` (the folder that `scaletozero package` wrote), `image`
(the serving image in your registry).

Without an account: declare the endpoint in an environment with a `sandbox` (docs/async.md, "Try it here"), then give
boto3 the address of the sandbox, and `ask()` works unchanged:

    source .scaletozero/aws.env && export AWS_DEFAULT_REGION=us-east-1
"""

import pulumi
import pulumi_aws as aws

from scaletozero import ArtifactStore, AsyncEndpoint, result, submit

REGION = "eu-central-1"


def main(artifact: str, image: str) -> AsyncEndpoint:
    """Declares the bucket and the endpoint: no instance at night, one in office hours, at most three."""
    opts = pulumi.ResourceOptions(providers=[aws.Provider("aws", region=REGION)])
    store = ArtifactStore("artifacts", {"region": REGION, "keep_answers_days": 7}, opts)
    return AsyncEndpoint(
        "documents",
        {
            "artifact": artifact,
            "bucket": store.bucket,
            "image": image,
            "region": REGION,
            "instance_type": "ml.g5.xlarge",
            "concurrency": 2,
            "scaling": {"max": 3, "idle_seconds": 900},
            "schedule": [
                {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 1}
            ],
            "alarms": {"backlog_seconds": 1800},
        },
        opts,
    )


def ask(endpoint: str, requests: str, body: bytes) -> bytes:
    """Sends a request and waits for its result; `endpoint` and `requests` are the stack's outputs."""
    return result(submit(endpoint, body, requests=requests), timeout=1800)


if __name__ == "__main__":
    config = pulumi.Config("asynchronous")
    deployed = main(config.require("artifact"), config.require("image"))
    pulumi.export("endpoint", deployed.endpoint_name)
    pulumi.export("requests", deployed.requests)
