"""The environment variables with which the engine reaches no cloud but the embedded one."""

from __future__ import annotations

from pathlib import Path

from scaletozero.sandbox.daemon import Sandbox
from scaletozero.sandbox.providers.kube import MANIFESTS

NO_CREDENTIALS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONFIG_FILE")
"""Variables about real accounts, which the sandbox must not see."""


def sandbox_environment(backend: Path, sandbox: Sandbox, manifests: Path) -> dict[str, str]:
    """The environment in which the engine keeps its state in a folder and reaches no cloud but the embedded one.

    Args:
        backend: the folder for the state.
        sandbox: the embedded cloud.
        manifests: the folder that Kubernetes objects are rendered to, unless KUBECONFIG names a cluster.
    """
    return {
        MANIFESTS: str(manifests),
        # The engine writes the state in one step, but not the file of attributes that it would put beside it: a run
        # that is killed in between would leave that empty, and the state unreadable.
        "PULUMI_BACKEND_URL": f"{backend.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "AWS_ENDPOINT_URL": sandbox.aws_url,
        "AWS_ACCESS_KEY_ID": sandbox.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": sandbox.credentials.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(NO_CREDENTIALS, ""),
    }
