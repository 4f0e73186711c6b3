"""Asynchronous inference: queues requests, has instances work on them, writes the results to S3."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.sandbox.aws.async_inference.backlog import Backlog, ClosedBacklogError
from scaletozero.sandbox.aws.async_inference.calls import MAX_BYTES, AsyncCall, Outcome, notification, object_at
from scaletozero.sandbox.aws.async_inference.store import DownloadError, Store
from scaletozero.sandbox.aws.middleware import AwsError
from scaletozero.sandbox.aws.runtime.instance import ContainerResponse, CrashedError, Instance
from scaletozero.sandbox.aws.runtime.instance_pool import ClosedError, InstancePool
from scaletozero.sandbox.aws.runtime.metrics import Metrics

log = logging.getLogger(__name__)

GAUGE_SECONDS = 60.0
"""How often metrics of the backlog are recorded. Metrics in AWS/SageMaker have one value per minute."""

LOOK_SECONDS = 0.25
SETTLE_SECONDS = 5.0
"""How long a stopping sandbox waits for the failures of interrupted requests to be written."""

Key = tuple[str, str]
"""Region and endpoint."""


class AsyncService:
    """The backlogs of all asynchronous endpoints, and the threads that empty them.

    Args:
        pool: returns an endpoint's pool; None while it has none.
        store: where requests are read and results are written.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        pool: Callable[[str, str], InstancePool | None],
        store: Store,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool, self._store, self._metrics, self._clock = pool, store, metrics, clock
        self._lock = threading.Lock()
        self._backlogs: dict[Key, Backlog] = {}
        self._closed: list[Backlog] = []  # of deleted endpoints, while their running requests end
        self._recorded: dict[Key, float] = {}
        self._stopping = False

    def open(self, key: Key) -> None:
        """Serves an asynchronous endpoint; requests that are already waiting are kept."""
        with self._lock:
            if key in self._backlogs:
                return
            backlog = self._backlogs[key] = Backlog()
        threading.Thread(target=self._serve, args=(key, backlog), daemon=True, name=f"backlog of {key[1]}").start()

    def close(self, key: Key) -> None:
        """Drops an endpoint that is deleted or no longer asynchronous, with its waiting requests, like the service."""
        with self._lock:
            backlog = self._backlogs.pop(key, None)
            self._recorded.pop(key, None)
            self._closed = [each for each in (*self._closed, backlog) if each and each.size]
        if backlog and (dropped := backlog.close()):
            log.warning("%s: %d waiting requests were dropped with the endpoint", key[1], dropped)

    def backlog(self, key: Key) -> Backlog | None:
        with self._lock:
            return self._backlogs.get(key)

    def submit(self, call: AsyncCall) -> None:
        """Queues a request. Raises AwsError where the endpoint has just been deleted."""
        backlog = self.backlog((call.region, call.endpoint))
        try:
            if backlog is None:
                raise ClosedBacklogError
            backlog.put(call)
        except ClosedBacklogError:
            raise AwsError("ServiceUnavailable", f"Endpoint {call.endpoint} takes no more requests.", 503) from None

    def stop(self) -> list[Backlog]:
        """Refuses further requests. Returns the backlogs, so that the caller can wait for their running requests."""
        self._stopping = True
        with self._lock:
            backlogs = [*self._backlogs.values(), *self._closed]
        for backlog in backlogs:
            if dropped := backlog.close():
                log.warning("stopped with %d requests waiting: they are lost, like everything in the sandbox", dropped)
        return backlogs

    def _serve(self, key: Key, backlog: Backlog) -> None:
        while not backlog.closed:
            try:
                pool = self._pool(*key)
                if pool is None:  # not installed yet, or just removed
                    time.sleep(LOOK_SECONDS)
                    continue
                self._record_gauges(key, pool, backlog)
                for call in backlog.take_expired(self._clock()):
                    self._expire(pool, call, backlog)
                if backlog.wait(LOOK_SECONDS):
                    self._hand_over(pool, backlog)
            except ClosedError:  # replaced just now
                time.sleep(LOOK_SECONDS / 10)
            except Exception:
                log.exception("the backlog of %s", key[1])
                time.sleep(LOOK_SECONDS)

    def _hand_over(self, pool: InstancePool, backlog: Backlog) -> None:
        """Hands one request to an instance, if one has room soon. Raises ClosedError."""
        instance = pool.acquire(LOOK_SECONDS)
        if instance is None:
            return
        call = backlog.take()
        if call is None:
            pool.release(instance)
            return
        threading.Thread(target=self._work, args=(pool, instance, call, backlog), daemon=True).start()

    def _work(self, pool: InstancePool, instance: Instance, call: AsyncCall, backlog: Backlog) -> None:
        began = self._clock()
        self._metrics.record(pool.deployment, {"TimeInBacklog": (began - call.received) * 1e6})
        try:
            outcome = self._invoke(pool, instance, call)
        except Exception as error:  # a fault of the sandbox must also reach the caller
            log.exception("request %s", call.inference_id)
            outcome = _failed(f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            pool.release(instance)
        if outcome is None:
            backlog.put_back(call)
            return
        self._finish(pool, call, outcome)
        backlog.done(call)

    def _invoke(self, pool: InstancePool, instance: Instance, call: AsyncCall) -> Outcome | None:
        """The outcome; None if the instance was stopped, so that the request has to wait for another one."""
        deployment = pool.deployment
        try:
            began = time.perf_counter()
            body = call.body
            if body is None:
                body = self._store.get(deployment, call.source or "", MAX_BYTES)
            self._metrics.record(deployment, {"RequestDownloadLatency": (time.perf_counter() - began) * 1e6})
        except DownloadError as error:
            self._metrics.record(deployment, {"RequestDownloadFailures": 1})
            return _failed(f"ClientError: Could not download the request from {call.source}: {error}")
        try:
            began = time.perf_counter()
            response = instance.invoke(body, dict(call.headers), call.timeout)
        except TimeoutError:
            pool.abandon(instance)
            reason = f"ClientError: The request was worked on for longer than {call.timeout} seconds."
            return Outcome("Expired", reason.encode(), reason=reason)
        except CrashedError as error:
            instance.kill()
            if self._stopping:
                return _failed("InternalServerError: The sandbox was stopped in the middle of the request.")
            if pool.closed:
                return None
            return _failed(f"ClientError: The container ended: {error}. {instance.last_words()}".strip())
        self._metrics.record(
            deployment,
            {
                "ModelLatency": (time.perf_counter() - began) * 1e6,
                "Invocation4XXErrors": float(400 <= response.status < 500),
                "Invocation5XXErrors": float(response.status >= 500),
            },
        )
        return _outcome(response)

    def _expire(self, pool: InstancePool, call: AsyncCall, backlog: Backlog) -> None:
        reason = f"ClientError: The request waited for longer than {call.ttl} seconds."
        self._metrics.record(pool.deployment, {"ExpiredRequests": 1})
        self._finish(pool, call, Outcome("Expired", reason.encode(), reason=reason))
        backlog.done(call)

    def _finish(self, pool: InstancePool, call: AsyncCall, outcome: Outcome) -> None:
        """Writes the result or the failure, then notifies the topic."""
        deployment, output = pool.deployment, pool.deployment.asynchronous
        assert output
        try:
            began = time.perf_counter()
            where = call.output if outcome.status == "Completed" else call.failure
            if where:
                self._store.put(deployment, where, outcome.body, outcome.content_type, output.kms_key)
            self._metrics.record(deployment, {"ResponseUploadLatency": (time.perf_counter() - began) * 1e6})
        except (BotoCoreError, ClientError) as error:
            log.warning("%s: the result of %s was not written: %s", call.endpoint, call.inference_id, error)
            self._metrics.record(deployment, {"ResponseUploadFailures": 1})
            outcome = _failed(f"ClientError: Could not upload the response to {object_at(call.output)[0]}: {error}")
        done = outcome.status == "Completed"
        topic = output.success_topic if done else output.error_topic
        try:
            if topic:
                message = notification(call, outcome, self._clock())
                self._store.publish(deployment, topic, message)
        except (BotoCoreError, ClientError) as error:
            log.warning("%s: no notification of %s was published: %s", call.endpoint, call.inference_id, error)
            self._metrics.record(deployment, {"NotificationFailures": 1})
        self._metrics.record(
            deployment,
            {
                "InvocationsProcessed": 1,
                "InvocationFailures": float(not done),
                "TotalProcessingTime": (self._clock() - call.received) * 1e3,
            },
        )

    def _record_gauges(self, key: Key, pool: InstancePool, backlog: Backlog) -> None:
        """Records the metrics of the backlog and of the instances once a minute."""
        now = self._clock()
        if now - self._recorded.get(key, float("-inf")) < GAUGE_SECONDS:
            return
        self._recorded[key] = now
        self._metrics.record_endpoint(pool.deployment, gauges(backlog, pool.deployment.provisioned, now))
        for percent in pool.processors():
            self._metrics.record(pool.deployment, {"CPUUtilization": percent})


def gauges(backlog: Backlog, instances: int, now: float) -> dict[str, float]:
    """A backlog's metrics. The metric per instance has no value at zero instances, so it cannot scale from zero."""
    size = backlog.size
    values: dict[str, float] = {
        "ApproximateBacklogSize": size,
        "ApproximateAgeOfOldestRequest": backlog.age(now),
        "HasBacklogWithoutCapacity": float(size > 0 and instances == 0),
    }
    return values | ({"ApproximateBacklogSizePerInstance": size / instances} if instances else {})


def _failed(reason: str) -> Outcome:
    return Outcome("Failed", reason.encode(), reason=reason)


def _outcome(response: ContainerResponse) -> Outcome:
    """The outcome of a container's response. If it is an error, its body is written as the failure."""
    kind = response.headers.get("content-type", "application/octet-stream")
    if not 200 <= response.status < 300:
        whose = "client" if response.status < 500 else "server"
        reason = (
            f"ClientError: Received {whose} error ({response.status}) from model. See the SageMaker Endpoint logs in "
            "your account for more information."
        )
        return Outcome("Failed", response.body, kind, reason)
    if len(response.body) > MAX_BYTES:
        return _failed(f"ClientError: The response has {len(response.body)} bytes, more than {MAX_BYTES}.")
    return Outcome("Completed", response.body, kind)


def snapshot(backlog: Backlog, now: float) -> dict[str, Any]:
    """What `status` shows of a backlog."""
    return {"size": backlog.size, "waiting": backlog.waiting, "oldest_s": round(backlog.age(now), 1)}
