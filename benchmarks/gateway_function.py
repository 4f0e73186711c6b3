"""The gateway's function: the size of its code, and how long a new process of it takes to its first answer.

The code is unpacked and started as Lambda's adapter starts it, by a Python that has nothing else, and is asked for
`/healthz` until it answers, as the adapter does, and then for the models of a customer. Secrets come from a stub in
this process. It prints the median and the least of several starts, the processor time of the least, which other work on
the machine disturbs less, and where the time goes with `--profile`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from model_packaging.validation import parse
from scaletozero.gateway.contents import Contents
from scaletozero.gateway.keys import key_hash, new_key
from scaletozero.gateway.package import HANDLER, build_package
from scaletozero.gateway.targets import Served
from scaletozero.settings.gateway import Rules
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.prices import shipped

REGION = "us-east-1"
MOST_SECONDS = 0.4
"""The objective of a start with its first answer."""

OWN: dict[str, Any] = {"own": {"endpoint": "sentences"}}
PROVIDER: dict[str, Any] = {
    "small": {
        "provider": {
            "base_url": "https://api.openai.com/v1",
            "model": "gpt-5-mini",
            "secret": "openai-key",
            "price": "openai/gpt-5-mini",
        }
    }
}


class _Secrets(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"SecretString": "a key"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing."""


@contextmanager
def _stub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Secrets)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _ask(port: int, path: str, key: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    return connection.getresponse().read()


def _start(folder: Path, file: Path, aws: str, key: str, *options: str) -> tuple[float, float, float, str]:
    """Seconds until it is ready, until a customer is answered, and of the processor; and what it wrote."""
    port = _free()
    environment = {
        "PATH": f"{folder.parent / 'python' / 'bin'}{os.pathsep}/usr/bin:/bin",
        "LAMBDA_TASK_ROOT": str(folder),
        "SCALETOZERO_GATEWAY": str(file),
        "AWS_LWA_PORT": str(port),
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": REGION,
        **({"PYTHONPROFILEIMPORTTIME": "1"} if options else {}),
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(folder / HANDLER)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        while True:
            with suppress(OSError):
                _ask(port, "/healthz", "")
                break
            if process.poll() is not None:
                raise SystemExit((process.stdout.read() if process.stdout else b"").decode())
            time.sleep(0.002)
        ready = time.perf_counter() - began
        answer = _ask(port, "/v1/models", key)
        assert b'"object":"list"' in answer.replace(b" ", b""), answer
        answered = time.perf_counter() - began
    finally:
        process.terminate()
    output = process.stdout.read() if process.stdout else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return ready, answered, used.ru_utime + used.ru_stime, output.decode()


def main() -> None:
    """Prints the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--starts", type=int, default=9)
    arguments.add_argument("--profile", action="store_true")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary, _stub() as aws:
        root = Path(temporary)
        package = build_package(root)
        with zipfile.ZipFile(package.path) as archive:
            unpacked = sum(each.file_size for each in archive.infolist())
            archive.extractall(root / "code")
        (root / "code" / HANDLER).chmod(0o755)
        venv.create(root / "python", symlinks=True)
        size = package.path.stat().st_size
        print(f"{package.runtime} {package.architecture}: zip {size / 1e6:.1f} MB, unpacked {unpacked / 1e6:.1f} MB")
        key = new_key()
        for name, models in (("own endpoint", OWN), ("own endpoint and provider", OWN | PROVIDER)):
            customers = {"acme": {"cap_usd_per_month": "1", "models": list(models), "keys": [key_hash(key)]}}
            rules = parse(Rules, {"models": models, "customers": customers}, "gateway")
            tariffs = {each.price: token_tariff(each.price) for _, each in rules.providers()}
            served = {"sentences": Served("there", 2048)}
            contents = Contents(rules, REGION, served, shipped(), "ledger", tariffs=tariffs)
            file = root / "gateway.json"
            file.write_text(contents.text())
            if options.profile:
                print(_start(root / "code", file, aws, key, "profile")[3])
                continue
            _start(root / "code", file, aws, key)  # so that the files are in memory, as Lambda has them
            found = [_start(root / "code", file, aws, key)[:3] for _ in range(options.starts)]
            *waits, used = zip(*found, strict=True)
            for what, seconds in zip(("ready", "first answer of a customer"), waits, strict=True):
                print(
                    f"{name}: {what} after {statistics.median(seconds) * 1000:.0f} ms (median of {options.starts}), "
                    f"least {min(seconds) * 1000:.0f} ms, {min(seconds) / MOST_SECONDS:.2f} of the objective"
                )
            print(f"{name}: {min(used) * 1000:.0f} ms of the processor at least; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
