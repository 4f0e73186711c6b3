"""DynamoDB Local, Amazon's own DynamoDB for one machine: it has real conditional writes, transactions and their tokens.

It comes through Maven, from wherever this machine's Maven fetches, once, and is kept in the shared cache.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from scaletozero.engine.find import cache_folder
from scaletozero.engine.go_build import Say, one_at_a_time

VERSION = "3.3.1"
NAME = "DynamoDB Local"

_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>scaletozero</groupId><artifactId>tests</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>software.amazon.dynamodb</groupId><artifactId>DynamoDBLocal</artifactId><version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""
_MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"


def find_dynamodb_local(say: Say = lambda line: None) -> Path:
    """The folder of its libraries; fetches it if it is not there.

    Raises:
        RuntimeError: Java or Maven is not installed, or Maven could not fetch it.
    """
    folder = cache_folder() / f"dynamodb-local-{VERSION}"
    if not shutil.which("java"):
        raise RuntimeError(f"{NAME} needs java, which is not installed")
    with one_at_a_time(folder.with_name(f"{folder.name}.lock"), say, NAME):
        if folder.is_dir():
            return folder
        if not (maven := shutil.which("mvn")):
            raise RuntimeError(f"{NAME} is fetched by mvn, which is not installed")
        say(f"{NAME}: fetching {VERSION} with mvn (50 MB, once)")
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            (Path(made) / "pom.xml").write_text(_POM)
            goal = ("dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime")
            done = subprocess.run([maven, "-q", "-B", *goal], cwd=made, capture_output=True, text=True)
            if done.returncode:
                said = (done.stdout + done.stderr).strip().splitlines()
                raise RuntimeError(f"mvn could not fetch {NAME}: {said[0] if said else done.returncode}")
            # It gets its final name only when complete.
            (Path(made) / "lib").rename(folder)
    return folder


@contextlib.contextmanager
def dynamodb_local(libraries: Path) -> Iterator[str]:
    """Runs it in memory on a free port, and gives its address.

    Args:
        libraries: as `find_dynamodb_local` gives them.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["java", "-Xmx512m", f"-Djava.library.path={libraries}", "-cp", f"{libraries}/*", _MAIN]
    options = ["-inMemory", "-disableTelemetry", "-port", str(port)]
    with tempfile.TemporaryFile() as told:
        running = subprocess.Popen([*command, *options], stdout=told, stderr=told, stdin=subprocess.DEVNULL)
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + 120
            while not _answers(url):
                if running.poll() is not None or time.monotonic() > end:
                    told.seek(0)
                    raise RuntimeError(f"{NAME} did not start: {told.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.2)
            yield url
        finally:
            running.kill()
            running.wait()


def client(url: str, config: Config | None = None) -> Any:
    """A boto3 client of it."""
    secret = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("dynamodb", endpoint_url=url, region_name="eu-central-1", config=config, **secret)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _answers(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def without_proxy() -> dict[str, str]:
    """The variables of a process that talks to this machine alone."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
