"""Measures what the gateway adds to a request, beside LiteLLM's proxy: same target, same machine, one run, alternately.

    python benchmarks/gateway.py [--litellm VENV] [--rounds 10] [--requests 100] [--load 1500]

Ours holds and settles each request on DynamoDB Local; LiteLLM runs without a database, and so without caps. Without
`--litellm` its proxy is installed into a temporary environment (750 MB), which is deleted afterwards.

What is added is the time of a request through the gateway less the median of the same request sent directly. The round
trip of the store that a request waited for is measured in the gateway, around the call, and subtracted request by
request for the figure without it. A rate for one core is the number of requests in a second of processor time, of the
gateway's process alone.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from dynamodb_local import dynamodb_local, find_dynamodb_local
from gateway_process import gateway_command

from scaletozero.gateway.keys import key_hash, new_key

KEY = new_key()
TARGET = Path(__file__).with_name("gateway_target.py")
ASKED = {"model": "small", "messages": [{"role": "user", "content": "What is the weather like? " * 20}],
         "max_tokens": 200}  # fmt: skip
BODY = json.dumps(ASKED).encode()
LITELLM = "litellm[proxy]"
PATIENCE = 240.0


@dataclass
class Server:
    """What answers requests.

    Attributes:
        port: where.
        running: its process.
        started: seconds from the start of the process to its first answer, of each start.
        trips: where it writes the seconds of its calls of the store; None for what has none.
    """

    port: int
    running: subprocess.Popen[bytes]
    started: list[float] = field(default_factory=list)
    trips: Path | None = None

    def ask(self, connection: http.client.HTTPConnection) -> float:
        """Seconds of one request on an open connection."""
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", BODY, headers)
        answer = connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {content.decode(errors='replace')[:500]}")
        return took

    def connection(self) -> http.client.HTTPConnection:
        """A connection that is kept for many requests, and sends a request's parts without a delay."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        made.connect()
        made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def several(self, requests: int) -> list[float]:
        """Seconds of requests, one after another."""
        with contextlib.closing(self.connection()) as connection:
            return [self.ask(connection) for _ in range(requests)]

    def held(self, last: int) -> list[float]:
        """Seconds of the calls of the store that the last requests waited for."""
        assert self.trips
        waited = [float(each[1:]) for each in self.trips.read_text().split() if each.startswith("h")]
        return waited[-last:]

    def processor(self) -> float:
        """Seconds of processor time of the process and its children so far."""
        ticks = os.sysconf("SC_CLK_TCK")
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._pids()]
        return sum(int(each[11]) + int(each[12]) for each in fields) / ticks

    def memory_mb(self) -> float:
        """The most memory that it has had."""
        status = [Path(f"/proc/{pid}/status").read_text() for pid in self._pids()]
        return sum(int(each.split("VmHWM:")[1].split()[0]) for each in status) / 1024

    def _pids(self) -> list[int]:
        pid = self.running.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(int(each) for each in children)]


@contextlib.contextmanager
def target() -> Iterator[Server]:
    """The model that answers at once."""
    running = subprocess.Popen([sys.executable, str(TARGET)], stdout=subprocess.PIPE)
    try:
        assert running.stdout
        yield Server(int(running.stdout.readline()), running)
    finally:
        running.kill()
        running.wait()


@contextlib.contextmanager
def started(command: Sequence[str], port: int, variables: dict[str, str], log: Path) -> Iterator[Server]:
    """A gateway, from its start to its first answer and on."""
    with log.open("wb") as told:
        began = time.perf_counter()
        running = subprocess.Popen(command, env=variables, stdout=told, stderr=told)
    server = Server(port, running)
    try:
        while True:
            if running.poll() is not None or time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"{command[0]} did not start: {log.read_text(errors='replace')[-3000:]}")
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(server.connection()) as it:
                server.ask(it)
                break
            time.sleep(0.02)
        server.started.append(time.perf_counter() - began)
        yield server
    finally:
        running.kill()
        running.wait()


def ours(folder: Path, dynamodb: str, at: int) -> Callable[[], contextlib.AbstractContextManager[Server]]:
    """Starts our gateway."""
    provider = {"base_url": f"http://127.0.0.1:{at}/v1", "variable": "PROVIDER_KEY", "model": "luna",
                "price": "openai/gpt-5.6-luna"}  # fmt: skip
    acme = {"cap_usd_per_month": "100000", "cap_usd_per_day": "90000", "models": ["small"], "keys": [key_hash(KEY)]}
    gateway = {"models": {"small": {"provider": provider}}, "customers": {"acme": acme}}
    environment = {"region": "eu-central-1", "endpoints": {}, "sandbox": {}, "gateway": gateway}

    @contextlib.contextmanager
    def start() -> Iterator[Server]:
        port, trips = free_port(), folder / "trips.txt"
        trips.unlink(missing_ok=True)
        about = {"environment": environment, "dynamodb": dynamodb, "port": port, "trips": str(trips)}
        command, variables = gateway_command(folder / "ours.json", about)
        with started(command, port, variables | {"PROVIDER_KEY": "sk-provider"}, folder / "ours.log") as server:
            server.trips = trips
            yield server

    return start


