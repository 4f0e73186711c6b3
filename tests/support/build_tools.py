"""Builds the programs that the tests need (engine, cluster, KEDA, Karpenter) into the shared cache, one by one."""

import sys
import time

from model_packaging.findings import FindingsError
from scaletozero.engine.find import find_engine
from scaletozero.sandbox.cluster.programs import EVERYTHING, find_programs


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    steps = {"pulumi": lambda: find_engine(say)}
    steps |= {module.name: lambda module=module: find_programs([module], say) for module in EVERYTHING}
    for name, step in steps.items():
        began = time.monotonic()
        try:
            step()
        except FindingsError as error:
            print(error, file=sys.stderr)
            return 1
        say(f"{name}: there after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
