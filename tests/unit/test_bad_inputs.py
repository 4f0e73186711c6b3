"""Whatever is handed over ends in words: no traceback, no wait, nothing raw on the terminal.

SCALETOZERO_TRIES is how many inputs are tried in all (default: 320, the same on each run).
"""

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
import typer
from bad_inputs import NASTY, VALUES, WORDS, damaged, documents
from endpoint_declarations import OFFICE, args
from gpu_declarations import IMAGE as GPU_IMAGE
from gpu_declarations import cluster, warm
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from small_artifact import small_artifact

import scaletozero
from model_packaging import open_artifact, pipeline
from model_packaging.evaluation import verification
from model_packaging.findings import FindingsError, refuse
from model_packaging.serving import request as serving_request
from model_packaging.serving import server as serving
from scaletozero import cli
from scaletozero.cli import deploying, querying

ASKED = os.environ.get("SCALETOZERO_TRIES")
TRIES = int(ASKED or 320) // 4
PATIENCE = 120
"""Seconds after which a try counts as one that never ends; each takes some milliseconds."""

tried = settings(
    max_examples=TRIES,
    deadline=None,
    derandomize=not ASKED,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

ENVIRONMENT: dict[str, Any] = {
    "region": "eu-central-1",
    "tags": {"team": "search"},
    "artifacts": {"keep_old_versions_days": 30},
    "endpoints": {
        "sentences": {
            "kind": "serverless",
            "artifact": "model",
            "image": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3",
            "memory_mb": 2048,
            "scaling": {"min": 1, "max": 8},
            "schedule": [{**OFFICE}],
            "alarms": {"p99_ms": 300},
        },
        "documents": {
            "kind": "asynchronous",
            "artifact": "model",
            "image": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3",
            "instance_type": "ml.g5.xlarge",
            "scaling": {"max": 3, "idle_seconds": 600},
            "vpc": {"subnet_ids": ["subnet-0123456789abcdef0"], "security_group_ids": ["sg-0123456789abcdef0"]},
        },
        "llm": {"kind": "gpu", "artifact": "model", "image": GPU_IMAGE, "gpu": {"types": ["g6.xlarge"]}},
    },
    "kubernetes": {"namespace": "models", "cluster": {k: v for k, v in cluster().items() if k != "region"}},
    "quotas": {"concurrency": 1000},
    "sandbox": {"aws_port": 0, "runtime_port": 0, "idle_seconds": 60},
}
SETTINGS = {"config": {"own:environment": ENVIRONMENT, "pulumi:disable-default-providers": ["aws"]}}
SPEC = {
    "name": "model",
    "task": "sentence-embedding",
    "source": "model.onnx",
    "tokenizer": "tokenizer.json",
    "out": "out",
    "floor": {"mean": 0.998, "minimum": 0.996},
    "recipes": ["int8"],
    "licence": "MIT",
}


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Fails what never ends."""

    def late(*_: object) -> None:
        raise AssertionError(f"no end after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with everything a command line can name, where nothing heavy begins."""

    def stop(*_: object, **__: object) -> Any:
        raise refuse("test", "must end here")

    for module, name in (
        (deploying, "find_engine"),
        (querying, "find_engine"),
        (pipeline, "package"),
        (verification, "verify_artifact"),
    ):
        monkeypatch.setattr(module, name, stop)
    monkeypatch.setattr("model_packaging.benchmark.bench.whole_starts", stop)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    if not (home / "model").exists():
        small_artifact(home, "model")
        os.mkfifo(home / "pipe")
    return home


def write_project(folder: Path) -> None:
    (folder / "Pulumi.yaml").write_text("name: own\nruntime: python\nmain: program\n")
    (folder / "Pulumi.local.yaml").write_text(json.dumps(SETTINGS))
    (folder / "spec.yaml").write_text(json.dumps(SPEC))
    (folder / "calls.csv").write_text("timestamp,duration\n1,0.1\n2,0.1\n")
    (folder / "deep.json").write_text("[" * 5000)
    (folder / "binary").write_bytes(b"\xff\xfe\0\1")
    (folder / "program").mkdir(exist_ok=True)
    (folder / "program" / "__main__.py").write_text("")


def run(*words: str, stdin: str = "") -> tuple[int, str]:
    """The command in this process; its exit code and all that it printed. What it raises is raised."""
    raw = io.BytesIO()
    text = io.TextIOWrapper(raw, errors="backslashreplace", write_through=True)
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    try:
        sys.argv = ["scaletozero", *words]
        sys.stdin, sys.stdout, sys.stderr = io.StringIO(stdin), text, text
        with in_time():
            code = cli._run()
    finally:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
    return code, raw.getvalue().decode()


def in_words(code: int, said: str) -> None:
    assert code in (0, 1, 2), said
    assert "Traceback" not in said
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\0"} & set(said)
    assert code == 0 or said.strip()


@tried
@given(
    st.sampled_from(["Pulumi.local.yaml", "Pulumi.local.yaml", "Pulumi.local.yaml", "spec.yaml", "Pulumi.yaml"]),
    st.data(),
)
def test_a_file(project: Path, name: str, data: st.DataObject) -> None:
    write_project(project)
    right = {"Pulumi.local.yaml": SETTINGS, "spec.yaml": SPEC, "Pulumi.yaml": {"name": "own", "runtime": "python"}}
    (project / name).write_bytes(data.draw(documents(right[name])))
    in_words(*run("package", "spec.yaml") if name == "spec.yaml" else run("preview"))


COMMANDS = {each.callback.__name__: each for each in cli.app.registered_commands if each.callback}
ADVISE = ["advise", "sentences", "--trace", "calls.csv", "--objective-ms", "5", "--region", "us-east-1"]
OPTIONS = {
    name: sorted(
        {word for each in each_command.params for word in (*each.opts, *each.secondary_opts) if word[0] == "-"}
    )
    for name, each_command in typer.main.get_command(cli.app).commands.items()  # pyright: ignore[reportAttributeAccessIssue]
}
FILES = [
    *("Pulumi.yaml", "Pulumi.local.yaml", "spec.yaml", "calls.csv", "deep.json", "binary", "program", "model", "pipe"),
    *("model/model.tar.gz", "model/manifest.json", "./model", "nowhere/x", "/dev/full", "/dev/zero", "-", "local"),
    *("sentences", "documents", "llm", "eu-central-1", "models", "0", "-1", "5", "nan", "1e400", '{"inputs": ["a"]}'),
]
WORD = st.sampled_from(FILES) | st.sampled_from([each for each in NASTY if isinstance(each, str)]) | WORDS


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(sorted(OPTIONS)) | WORD)
    words = st.sampled_from(OPTIONS.get(command) or ["--help"]) | WORD
    return [command, *draw(st.lists(words, max_size=7))]


