"""Copies the output of containers to the embedded CloudWatch Logs, where SageMaker writes it.

Group `/aws/sagemaker/Endpoints/<endpoint>`, stream `<variant>/<instance>` (SageMaker developer guide, logging with
CloudWatch).
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import logs_backends

from scaletozero.partitions import arn
from scaletozero.sandbox.aws.iam.demands import Demand, Place
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError
from scaletozero.sandbox.aws.runtime.deployment import Deployment

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
MOST_BYTES = 1 << 20
"""How much of a container's output is read at a time."""

LONGEST_LINE = 256 * 1024
"""Maximum size of a log event (CloudWatch Logs quotas)."""


def group_of(endpoint: str) -> str:
    """The name of an endpoint's log group."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


@dataclass(eq=False)
class _Followed:
    region: str
    group: str
    stream: str
    offset: int = 0
    rest: bytes = b""


class ContainerLogs:
    """Follows the files that containers print to. Thread-safe.

    Args:
        roles: decides whether the model's role may write logs; if it may not, nothing is written, as on AWS.
    """

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._lock = threading.Lock()
        self._followed: dict[Path, _Followed] = {}
        self._own_groups: set[tuple[str, str]] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="container logs")
        self._thread.start()

    def follow(self, deployment: Deployment, file: Path) -> None:
        """Starts to follow `file`, which a container prints to. Creates a missing log group, as the service does."""
        made = uuid.uuid4().hex
        instance = made if deployment.serverless else f"i-{made[:17]}"
        group, stream = group_of(deployment.endpoint), f"{deployment.variant}/{instance}"
        backend = logs_backends[ACCOUNT][deployment.region]
        with self._lock:
            if group not in backend.groups:
                backend.create_log_group(group, {})
                self._own_groups.add((deployment.region, deployment.endpoint))
            if not self._may_write(deployment, group, stream):
                return
            backend.create_log_stream(group, stream)
            self._followed[file] = _Followed(deployment.region, group, stream)

    def _may_write(self, deployment: Deployment, group: str, stream: str) -> bool:
        place = Place(deployment.region, ACCOUNT)
        resource = arn("logs", deployment.region, ACCOUNT, f"log-group:{group}:log-stream:{stream}")
        needed = [Demand(f"logs:{action}", resource) for action in ("CreateLogStream", "PutLogEvents")]
        try:
            self._roles.require_role(deployment.role_arn, needed, place)
        except AwsError as denied:
            log.warning("%s: no logs are written: %s", deployment.endpoint, denied.message)
            return False
        return True

    def finish(self, file: Path) -> None:
        """Writes the rest of the output of a container that has ended, and stops following it."""
        with self._lock:
            followed = self._followed.pop(file, None)
            if followed:
                while self._copy(file, followed):
                    pass
                self._put(followed, followed.rest)

    def forget(self, region: str, endpoint: str) -> None:
        """Deletes the log group of a deleted endpoint, unless it was declared."""
        with self._lock:
            if (region, endpoint) in self._own_groups:
                self._own_groups.remove((region, endpoint))
                logs_backends[ACCOUNT][region].groups.pop(group_of(endpoint), None)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            with self._lock:
                for file, followed in self._followed.items():
                    try:
                        self._copy(file, followed)
                    except OSError:
                        log.exception("%s", file)

    def _copy(self, file: Path, followed: _Followed) -> bool:
        """Copies whole lines. Returns whether there were any."""
        try:
            with file.open("rb") as stream:
                stream.seek(followed.offset)
                data = stream.read(MOST_BYTES)
        except FileNotFoundError:
            return False
        followed.offset += len(data)
        whole, newline, rest = (followed.rest + data).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            whole, newline, rest = whole + newline + rest, b"", b""
        followed.rest = rest
        self._put(followed, whole)
        return bool(data)

    def _put(self, followed: _Followed, data: bytes) -> None:
        now = int(time.time() * 1000)
        events: list[dict[str, Any]] = [
            {"timestamp": now, "message": line[:LONGEST_LINE]}
            for line in data.decode(errors="replace").splitlines()
            if line.strip()
        ]
        if not events:
            return
        try:
            logs_backends[ACCOUNT][followed.region].put_log_events(followed.group, followed.stream, events)
        except ResourceNotFoundException:
            # The group was deleted, and the endpoint's role may not create one.
            log.warning("%s: %d lines have no log group", followed.group, len(events))