def litellm(folder: Path, venv: Path, at: int) -> Callable[[], contextlib.AbstractContextManager[Server]]:
    """Starts LiteLLM's proxy, with one worker as ours."""
    parameters = {"model": "openai/luna", "api_base": f"http://127.0.0.1:{at}/v1", "api_key": "sk-provider"}
    config = {
        "model_list": [{"model_name": "small", "litellm_params": parameters}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False},
    }
    file = folder / "litellm.yaml"
    file.write_text(json.dumps(config))  # which is YAML
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}

    @contextlib.contextmanager
    def start() -> Iterator[Server]:
        port = free_port()
        where = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        command = [str(venv / "bin" / "litellm"), "--config", str(file), *where]
        variables = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with started(command, port, variables | quiet, folder / "litellm.log") as server:
            yield server

    return start


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def installed(folder: Path) -> Path:
    """An environment with LiteLLM's proxy, installed as this machine installs packages."""
    venv = folder / "litellm"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([str(venv / "bin" / "pip"), "install", "-q", LITELLM], check=True)
    return venv


def version(venv: Path) -> str:
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    done = subprocess.run([str(venv / "bin" / "python"), "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def load(server: Server, requests: int, callers: int) -> tuple[float, float]:
    """Requests in a second of processor time, and in a second, of several callers."""
    before, began = server.processor(), time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(server.several, [requests // callers] * callers))
    took, count = time.perf_counter() - began, requests // callers * callers
    return count / (server.processor() - before), count / took


def quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds."""
    cut = statistics.quantiles(seconds, n=100, method="inclusive")
    return 1000 * cut[49], 1000 * cut[98]


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    venv = options.litellm or installed(folder)
    with target() as direct, dynamodb_local(find_dynamodb_local()) as dynamodb:
        starts = {"ours": ours(folder, dynamodb, direct.port), "litellm": litellm(folder, venv, direct.port)}
        first: dict[str, list[float]] = {name: [] for name in starts}
        for _ in range(options.starts - 1):
            for name, start in starts.items():
                with start() as server:
                    first[name] += server.started
        with starts["ours"]() as one, starts["litellm"]() as other:
            first["ours"] += one.started
            first["litellm"] += other.started
            servers = {"direct": direct, "ours": one, "litellm": other}
            for server in servers.values():
                server.several(options.warm)
            took: dict[str, list[float]] = {name: [] for name in (*servers, "trips")}
            for _ in range(options.rounds):
                for name, server in servers.items():
                    took[name] += server.several(options.requests)
                    if server.trips:
                        took["trips"] += server.held(options.requests)
            rates = {name: load(servers[name], options.load, options.callers) for name in starts}
            memory = {name: servers[name].memory_mb() for name in starts}
    return {"took": took, "rates": rates, "memory": memory, "first": first, "litellm": version(venv)}


def report(found: dict[str, Any]) -> Iterator[str]:
    took = found["took"]
    base, _ = quantiles(took["direct"])
    with_store = quantiles(took["ours"])
    own = quantiles([all_ - trip for all_, trip in zip(took["ours"], took["trips"], strict=True)])
    theirs, store = quantiles(took["litellm"]), quantiles(took["trips"])
    added = {
        "added, p50": (own[0] - base, theirs[0] - base, "ms"),
        "added, p99": (own[1] - base, theirs[1] - base, "ms"),
        "added with the store's round trip, p50": (with_store[0] - base, theirs[0] - base, "ms"),
        "added with the store's round trip, p99": (with_store[1] - base, theirs[1] - base, "ms"),
    }
    first = {name: statistics.median(each) for name, each in found["first"].items()}
    rows = added | {
        "requests a second for one core": (found["rates"]["ours"][0], found["rates"]["litellm"][0], ""),
        "memory": (found["memory"]["ours"], found["memory"]["litellm"], "MB"),
        "start to first answer": (first["ours"], first["litellm"], "s"),
    }
    yield f"{os.cpu_count()} cores, Python {platform.python_version()}, LiteLLM {found['litellm']}"
    yield f"direct: p50 {base:.2f} ms; the store's round trip: p50 {store[0]:.2f} ms, p99 {store[1]:.2f} ms"
    yield ""
    yield "| | ours | LiteLLM's proxy | ours / LiteLLM's |"
    yield "|---|---:|---:|---:|"
    for name, (mine, other, unit) in rows.items():
        yield f"| {name} | {mine:.3g} {unit} | {other:.3g} {unit} | {mine / other:.2f} |".replace("  |", " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--litellm", type=Path, metavar="VENV", help="an environment that has LiteLLM's proxy")
    for name, count in {"starts": 3, "warm": 300, "rounds": 10, "requests": 100, "load": 1600, "callers": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in report(measure(options, Path(folder))):
            print(line)


if __name__ == "__main__":
    main()