@tried
@given(command_lines(), WORD, st.sampled_from([None, *FILES]))
@example([*ADVISE, "--plot", "pipe"], "", None)
@example(["inspect", "x" * 5000], "", None)
@example(["publish", "model", "--bucket", "\ud800", "--region", "eu-central-1"], "", None)
def test_a_command_line(project: Path, words: list[str], stdin: str, kubeconfig: str | None) -> None:
    write_project(project)
    with pytest.MonkeyPatch.context() as patch:
        if kubeconfig:
            patch.setenv("KUBECONFIG", kubeconfig)
        in_words(*run(*words, stdin=stdin))


class Echo(Mocks):
    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return args.name, {"arn": "arn:aws:test", "name": args.name, **args.inputs}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)


COMPONENTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "ArtifactStore": lambda _: {"region": "eu-central-1", "tags": {"team": "search"}, "keep_old_versions_days": 30},
    "ServerlessEndpoint": lambda model: args(model, scaling={"min": 2, "max": 8}, schedule=[OFFICE], alarms={}),
    "AsyncEndpoint": lambda model: args(
        model, instance_type="ml.g5.xlarge", vpc={"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}
    ),
    "WarmPool": lambda _: {
        "endpoint_name": "e",
        "region": "eu-central-1",
        "unit": "instances",
        "scaling": {"min": 0, "max": 2},
        "cold_start_seconds": 300.0,
    },
    "EndpointAlarms": lambda _: {"endpoint_name": "e", "region": "eu-central-1", "kind": "serverless"},
    "ServingImage": lambda _: {"region": "eu-central-1"},
    "GpuEndpoint": lambda model: {
        "artifact": str(model.path),
        "image": GPU_IMAGE,
        "bucket": "acme-models",
        "namespace": "models",
        "cluster": cluster(),
        "scaling": {"buffer": 1, "max": 3},
    },
    "GpuWarmPool": lambda _: warm(replicas=1),
    "GpuNodePool": lambda _: {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge"],
        "max_gpus": 2,
        "nodes": {"role": "nodes"},
    },
    "ClusterPrerequisites": lambda _: {"cluster": cluster(), "namespaces": [{"name": "models", "gpu_quota": 2}]},
}


