"""The embedded AWS and the runtime as two servers in one process."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from scaletozero.sandbox.aws.async_inference.store import Store
from scaletozero.sandbox.aws.endpoints import Endpoints
from scaletozero.sandbox.aws.events.bus import Bus
from scaletozero.sandbox.aws.events.schedules import Schedules
from scaletozero.sandbox.aws.functions.asynchronous import Asynchronous
from scaletozero.sandbox.aws.functions.service import Functions
from scaletozero.sandbox.aws.gate import Gate
from scaletozero.sandbox.aws.iam.gatekeeper import Gatekeeper, RoleClients
from scaletozero.sandbox.aws.iam.model_access import ModelAccess
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import AwsError, Middleware
from scaletozero.sandbox.aws.monitoring.service import Alarms
from scaletozero.sandbox.aws.moto_acts import Acting, act
from scaletozero.sandbox.aws.moto_patches import patch_moto
from scaletozero.sandbox.aws.overrides import OVERRIDES
from scaletozero.sandbox.aws.pod_identity import PodIdentity
from scaletozero.sandbox.aws.runtime.container_logs import ContainerLogs
from scaletozero.sandbox.aws.runtime.deployment import Deployment
from scaletozero.sandbox.aws.runtime.instance import PROGRAM, Starter, StartFailedError
from scaletozero.sandbox.aws.runtime.metrics import Metrics
from scaletozero.sandbox.aws.runtime_api import Runtime
from scaletozero.sandbox.aws.scaling.service import Scaling
from scaletozero.sandbox.aws.ticker import Ticker
from scaletozero.sandbox.aws.wire import Handler
from scaletozero.sandbox.clock import Clock
from scaletozero.sandbox.credentials import new_credentials
from scaletozero.sandbox.delays import Delays
from scaletozero.sandbox.providers.clients import Clients

HOST = "127.0.0.1"


class Servers:
    """Both servers, listening once constructed.

    Attributes:
        aws_url, runtime_url: where they listen.
        credentials: the credentials that requests have to be signed with.

    Args:
        state: the sandbox's folder.
        aws_port, runtime_port: 0 selects any free port.
        idle_seconds: how long an instance without requests is kept.
        program: the container's program: folder of the package, module and arguments.
        speed: how many times faster than this machine's the clock of alarms and schedules is.
        delays: how much longer the stages of starts take than on this machine.

    Raises:
        OSError: a port is in use; its number is `filename`.
    """

    def __init__(
        self,
        state: Path,
        aws_port: int,
        runtime_port: int,
        idle_seconds: float,
        program: tuple[str, ...] = PROGRAM,
        speed: float = 1.0,
        delays: Delays | None = None,
    ) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        patch_moto()
        clock, roles = Clock(speed), Roles()
        self._metrics = Metrics(clock)
        self._container_logs = ContainerLogs(roles)
        self._functions = Functions(state, roles, self._metrics, lambda: self.aws_url)
        self._asynchronous = Asynchronous(
            self._functions, lambda credentials, *of: Clients(self.aws_url, credentials)(*of), clock
        )
        bus = Bus(roles, self._functions, self._asynchronous)
        act(Acting(self._functions, self._asynchronous, bus))
        self._alarms = Alarms(clock, roles, bus, self._functions, self._asynchronous, self._metrics.flush)
        schedules = Schedules(clock, roles, bus, self._asynchronous)
        self._as_role = RoleClients(roles, lambda credentials: Clients(self.aws_url, credentials))
        start = Starter(state, self._fetch, self._container_logs, program, delays or {}).start
        self._runtime = Runtime(start, idle_seconds, self._metrics, Store(self._as_role), self._container_logs)
        self._endpoints = Endpoints(self._runtime, ModelAccess(roles, self._as_role))
        moto = DomainDispatcherApplication(create_backend_app)
        self._scaling = Scaling(self._endpoints)
        handlers = self._endpoints.handlers | self._scaling.handlers
        pages = {"/_sandbox/status": self.status, "/_sandbox/permissions": roles.report}
        application = Middleware(moto, handlers, pages, PodIdentity().routes, self._runtime)
        self._runtime.status = self.status
        self.credentials, gatekeeper = new_credentials(), Gatekeeper(roles)
        self._aws = _listen(aws_port, Gate(application, self.credentials, gatekeeper))
        try:
            self._front = _listen(runtime_port, Gate(self._runtime, self.credentials, gatekeeper))
        except OSError:
            self._aws.server_close()
            raise
        self.aws_url = f"http://{HOST}:{self._aws.port}"
        self.runtime_url = f"http://{HOST}:{self._front.port}"
        os.environ["MOTO_PORT"] = str(self._aws.port)
        for server in (self._aws, self._front):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        self._clock, self._ticker = clock, Ticker([self._alarms.step, schedules.step])

    def status(self) -> dict[str, Any]:
        """What `/_sandbox/status` shows."""
        return {
            "pid": os.getpid(),
            "endpoints": self._endpoints.snapshot(),
            "alarms": self._alarms.snapshot(),
            "clock": {"now": self._clock.now().isoformat(timespec="seconds"), "speed": self._clock.speed},
            "provided_here": dict(OVERRIDES),
        }

    def stop(self) -> None:
        """Stops accepting requests and ends all processes."""
        self._ticker.stop()
        self._asynchronous.stop()
        self._functions.stop()
        self._scaling.stop()
        self._front.shutdown()
        self._runtime.stop()
        self._container_logs.stop()
        self._metrics.stop()
        self._aws.shutdown()

    def _fetch(self, deployment: Deployment, into: Path) -> None:
        url = deployment.model_data_url
        bucket, _, key = url.removeprefix("s3://").partition("/")
        try:
            client = self._as_role(deployment.role_arn, "s3", deployment.region, deployment.source)
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            with into.open("wb") as file:
                for chunk in body.iter_chunks(1 << 20):
                    file.write(chunk)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            raise StartFailedError(f"could not read the model data at {url}: {code}: {message}") from error
        except AwsError as error:
            raise StartFailedError(error.message) from error
        except BotoCoreError as error:
            raise StartFailedError(f"could not fetch {url}: {error}") from error


def _listen(port: int, app: Any) -> BaseWSGIServer:
    try:
        return make_server(HOST, port, app, threaded=True, request_handler=Handler)
    except (OSError, SystemExit) as error:  # werkzeug exits when a port is in use
        raise OSError(98, "address in use", str(port)) from error
