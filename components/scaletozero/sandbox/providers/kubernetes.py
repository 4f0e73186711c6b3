"""The sandbox's plugin `pulumi-resource-kubernetes`: `python -m scaletozero.sandbox.providers.kubernetes <engine>`."""

from __future__ import annotations

import importlib.metadata
import sys


def main() -> None:
    # If this validator is installed, the client spends over a second on importing it, for a call that is not made here.
    # Rendering without a cluster imports it itself.
    sys.modules["kubernetes_validate"] = None  # type: ignore[assignment]
    import kubernetes.client  # noqa: F401

    del sys.modules["kubernetes_validate"]
    from scaletozero.sandbox.providers.kube.server import KubernetesServicer
    from scaletozero.sandbox.providers.protocol import Engine, serve

    engine = Engine(next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None))
    serve(KubernetesServicer(importlib.metadata.version("pulumi-kubernetes"), engine))


if __name__ == "__main__":
    main()