@tried
@given(st.sampled_from(sorted(COMPONENTS)), st.data())
def test_the_arguments_of_a_component(project: Path, name: str, data: st.DataObject) -> None:
    model = open_artifact(project / "model")
    given_args = data.draw(damaged(COMPONENTS[name](model)) | VALUES)
    pulumi.runtime.set_mocks(Echo(), project="acme", stack="dev")

    @pulumi.runtime.test
    def program() -> None:
        with contextlib.suppress(FindingsError, pulumi.InputPropertiesError):
            getattr(scaletozero, name)("it", given_args)

    with in_time():
        program()


BODIES = st.binary(max_size=60) | st.builds(lambda value: json.dumps(value, default=str).encode(), VALUES)
HEADERS = st.sampled_from(
    [
        "Content-Length",
        "Content-Type",
        "Accept",
        "Transfer-Encoding",
        "Host",
        "Expect",
        "Connection",
        "Content-Encoding",
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(BODIES | st.sampled_from([b"[" * 100_000, b"9" * 5000, b'{"inputs": ["a"]}']))
    method = draw(st.sampled_from(["GET", "POST", "POST", "POST", "PUT", "HEAD", "OPTIONS", "", "X" * 99]))
    path = draw(
        st.sampled_from(["/ping", "/invocations", "/invocations", "/", "*", "//", "/invocations?x", "http://["])
    )
    lines = [f"{method} {path} HTTP/{draw(st.sampled_from(['1.1', '1.1', '1.0', '0.9', '9.9', 'x']))}".encode()]
    if draw(st.integers(0, 9)):
        lines += [b"Host: localhost", b"Content-Length: %d" % len(body), b"Connection: close"]
    for header in draw(st.lists(HEADERS, max_size=2)):
        value = draw(st.sampled_from(["chunked", "application/json", "application/x-npy", "-1", "9" * 5000]) | WORDS)
        lines.append(f"{header}: {value}".encode(errors="surrogatepass"))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[int, list[str]]]:
    """The serving program's HTTP, over a model that answers every request that it understands."""
    logged: list[str] = []

    def respond(body: bytes, media: str, wanted: str) -> bytes:
        try:
            texts = serving_request.texts_of(json.loads(body))
        except (ValueError, RecursionError) as error:
            raise serving_request.BadRequestError(str(error)) from None
        return json.dumps({"embeddings": [[0.0]] * len(texts)}).encode()

    class Handler(serving.Handler):
        state = serving.State()

        def log_message(self, text: str, *rest: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            logged.append(text % rest)

    class Server(serving.Server):
        def handle_error(self, request: Any, client_address: Any) -> None:
            logged.append(f"Traceback: {sys.exception()!r}")

    task = SimpleNamespace(takes=("application/json",), gives=("application/json", "application/x-npy"))
    Handler.state.runtime = SimpleNamespace(task=task, respond=respond)  # pyright: ignore[reportAttributeAccessIssue]
    server = Server(socket.create_server(("127.0.0.1", 0)), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server.server_port, logged
    server.shutdown()
    server.server_close()


@tried
@given(requests())
def test_a_request(served: tuple[int, list[str]], sent: bytes) -> None:
    port, logged = served
    logged.clear()
    with in_time(), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        received = b""
        with contextlib.suppress(OSError):  # it closed with something of the request unread
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                received += part
    assert not [line for line in logged if "Traceback" in line or "inference failed" in line]
    if received.startswith(b"HTTP/"):
        status = int(received.split(b" ", 2)[1])
        assert status < 500 or status in (http.client.NOT_IMPLEMENTED, http.client.HTTP_VERSION_NOT_SUPPORTED), received
