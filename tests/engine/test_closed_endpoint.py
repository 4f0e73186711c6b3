"""An endpoint that its spending guard closed is deleted with its environment: the denial is taken off first."""

import json

from workbench import Workbench, endpoint

from model_packaging import Artifact

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}],
}


def test_an_environment_with_a_closed_endpoint_is_deleted(workbench: Workbench, encoder: Artifact) -> None:
    endpoints = {"vectors": endpoint(encoder)}
    workbench.declare(endpoints=endpoints)
    workbench.done("up")
    iam = workbench.aws("iam")
    caller = iam.create_role(RoleName="gateway", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    guard = {"emails": ["team@example.com"], "callers": [caller]}
    spending = {"cap_usd_per_month": 20, "endpoints": {"vectors": 20}, "guard": guard}
    workbench.declare(endpoints=endpoints, spending=spending)
    workbench.done("up")
    (denial,) = (each for each in iam.list_policies(Scope="Local")["Policies"] if "closed" in each["PolicyName"])
    iam.attach_role_policy(RoleName="gateway", PolicyArn=denial["Arn"])

    result = workbench.run("down")

    assert result.returncode == 0, result.stderr
    assert "was closed by its spending guard: gateway may invoke it" in result.stdout + result.stderr
    assert "everything is deleted" in result.stderr
