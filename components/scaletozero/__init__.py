"""Serve AI models from your own cloud accounts and pay per query."""

from scaletozero.artifact_store import ArtifactStore, ArtifactStoreArgs
from scaletozero.endpoints.serverless import ServerlessEndpoint, ServerlessEndpointArgs, ServerlessScalingArgs

__all__ = [
    "ArtifactStore",
    "ArtifactStoreArgs",
    "ServerlessEndpoint",
    "ServerlessEndpointArgs",
    "ServerlessScalingArgs",
]
