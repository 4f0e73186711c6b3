"""The embedded Lambda: who may invoke a function, its processes, its metrics and its logs."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends

from scaletozero.partitions import service_principal
from scaletozero.sandbox.aws.functions import logs
from scaletozero.sandbox.aws.functions.processes import Code, Outcome, Processes
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError
from scaletozero.sandbox.aws.runtime.metrics import Metrics
from scaletozero.sandbox.credentials import Credentials

log = logging.getLogger(__name__)

MOST_AT_ONCE = 10
"""Functions that run at once in the sandbox: a new account's own limit (Lambda quotas, concurrent executions)."""


class ThrottledError(RuntimeError):
    """A function is not invoked, because as many run as may."""


class Functions:
    """Invokes functions. Thread-safe.

    Args:
        state: the sandbox's folder.
        roles: issues the functions' credentials.
        metrics: where invocations are counted.
        aws_url: returns the embedded AWS's address.
    """

    def __init__(self, state: Path, roles: Roles, metrics: Metrics, aws_url: Callable[[], str]) -> None:
        self._processes = Processes(state)
        self._roles, self._metrics, self._aws_url = roles, metrics, aws_url
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    def find(self, region: str, name_or_arn: str) -> LambdaFunction:
        """A function. Raises AwsError: ResourceNotFoundException."""
        name = name_or_arn.partition(":function:")[2] or name_or_arn
        for each in list(lambda_backends[ACCOUNT][region].list_functions()):
            if each.function_name == name.partition(":")[0]:
                return each
        raise AwsError("ResourceNotFoundException", f"Function not found: {name_or_arn}", 404)

    def require_service(self, region: str, name_or_arn: str, service: str, source_arn: str) -> None:
        """Raises AwsError unless the function's policy lets a service invoke it for a resource.

        Args:
            service: the service principal's name.
        """
        arn = self.find(region, name_or_arn).function_arn
        self._roles.require_service(service, "lambda:InvokeFunction", arn, region, source_arn)

    def invoke(self, region: str, name_or_arn: str, event: Any, request: str = "") -> Outcome:
        """Runs a function for an event and waits for it.

        Raises:
            ThrottledError: as many run as may.
            AwsError: there is no such function, or Lambda may not assume its role.
        """
        function = self.find(region, name_or_arn)
        code, request = _code(function), request or str(uuid.uuid4())
        with self._place(function):
            stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
            credentials = self.credentials(function)
            outcome = self._processes.run(code, event, request, credentials, self._aws_url(), stream)
        self._metrics.record_function(
            region,
            code.name,
            {"Invocations": 1, "Errors": float(outcome.failed), "Duration": outcome.seconds * 1000},
        )
        logs.write(self._roles, function.role, code, stream, outcome)
        log.info("%s ran for %.2f s: %s", code.name, outcome.seconds, "failed" if outcome.failed else "done")
        return outcome

    def credentials(self, function: LambdaFunction) -> Credentials:
        """Credentials of a function's role. Raises AwsError: Lambda may not assume it."""
        return self._roles.session(
            function.role,
            service_principal("lambda"),
            function.region,
            function.function_arn,
            function.function_name,
        )

    def count(self, region: str, name: str, values: Mapping[str, float]) -> None:
        """Records values of a function's metrics."""
        self._metrics.record_function(region, name, values)

    def stop(self) -> None:
        """Ends all functions."""
        self._processes.stop()

    @contextlib.contextmanager
    def _place(self, function: LambdaFunction) -> Iterator[None]:
        """Holds a place among those that may run at once. Raises ThrottledError."""
        arn, reserved = function.function_arn, function.reserved_concurrency
        most = MOST_AT_ONCE if reserved is None else int(reserved)
        with self._lock:
            if self._running[arn] >= most:
                self._metrics.record_function(function.region, function.function_name, {"Throttles": 1})
                raise ThrottledError(f"{function.function_name}: {most} may run at once")
            self._running[arn] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[arn] -= 1


def _code(function: LambdaFunction) -> Code:
    """A function as moto stores it."""
    settings: Any = getattr(function, "logging_config", None) or {}
    return Code(
        function.function_name,
        function.function_arn,
        function.region,
        function.run_time or "an image",
        function.handler or "",
        getattr(function, "code_bytes", b""),
        function.environment_vars,
        int(function.timeout),
        int(function.memory_size),
        settings.get("LogGroup") or function.logs_group_name,
    )
