"""The SageMaker Runtime API over real processes: `POST /endpoints/{name}/invocations`, `.../async-invocations` and
`.../invocations-response-stream`."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from scaletozero.partitions import arn
from scaletozero.sandbox.aws.async_inference.backlog import Backlog
from scaletozero.sandbox.aws.async_inference.calls import MAX_INLINE_BYTES, accept, parameters
from scaletozero.sandbox.aws.async_inference.service import SETTLE_SECONDS, AsyncService
from scaletozero.sandbox.aws.async_inference.store import Store
from scaletozero.sandbox.aws.middleware import ACCOUNT, INVOCATIONS, AwsError, respond, respond_error, signed
from scaletozero.sandbox.aws.runtime import event_stream
from scaletozero.sandbox.aws.runtime.container_logs import ContainerLogs, group_of
from scaletozero.sandbox.aws.runtime.deployment import Deployment
from scaletozero.sandbox.aws.runtime.instance import (
    ContainerResponse,
    ContainerStream,
    CrashedError,
    Instance,
    StartFailedError,
)
from scaletozero.sandbox.aws.runtime.instance_pool import ClosedError, InstancePool, ThrottledError
from scaletozero.sandbox.aws.runtime.metrics import Metrics

log = logging.getLogger(__name__)

MAX_BYTES = 4 * 1024 * 1024
"""Maximum size of a request and of a response of a serverless endpoint (SageMaker developer guide, invocation)."""

MAX_BYTES_INSTANCE = 25_000_000
"""Maximum size of a request of an endpoint on instances (same guide, real-time inference)."""


class Runtime:
    """Every endpoint's pool, and the WSGI application that invokes them.

    Args:
        start: starts an instance of a deployment.
        idle_seconds: how long an instance without requests is kept.
        metrics: where the metrics are recorded.
        store: where asynchronous endpoints read requests and write results.
        container_logs: receives what containers print.
        status: returns what `/_sandbox/status` shows.
    """

    def __init__(
        self,
        start: Callable[[Deployment, threading.Event], Instance],
        idle_seconds: float,
        metrics: Metrics,
        store: Store,
        container_logs: ContainerLogs,
    ) -> None:
        self._start, self._idle_seconds, self._metrics = start, idle_seconds, metrics
        self._container_logs = container_logs
        self._async = AsyncService(self.pool, store, metrics)
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], InstancePool] = {}
        self._ending: list[InstancePool] = []  # replaced or removed, and not yet stopped
        self._ended = threading.Condition(self._lock)
        self._stopped = threading.Event()
        self.status: Callable[[], Any] = dict
        threading.Thread(target=self._reap, daemon=True, name="reaper").start()

    def new_pool(self, deployment: Deployment) -> InstancePool:
        """Makes a pool that receives no requests yet."""
        return InstancePool(deployment, self._start, self._idle_seconds)

    def install(self, pool: InstancePool) -> None:
        """Sends requests to `pool` from now on; the previous one finishes its requests and is stopped."""
        with self._lock:
            old = self._pools.get(pool.deployment.key)
            self._pools[pool.deployment.key] = pool
            if old:
                pool.invocations += old.invocations
                pool.cold_start_count += old.cold_start_count
                pool.cold_starts.extend(old.cold_starts)
                self._ending.append(old)
        if pool.deployment.asynchronous:
            self._async.open(pool.deployment.key)
        else:
            self._async.close(pool.deployment.key)
        if old:
            threading.Thread(target=self._end, args=(old, old.stop), daemon=True, name="drain").start()

    def remove(self, region: str, endpoint: str) -> None:
        """Removes an endpoint; returns when its processes have ended. Idle processes are ended at once."""
        self._async.close((region, endpoint))
        with self._lock:
            pool = self._pools.pop((region, endpoint), None)
            if pool:
                self._ending.append(pool)
        if pool:
            self._end(pool, pool.kill if pool.deployment.asynchronous else lambda: pool.stop(cancel=True))
        self._container_logs.forget(region, endpoint)

    def _end(self, pool: InstancePool, stop: Callable[[], None]) -> None:
        """Stops a pool that receives no more requests."""
        try:
            stop()
        finally:
            with self._lock:
                self._ending.remove(pool)
                self._ended.notify_all()

    def pool(self, region: str, endpoint: str) -> InstancePool | None:
        with self._lock:
            return self._pools.get((region, endpoint))

    def pools(self) -> list[InstancePool]:
        with self._lock:
            return list(self._pools.values())

    def backlog(self, region: str, endpoint: str) -> Backlog | None:
        """The backlog of an asynchronous endpoint; None for any other."""
        return self._async.backlog((region, endpoint))

    def stop(self) -> None:
        """Ends everything at once. When it returns, the failures of interrupted asynchronous requests are written."""
        self._stopped.set()
        backlogs = self._async.stop()
        with self._lock:
            pools, self._pools = [*self._pools.values(), *self._ending], {}
        for pool in pools:
            pool.kill()
        with self._lock:
            self._ended.wait_for(lambda: not self._ending, SETTLE_SECONDS)
        for backlog in backlogs:
            if not backlog.settle(SETTLE_SECONDS):
                log.warning("the failures of %d interrupted requests were not written", backlog.size)

    def _reap(self) -> None:
        while not self._stopped.wait(max(0.05, min(1.0, self._idle_seconds / 4))):
            for pool in self.pools():
                try:
                    pool.reap()
                except Exception:
                    log.exception("reaping %s", pool.deployment.endpoint)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/_sandbox/status":
            body = json.dumps(self.status()).encode()
            return respond(start_response, 200, body, {"Content-Type": "application/json"})
        match = INVOCATIONS.fullmatch(path)
        if not match or environ["REQUEST_METHOD"] != "POST":
            return respond_error(
                start_response, AwsError("UnknownOperationException", f"no such operation: {path}", 404)
            )
        name = urllib.parse.unquote(match[1])
        try:
            if match[2] == "async-invocations":
                return self._submit(name, environ, start_response)
            if match[2] == "invocations-response-stream":
                return self._stream(name, environ, start_response)
            response, variant = self._invoke(name, environ)
        except AwsError as error:
            return respond_error(start_response, error)
        headers = {
            "Content-Type": response.headers.get("content-type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": variant,
        }
        custom = response.headers.get("x-amzn-sagemaker-custom-attributes")
        if custom:
            headers["X-Amzn-SageMaker-Custom-Attributes"] = custom
        return respond(start_response, 200, response.body, headers)

    def _submit(self, name: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """InvokeEndpointAsync: queues the request; the response says where its result will be written."""
        # One byte more than is allowed, so that a body that is too long is detected; the rest is discarded.
        body, size = read_body(environ, MAX_INLINE_BYTES + 1)
        deployment = self._find(name, environ).deployment
        if deployment.asynchronous is None:
            raise AwsError(
                "ValidationError",
                f"Endpoint {name} of account {ACCOUNT} has no AsyncInferenceConfig: invoke it with InvokeEndpoint.",
            )
        if size > MAX_INLINE_BYTES:
            body = b" " * (MAX_INLINE_BYTES + 1)
        call = accept(
            parameters(environ),
            body,
            endpoint=name,
            region=deployment.region,
            output=deployment.asynchronous,
            now=time.time(),
        )
        self._async.submit(call)
        headers = {"Content-Type": "application/json", "X-Amzn-SageMaker-OutputLocation": call.output}
        if call.failure:
            headers["X-Amzn-SageMaker-FailureLocation"] = call.failure
        return respond(start_response, 202, json.dumps({"InferenceId": call.inference_id}).encode(), headers)

    def _find(self, name: str, environ: Mapping[str, Any]) -> InstancePool:
        pool = self.pool(signed(environ).region or "us-east-1", name)
        if pool is None:
            raise AwsError("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        return pool

    def _invoke(self, name: str, environ: Mapping[str, Any]) -> tuple[ContainerResponse, str]:
        began = time.perf_counter()
        pool, body = self._prepare(name, environ)
        with contextlib.ExitStack() as held:
            pool, instance, setup = self._acquire(held, pool, name, environ)
            return self._invoke_instance(pool, instance, setup, body, environ, began), pool.deployment.variant

    def _prepare(self, name: str, environ: Mapping[str, Any]) -> tuple[InstancePool, bytes]:
        """The pool and the body of a synchronous call. Raises AwsError."""
        pool = self._find(name, environ)
        if pool.deployment.asynchronous:
            read_body(environ, 0)
            raise AwsError(
                "ValidationError",
                f"Endpoint {name} of account {ACCOUNT} is asynchronous: invoke it with InvokeEndpointAsync.",
            )
        limit = MAX_BYTES if pool.deployment.serverless else MAX_BYTES_INSTANCE
        body, size = read_body(environ, limit)
        if size > limit:
            self._metrics.record(pool.deployment, {"Invocations": 1, "Invocation4XXErrors": 1})
            raise AwsError("", f"HTTP content length exceeded {limit} bytes.", 413)
        return pool, body

    def _acquire(
        self, held: contextlib.ExitStack, pool: InstancePool, name: str, environ: Mapping[str, Any]
    ) -> tuple[InstancePool, Instance, float | None]:
        """The pool, an instance reserved until `held` is closed, and the seconds that its start took."""
        while True:
            try:
                return pool, *held.enter_context(pool.instance())
            except ClosedError:  # the pool was replaced between the look-up and the request
                if self._stopped.is_set():
                    raise AwsError("ServiceUnavailable", "The sandbox is stopping.", 503) from None
                pool = self._find(name, environ)
            except ThrottledError:
                self._metrics.record(pool.deployment, {"Invocations": 1, "Invocation4XXErrors": 1})
                raise AwsError("ThrottlingException", "Rate exceeded", 429) from None
            except StartFailedError as error:
                self._metrics.record(pool.deployment, {"Invocations": 1, "Invocation5XXErrors": 1})
                raise _model_error(pool.deployment, 500, f"The container did not start: {error}") from error

    def _stream(self, name: str, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """InvokeEndpointWithResponseStream: sends each part of the container's response as an event, as it arrives."""
        began = time.perf_counter()
        pool, body = self._prepare(name, environ)
        held = contextlib.ExitStack()
        try:
            pool, instance, setup = self._acquire(held, pool, name, environ)
            deployment = pool.deployment
            try:
                response = held.enter_context(instance.stream(body, _forwarded(environ)))
                if not 200 <= response.status < 300:
                    text = b"".join(response.parts).decode(errors="replace")
                    kind = "Invocation4XXErrors" if response.status < 500 else "Invocation5XXErrors"
                    self._metrics.record(deployment, {"Invocations": 1, kind: 1})
                    raise _model_error(deployment, response.status, text)
            except (TimeoutError, CrashedError) as error:
                instance.kill()
                self._metrics.record(deployment, {"Invocations": 1, "Invocation5XXErrors": 1})
                raise _model_error(deployment, 500, f"The container ended: {error}. {instance.last_words()}") from error
        except AwsError:
            held.close()
            raise
        headers = [
            ("Content-Type", event_stream.CONTENT_TYPE),
            ("X-Amzn-SageMaker-Content-Type", response.headers.get("content-type", "application/octet-stream")),
            ("x-Amzn-Invoked-Production-Variant", deployment.variant),
        ]
        if custom := response.headers.get("x-amzn-sagemaker-custom-attributes"):
            headers.append(("X-Amzn-SageMaker-Custom-Attributes", custom))
        start_response("200 OK", headers)
        values = {"Invocations": 1.0} | pool.provisioned_metrics()
        values |= {"ModelSetupTime": setup * 1e6} if setup is not None else {}

        def done(failed: bool) -> None:
            took = (time.perf_counter() - began) * 1e6
            self._metrics.record(deployment, {**values, "ModelLatency": took, "Invocation5XXErrors": float(failed)})
            held.close()

        return _Events(response, instance, done)

    def _invoke_instance(
        self,
        pool: InstancePool,
        instance: Instance,
        setup: float | None,
        body: bytes,
        environ: Mapping[str, Any],
        began: float,
    ) -> ContainerResponse:
        deployment = pool.deployment
        sent = time.perf_counter()
        utilisation = pool.utilisation
        values: dict[str, float] = {"Invocations": 1, "ServerlessConcurrentExecutionsUtilization": utilisation * 100}
        values |= pool.provisioned_metrics()
        try:
            response = instance.invoke(body, _forwarded(environ))
            took = time.perf_counter() - sent
            values |= {"ModelLatency": took * 1e6, "OverheadLatency": (time.perf_counter() - began - took) * 1e6}
            if setup is not None:
                values["ModelSetupTime"] = setup * 1e6
            values["Invocation4XXErrors"] = float(400 <= response.status < 500)
            values["Invocation5XXErrors"] = float(response.status >= 500)
        except TimeoutError as error:
            instance.kill()  # the instance still works on the request, and nothing waits for the response
            values["Invocation5XXErrors"] = 1
            raise _model_error(
                deployment,
                0,
                "Your invocation timed out while waiting for a response from container primary. Review the latency "
                "metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
            ) from error
        except CrashedError as error:
            instance.kill()
            values["Invocation5XXErrors"] = 1
            raise _model_error(
                deployment, 500, f"The container ended: {error}. {instance.last_words()}".strip()
            ) from error
        finally:
            self._metrics.record(deployment, values)
        if not 200 <= response.status < 300:
            raise _model_error(deployment, response.status, response.body.decode(errors="replace"))
        if deployment.serverless and len(response.body) > MAX_BYTES:
            size = len(response.body)
            message = f"Response payload size ({size} bytes) exceeded maximum allowed ({MAX_BYTES} bytes)."
            raise _model_error(deployment, 500, message)
        return response


