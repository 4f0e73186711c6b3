"""Runs a function for one event as a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaletozero.sandbox.aws.functions import program
from scaletozero.sandbox.credentials import Credentials

RUNTIME = re.compile(r"python3\.\d+")

RESERVED = re.compile(r"AWS_.*|_.*|LAMBDA_.*|PYTHON.*|LD_.*|DYLD_.*|PATH|HOME|LANG|TMPDIR")
"""Variables of a function that its process does not receive: Lambda's own, and those that can load other code."""

MOST_OUTPUT = 1 << 20
"""Bytes of its output that are kept."""


@dataclass(frozen=True)
class Code:
    """A function as it was deployed.

    Attributes:
        archive: its code, a zip file.
        timeout: seconds.
        group: its log group.
    """

    name: str
    arn: str
    region: str
    runtime: str
    handler: str
    archive: bytes
    variables: Mapping[str, str]
    timeout: int
    memory_mb: int
    group: str


@dataclass(frozen=True)
class Outcome:
    """What came of an invocation.

    Attributes:
        request: its id.
        payload: the response, or the error, as JSON.
        failed: whether it is an error of the function.
        seconds: how long it ran.
        output: what it printed.
    """

    request: str
    payload: str
    failed: bool
    seconds: float
    output: str


class Processes:
    """Starts functions.

    Args:
        state: the sandbox's folder.
    """

    def __init__(self, state: Path) -> None:
        self._folder = state / "functions"
        shutil.rmtree(self._folder, ignore_errors=True)  # left over by a sandbox that was killed
        self._folder.mkdir(parents=True)
        self._writer: int | None
        self._reader, self._writer = os.pipe()
        os.set_inheritable(self._reader, True)

    def run(self, code: Code, event: Any, request: str, credentials: Credentials, aws_url: str, stream: str) -> Outcome:
        """Runs a function and waits for it, as long as its timeout.

        Args:
            event: the event, as JSON has it.
            request: the invocation's id.
            credentials: its role's.
            aws_url: the embedded AWS's address.
            stream: the name of its log stream.
        """
        if not RUNTIME.fullmatch(code.runtime):
            return _error(request, "Runtime.NotHere", f"the sandbox runs functions in Python only, not {code.runtime}")
        folder = self._folder / uuid.uuid4().hex
        began = time.monotonic()
        try:
            (folder / "code").mkdir(parents=True)
            with zipfile.ZipFile(io.BytesIO(code.archive)) as archive:
                archive.extractall(folder / "code")
            (folder / "tmp").mkdir()
            given = {"event": event, "request_id": request, "arn": code.arn, "seconds": code.timeout}
            (folder / "event.json").write_text(json.dumps(given))
            environment = self._environment(code, credentials, aws_url, stream, folder)
            timely = self._wait(code, folder, environment)
            seconds = time.monotonic() - began
            with (folder / "output").open("rb") as file:
                output = file.read(MOST_OUTPUT).decode(errors="replace")
            if not timely:
                text = f"RequestId: {request} Error: Task timed out after {code.timeout:.2f} seconds"
                return _error(request, "Sandbox.Timedout", text, seconds, output)
            try:
                response = json.loads((folder / "response.json").read_text())
            except (OSError, ValueError):
                text = f"RequestId: {request} Error: Runtime exited without providing a reason"
                return _error(request, "Runtime.ExitError", text, seconds, output)
            return Outcome(request, response["payload"], bool(response.get("error")), seconds, output)
        except zipfile.BadZipFile as error:
            return _error(request, "Runtime.BadCode", f"the function's code is not a zip file: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _wait(self, code: Code, folder: Path, environment: Mapping[str, str]) -> bool:
        """Whether it ended in time."""
        command = [sys.executable, "-I", "-u", program.__file__, str(self._reader), str(folder), code.handler]
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder / "code",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._reader,),
                start_new_session=True,
            )
        try:
            process.wait(code.timeout)
        except subprocess.TimeoutExpired:
            return False
        finally:
            _end_group(process)
        return True

    def _environment(
        self, code: Code, credentials: Credentials, aws_url: str, stream: str, folder: Path
    ) -> dict[str, str]:
        return {
            **{name: value for name, value in code.variables.items() if not RESERVED.fullmatch(name)},
            "LANG": "C.UTF-8",
            "HOME": str(folder),  # no settings and no credentials of this machine's user
            "TMPDIR": str(folder / "tmp"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": aws_url,
            "AWS_REGION": code.region,
            "AWS_DEFAULT_REGION": code.region,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{code.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": code.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(code.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": code.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        }

    def stop(self) -> None:
        """Ends all functions: each ends when this pipe closes."""
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and whatever it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _error(request: str, kind: str, text: str, seconds: float = 0.0, output: str = "") -> Outcome:
    payload = json.dumps({"errorType": kind, "errorMessage": text})
    return Outcome(request, payload, True, seconds, output or f"{text}\n")
