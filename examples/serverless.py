"""A sentence encoder that is warm in office hours: a Pulumi program.

Its configuration, in the namespace `serverless`: `artifact` (the folder that `scaletozero package` wrote), `image` (the
serving image in your registry), `pager` (the ARN of an SNS topic).
"""

import pulumi
import pulumi_aws as aws

from scaletozero import ArtifactStore, ServerlessEndpoint

REGION = "eu-central-1"


def main(artifact: str, image: str, pager: pulumi.Input[str]) -> ServerlessEndpoint:
    """Declares the bucket and the endpoint: one container always warm, four in office hours, at most twenty."""
    opts = pulumi.ResourceOptions(providers=[aws.Provider("aws", region=REGION)])
    store = ArtifactStore("artifacts", {"region": REGION}, opts)
    return ServerlessEndpoint(
        "sentences",
        {
            "artifact": artifact,
            "bucket": store.bucket,
            "image": image,
            "region": REGION,
            "scaling": {"min": 1, "max": 20},
            "schedule": [
                {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 4}
            ],
            "alarms": {"p99_ms": 250, "notify": [pager]},
        },
        opts,
    )


if __name__ == "__main__":
    config = pulumi.Config("serverless")
    endpoint = main(config.require("artifact"), config.require("image"), config.require("pager"))
    pulumi.export("endpoint", endpoint.endpoint_name)