class _Events:
    """The events of a streamed response; closed when it ends, or when the caller disconnects."""

    def __init__(self, response: ContainerStream, instance: Instance, done: Callable[[bool], None]) -> None:
        self._response, self._instance, self._done = response, instance, done
        self._failed = self._over = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in self._response.parts:
                yield event_stream.event("PayloadPart", part)
            self._over = True
        except (TimeoutError, CrashedError) as error:
            self._failed = True
            members = {"Message": f"The container ended: {error}", "ErrorCode": "ModelInvocationFailed"}
            yield event_stream.failure("ModelStreamError", json.dumps(members).encode())

    def close(self) -> None:
        if not self._over:  # it may still work on the request, and nothing waits for the rest
            self._instance.kill()
        self._done(self._failed)


def read_body(environ: Mapping[str, Any], limit: int) -> tuple[bytes, int]:
    """(body, its length); a body over the limit is not read."""
    size = int(environ["CONTENT_LENGTH"])
    return environ["wsgi.input"].read() if size <= limit else b"", size


_FORWARDED = {
    "CONTENT_TYPE": "Content-Type",
    "HTTP_ACCEPT": "Accept",
    "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES": "X-Amzn-SageMaker-Custom-Attributes",
}


def _forwarded(environ: Mapping[str, Any]) -> dict[str, str]:
    """The headers that the service passes on; it strips the rest."""
    return {name: environ[key] for key, name in _FORWARDED.items() if environ.get(key)}


def _model_error(deployment: Deployment, status: int, message: str) -> AwsError:
    """A container's error, as the service reports it."""
    whose = "client" if 400 <= status < 500 else "server"
    group = group_of(deployment.endpoint)
    return AwsError(
        "ModelError",
        f'Received {whose} error ({status}) from primary with message "{message}". See {group} in account {ACCOUNT} '
        "for more information.",
        424,
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=arn("logs", deployment.region, ACCOUNT, f"log-group:{group}"),
    )
