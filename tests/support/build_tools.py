"""Builds the programs that the tests need (engine, YAML host, cluster, KEDA, Karpenter) into the shared cache, and
fetches DynamoDB Local."""

import subprocess
import sys
import time
from collections.abc import Callable

from dynamodb_local import NAME, find_dynamodb_local
from languages import NODE_HOST, YAML_HOST, find_host
from oci_registry import REGISTRY, find_registry

from model_packaging.findings import FindingsError
from scaletozero.engine.find import find_engine
from scaletozero.sandbox.cluster.programs import EVERYTHING, find_programs


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    steps: dict[str, Callable[[], object]] = {"pulumi": lambda: find_engine(say)}
    steps |= {host.name: lambda host=host: find_host(host, say) for host in (YAML_HOST, NODE_HOST)}
    steps |= {module.name: lambda module=module: find_programs([module], say) for module in EVERYTHING}
    steps[REGISTRY.name] = lambda: find_registry(say)
    steps[NAME] = lambda: find_dynamodb_local(say)
    for name, step in steps.items():
        began = time.monotonic()
        try:
            step()
        except (FindingsError, OSError, RuntimeError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
        say(f"{name}: there after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
