"""Meters: what a trace of requests is billed, second by second, written without the code that estimates it.

A trace is the times at which requests come, in seconds, in order, and how long each is worked on.
"""

from fractions import Fraction

import numpy as np

MONTH = 730 * 3600


def poisson(rng: np.random.Generator, requests: int, seconds: float = MONTH) -> np.ndarray:
    """That many requests at random times."""
    return np.sort(rng.uniform(0, seconds, requests))


def serverless(times: np.ndarray, duration: Fraction, most: int) -> Fraction:
    """Container-seconds that are billed: a request is refused while `most` are under way."""
    ends: list[float] = []
    served, length = 0, float(duration)
    for at in times:
        ends = [end for end in ends if end > at]
        if len(ends) < most:
            ends.append(at + length)
            served += 1
    return served * duration


def one_instance(times: np.ndarray, duration: float, idle: float, start: float, end: float) -> float:
    """Seconds until `end` that an instance runs: it starts with a request, and stops when none came for the idle time.

    Requests that come while it starts are worked on at its end; each is worked on at once.
    """
    total, index = 0.0, 0
    while index < len(times):
        began = float(times[index])
        ready = began + start
        last = ready
        while index < len(times) and float(times[index]) <= max(last, ready) + duration + idle:
            last = max(float(times[index]), ready)
            index += 1
        total += min(last + duration + idle, end) - began
    return total
