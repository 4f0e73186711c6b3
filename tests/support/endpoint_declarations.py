"""What the tests of endpoints on SageMaker declare, and how they read what came of it."""

from typing import Any

from model_packaging.artifact.reader import Artifact

REGION = "eu-central-1"
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/serving:1.2.3"
KEY = f"arn:aws:kms:{REGION}:111122223333:key/abc"
TOPIC = f"arn:aws:sns:{REGION}:111122223333:pager"
OFFICE = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 4}
WEEKDAYS = "MON,TUE,WED,THU,FRI"
POOL = (
    "appautoscaling/target:Target",
    "appautoscaling/policy:Policy",
    "appautoscaling/scheduledAction:ScheduledAction",
)


def args(artifact: Artifact, /, **changes: Any) -> Any:
    return {"artifact": str(artifact.path), "bucket": "models", "image": IMAGE, "region": REGION, **changes}


def kinds(done: Any) -> list[str]:
    return [name.removeprefix("aws:") for name in done.types()]
