"""An environment with a guard, deployed: its boundary is on the endpoint's role, which still works under it."""

import json

from workbench import Workbench, endpoint

from model_packaging import Artifact


def test_an_endpoint_answers_under_the_boundary_of_its_residency(workbench: Workbench, encoder: Artifact) -> None:
    held = {"regions": ["us-east-1"], "guard": True}
    workbench.declare(endpoints={"vectors": endpoint(encoder)}, residency=held)
    workbench.done("up")

    iam = workbench.aws("iam")
    (policy,) = iam.list_policies(Scope="Local")["Policies"]
    roles = [iam.get_role(RoleName=each["RoleName"])["Role"] for each in iam.list_roles()["Roles"]]
    bounded = [each["PermissionsBoundary"]["PermissionsBoundaryArn"] for each in roles if "vectors" in each["RoleName"]]
    assert bounded == [policy["Arn"]]
    # Its role fetches the model under the boundary: the embedded AWS decides with both.
    asked = workbench.run("invoke", "vectors", '{"inputs": ["hello"]}').stdout
    assert len(json.loads(asked)["embeddings"][0]) == 384

    # Somebody weakens it by hand: the next update puts it back.
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=json.dumps(document), SetAsDefault=True)
    assert "policy" in workbench.stack().refresh().stdout
    workbench.done("up")
    (version,) = (
        each for each in iam.list_policy_versions(PolicyArn=policy["Arn"])["Versions"] if each["IsDefaultVersion"]
    )
    current = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=version["VersionId"])["PolicyVersion"]
    assert "DenyOtherRegions" in json.dumps(current["Document"])

    workbench.declare(endpoints={"vectors": endpoint(encoder)}, residency={**held, "guard": False})
    workbench.done("up")
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert "everything is deleted" in workbench.done("down")
