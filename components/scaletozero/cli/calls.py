"""Where `advise` reads the calls from that it replays: a trace, CloudWatch, or a Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_packaging.findings import refuse
from scaletozero.cli.durations import seconds_of
from scaletozero.cli.output import say
from scaletozero.cli.recorded_calls import from_cloudwatch, from_prometheus
from scaletozero.cli.target_metrics import KEPT_SECONDS
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.settings import Environment
from scaletozero.scaling.recorded import trace_of
from scaletozero.scaling.trace import Trace, read_trace

SECONDS = 1.0
"""Mean of drawn durations, which are then refused; read_trace needs one."""

LONGEST_PAST = 400 * 86_400
"""Most seconds that a Prometheus is asked for; a trace may span as much."""


@dataclass(frozen=True)
class Calls:
    """The calls of an endpoint that were asked for.

    Attributes:
        endpoint, environment: the endpoint.
        namespace: its namespace on a cluster; empty elsewhere.
        trace: the file of calls; None for metrics.
        past: how many seconds of metrics.
        prometheus: the address of the Prometheus that has them; None for CloudWatch.
    """

    endpoint: str
    environment: str
    namespace: str = ""
    trace: Path | None = None
    past: int = 0
    prometheus: str | None = None

    @classmethod
    def asked(
        cls,
        endpoint: str,
        environment: str,
        settings: Environment,
        *,
        trace: Path | None,
        past: str | None,
        prometheus: str | None,
    ) -> Calls:
        """What the options ask for.

        Raises:
            FindingsError: they ask for nothing, for two things, or for what the kind of the endpoint does not have.
        """
        if (trace is None) == (past is None):
            given, fix = "neither" if trace is None else "both", "write `--trace calls.csv` or `--past 7d`"
            raise refuse("--trace or --past", "must say which calls are replayed", given, fix=fix)
        on_cluster = kind_of(settings.endpoints[endpoint]).on_cluster
        if prometheus is not None and (past is None or not on_cluster):
            rule = "is with --past, of an endpoint on a cluster"
            raise refuse("--prometheus", rule, consequence="it would have no effect", fix="leave it out")
        if past is None:
            return cls(endpoint, environment, trace=trace)
        if on_cluster and prometheus is None:
            rule, fix = "must be given for an endpoint on a cluster", "write `--prometheus http://localhost:9090`"
            raise refuse("--prometheus", rule, "nothing", "its calls are not in CloudWatch", fix)
        longest = LONGEST_PAST if on_cluster else KEPT_SECONDS
        namespace = settings.kubernetes.namespace if on_cluster and settings.kubernetes else ""
        seconds = seconds_of("--past", past, longest=longest)
        return cls(endpoint, environment, namespace, None, seconds, prometheus)

    def read(self, work_seconds: float | None, seed: int) -> Trace:
        """The calls.

        Args:
            work_seconds: how long one takes where they do not say it; None if nothing does.
            seed: of what is drawn at random.

        Raises:
            FindingsError: they cannot be read, there are none, or nothing says how long they take.
        """
        if self.trace is not None:
            calls = read_trace(self.trace, mean_seconds=work_seconds or SECONDS, seed=seed)
            if calls.drawn and work_seconds is None:
                then = "how many instances they need is not known"
                fix = "add a column `duration`, in seconds, or `duration_ms`"
                raise refuse(str(self.trace), "must have the durations of the calls", "none", then, fix)
            return calls
        if self.prometheus is not None:
            counted = from_prometheus(self.prometheus, self.endpoint, self.namespace, self.past)
            source = "--prometheus"
        else:
            counted, source = from_cloudwatch(self.endpoint, self.environment, self.past), "CloudWatch"
        found = trace_of(counted, source, mean_seconds=work_seconds, seed=seed)
        say(f"{len(found.starts):,} calls counted by minute: at random moments of it, with its mean duration")
        return found
