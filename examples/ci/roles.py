"""What a pipeline may do in an account, without a key that anybody keeps: a Pulumi program, deployed once by a person.

The pipeline's own token is exchanged for the credentials of a role (OpenID Connect). Each role trusts one subject, as a
whole: `deploy` the main branch, `preview` the pull requests of the repository. A fork gets no token, and needs none.

Its configuration, in the namespace `ci`: `host` (`github` or `gitlab`), `repository` (`acme/models`), `state_bucket`
(the bucket of the Pulumi backend), `key_arn` (the KMS key of the stacks' secrets), and `provider_arn`, if the account
has the identity provider already: an account has at most one of an address.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

REGION = "eu-central-1"


@dataclass(frozen=True)
class Host:
    """Where pipelines run.

    Attributes:
        url: who signs their tokens.
        audience: for whom they are made out.
        deploys: the subject of a pipeline of the main branch.
        previews: the subject of a pull request; none where it names a branch, which would not be one subject.
    """

    url: str
    audience: str
    deploys: str
    previews: str = ""


HOSTS = {
    "github": Host(
        "https://token.actions.githubusercontent.com",
        "sts.amazonaws.com",
        "repo:{repository}:ref:refs/heads/main",
        "repo:{repository}:pull_request",
    ),
    "gitlab": Host("https://gitlab.com", "https://gitlab.com", "project_path:{repository}:ref_type:branch:ref:main"),
}


def trust(host: Host, provider_arn: str, subject: str) -> str:
    """The policy that says who may take a role: one subject, compared as a whole.

    `StringLike` with a `*` would let other repositories in, and `ForAllValues` everybody whose token lacks the claim.
    """
    issuer = host.url.removeprefix("https://")
    exactly = {f"{issuer}:aud": host.audience, f"{issuer}:sub": subject}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": exactly},
    }
    return policy([statement])


def policy(statements: Sequence[Mapping[str, Any]]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def may_preview(state_bucket: str, key_arn: str) -> str:
    """What a preview needs: it reads the state, decrypts the secrets in it, and asks AWS for nothing else."""
    bucket = f"arn:aws:s3:::{state_bucket}"
    return policy(
        [
            {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": bucket},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/.pulumi/*"},
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key_arn},
        ]
    )


def may_deploy(state_bucket: str, key_arn: str, account: str) -> str:
    """What `up` needs for serverless and asynchronous endpoints, with their buckets, roles, alarms and schedules."""
    state = f"arn:aws:s3:::{state_bucket}"
    models = "arn:aws:s3:::artifacts-*"
    roles = f"arn:aws:iam::{account}:role/*-role-*"
    here = {"StringEquals": {"aws:RequestedRegion": REGION}}
    services = [
        f"{each}:*"
        for each in ("sagemaker", "logs", "cloudwatch", "application-autoscaling", "scheduler", "lambda", "sns", "sqs")
    ]
    scaling = f"arn:aws:iam::{account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/*"
    manage_roles = [
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
        "iam:PutRolePolicy",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRoleDescription",
    ]
    assumed_by = ["sagemaker.amazonaws.com", "scheduler.amazonaws.com", "lambda.amazonaws.com"]
    return policy(
        [
            {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": state},
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": f"{state}/.pulumi/*",
            },
            {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Encrypt"], "Resource": key_arn},
            {
                "Effect": "Allow",
                "Action": "s3:*",
                "Resource": [models, f"{models}/*"],
            },
            {"Effect": "Allow", "Action": services, "Resource": "*", "Condition": here},
            {"Effect": "Allow", "Action": manage_roles, "Resource": roles},
            {"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": scaling},
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": roles,
                "Condition": {"StringEquals": {"iam:PassedToService": assumed_by}},
            },
        ]
    )


def main(
    host: Host, repository: str, state_bucket: str, key_arn: str, provider_arn: str = ""
) -> dict[str, aws.iam.Role]:
    """Declares the identity provider, unless the account has it, and the roles; by what they are for."""
    account = key_arn.split(":")[4]
    opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region=REGION))
    trusted: pulumi.Input[str] = provider_arn
    if not provider_arn:
        provider = aws.iam.OpenIdConnectProvider("pipelines", url=host.url, client_id_lists=[host.audience], opts=opts)
        trusted = provider.arn
    allowed = {"deploy": (host.deploys, may_deploy(state_bucket, key_arn, account))}
    if host.previews:
        allowed["preview"] = (host.previews, may_preview(state_bucket, key_arn))
    roles: dict[str, aws.iam.Role] = {}
    for name, (subject, document) in allowed.items():
        who = subject.format(repository=repository)
        roles[name] = aws.iam.Role(
            name,
            description=f"Taken by pipelines: {who}",
            assume_role_policy=pulumi.Output.from_input(trusted).apply(lambda arn, who=who: trust(host, arn, who)),
            max_session_duration=3600,
            opts=opts,
        )
        aws.iam.RolePolicy(name, role=roles[name].name, policy=document, opts=opts)
    return roles


if __name__ == "__main__":
    config = pulumi.Config("ci")
    made = main(
        HOSTS[config.get("host") or "github"],
        config.require("repository"),
        config.require("state_bucket"),
        config.require("key_arn"),
        config.get("provider_arn") or "",
    )
    for purpose, role in made.items():
        pulumi.export(f"{purpose}_role_arn", role.arn)
