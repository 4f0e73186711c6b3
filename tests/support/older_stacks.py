"""What the stacks of earlier versions declared, whose states are kept in `tests/engine/states`."""

from pathlib import Path
from typing import Any

from gpu_declarations import IMAGE as GPU_IMAGE
from gpu_environment import kubernetes

REGION = "eu-central-1"
ACCOUNT = f"{REGION}:123456789012"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/serving:1.0"
TOPIC = f"arn:aws:sns:{ACCOUNT}:on-call"
WINDOW = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin"}
STATES = sorted((Path(__file__).parent.parent / "engine" / "states").glob("*.json"))


def environment() -> dict[str, Any]:
    warm = {"min": 1, "max": 8, "buffer": 1}
    vpc = {"subnet_ids": ["subnet-0123456789abcdef0"], "security_group_ids": ["sg-0123456789abcdef0"]}
    return {
        "region": REGION,
        "tags": {"team": "search"},
        "artifacts": {"kms_key_arn": f"arn:aws:kms:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"},
        "kubernetes": kubernetes(),
        "endpoints": {
            "plain": {"artifact": "small", "image": IMAGE},
            "warm": {
                "artifact": "small",
                "image": IMAGE,
                "memory_mb": 2048,
                "scaling": warm,
                "alarms": {"notify": [TOPIC], "p99_ms": 300},
                "schedule": [{**WINDOW, "min": 3}],
            },
            "queue": {
                "kind": "asynchronous",
                "artifact": "batch",
                "image": IMAGE,
                "instance_type": "ml.g5.xlarge",
                "scaling": {"max": 3, "idle_seconds": 600},
                "alarms": {"notify": [TOPIC]},
                "vpc": vpc,
            },
            "llm": {"kind": "gpu", "artifact": "checkpoint", "image": GPU_IMAGE},
        },
        "sandbox": {"aws_port": 0, "runtime_port": 0},
    }
