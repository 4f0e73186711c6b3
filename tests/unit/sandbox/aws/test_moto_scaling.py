"""The sandbox starts without moto's EC2, and its ECS is there for those who ask for it."""

import subprocess
import sys
from typing import Any

HEAVY = ("moto.ec2", "moto.ecs")
SERVER = f"import sys, scaletozero.sandbox.aws.server; print([each for each in {HEAVY} if each in sys.modules])"


def test_a_start_does_not_read_the_tables_of_ec2() -> None:
    done = subprocess.run([sys.executable, "-c", SERVER], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_services_of_ecs_are_scaled_as_moto_does(world: Any) -> None:
    ecs = world.client("ecs")
    ecs.create_cluster(clusterName="web")
    ecs.register_task_definition(family="task", containerDefinitions=[{"name": "c", "image": "i", "memory": 256}])
    ecs.create_service(cluster="web", serviceName="shop", taskDefinition="task", desiredCount=1)
    scaling = world.client("application-autoscaling")
    service = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
    scaling.register_scalable_target(**service, ResourceId="service/web/shop", MinCapacity=1, MaxCapacity=2)
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert (target["ResourceId"], target["MaxCapacity"]) == ("service/web/shop", 2)
