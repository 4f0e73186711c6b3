"""How long 1,000 endpoints take to be estimated, against the time in which their settings are validated.

Prints the median of several rounds, and its ratio to the time of `parse`, which every command does anyway.

    python benchmarks/estimate.py [--endpoints 1000] [--rounds 5]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from small_artifact import small_artifact

from model_packaging.validation import parse
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.settings import Environment
from scaletozero.spending.prices import shipped
from scaletozero.spending.traffic import Assumptions

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"


def declared(count: int) -> dict[str, object]:
    """Serverless endpoints of all sizes, a third of them warm, and asynchronous ones."""
    random, endpoints = Random(1), {}
    for index in range(count):
        each: dict[str, object] = {"artifact": "model", "image": IMAGE}
        if index % 3 == 2:
            each |= {"kind": "asynchronous", "instance_type": random.choice(["ml.g5.xlarge", "ml.g6e.xlarge"])}
            each["scaling"] = {"max": random.randint(1, 10)}
        else:
            each["memory_mb"] = random.choice([1024, 2048, 3072, 4096, 5120, 6144])
            each["scaling"] = {"max": random.randint(2, 200), "min": index % 3}
        endpoints[f"e{index}"] = each
    quotas = {
        "serverless_endpoints": count,
        "concurrency": 200 * count,
        "provisioned_concurrency": 200 * count,
        "instances": {"ml.g5.xlarge": 10 * count, "ml.g6e.xlarge": 10 * count},
    }
    return {"region": "us-east-1", "endpoints": endpoints, "quotas": quotas}


def median(rounds: int, work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser()
    options.add_argument("--endpoints", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        artifact = small_artifact(Path(folder))
        data, table = declared(given.endpoints), shipped()
        environment = parse(Environment, data)
        environment = environment.with_opened(dict.fromkeys(environment.endpoints, artifact))
        parsed = median(given.rounds, lambda: parse(Environment, data))
        estimated = median(given.rounds, lambda: estimate_environment(environment, Assumptions(), table))
        shown = estimate_environment(environment, Assumptions(), table)
    assert len(shown.endpoints) == given.endpoints, shown.unpriced[:1]
    print(f"{given.endpoints} endpoints estimated in {estimated:.2f} s of processor time, median of {given.rounds}")
    print(f"validated in {parsed:.2f} s: the estimate takes {estimated / parsed:.2f} times that")
    print(f"{sum(len(each.break_even) for each in shown.endpoints)} comparisons, {shown.expected:,.2f} USD a month")


if __name__ == "__main__":
    main()
