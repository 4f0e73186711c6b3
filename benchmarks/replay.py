"""How long `advise` takes to replay a generated trace: a million arrivals over 100 endpoints on instances, on one core.

python benchmarks/replay.py
"""

import random
import time

from scaletozero.scaling.fleet import Fleet, replay_fleet
from scaletozero.scaling.trace import Trace

ENDPOINTS, ARRIVALS = 100, 10_000
FLEET = Fleet(maximum=8, concurrency=4, start_seconds=300.0, idle_seconds=600.0)


def generated(chance: random.Random) -> Trace:
    """Poisson arrivals, from one in a quarter of an hour to two a second, of two seconds of work on average."""
    now, rate = 0.0, chance.uniform(0.001, 2)
    starts = []
    for _ in range(ARRIVALS):
        now += chance.expovariate(rate)
        starts.append(now)
    return Trace(starts, [chance.expovariate(1 / 2) for _ in starts])


def main() -> None:
    chance = random.Random(1)
    traces = [generated(chance) for _ in range(ENDPOINTS)]
    began = time.process_time()
    found = [replay_fleet(each, FLEET) for each in traces]
    took = time.process_time() - began
    calls, cold = sum(len(each.waits) for each in found), sum(each.cold for each in found)
    print(f"{calls:,} arrivals over {ENDPOINTS} endpoints: {took:.1f} s of one core, {cold / calls:.1%} cold")


if __name__ == "__main__":
    main()
