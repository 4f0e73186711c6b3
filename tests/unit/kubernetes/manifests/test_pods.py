"""The programs that run in pods, against an engine that answers as vLLM does, and what the pods are allowed."""

import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from gpu_declarations import IMAGE, plan
from schemas import problems

from model_packaging.findings import FindingsError
from scaletozero.kubernetes.cold_start import DEREGISTER_SECONDS
from scaletozero.kubernetes.manifests.compile_cache import copy_program, fill_program
from scaletozero.kubernetes.manifests.objects import selector
from scaletozero.kubernetes.manifests.pods import drain_program


class Engine(BaseHTTPRequestHandler):
    """Answers as vLLM does while it still works, `busy` times."""

    busy = 2
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        running = 1.0 if type(self).asked <= type(self).busy else 0.0
        body = f'# HELP x\nvllm:num_requests_running{{m="a"}} {running}\nvllm:num_requests_waiting{{m="a"}} 0.0\n'
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


def test_a_pod_drains_until_its_last_request_is_answered() -> None:
    class Busy(Engine):
        asked = 0

    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The wait for the proxies is not what is tested.
    program = drain_program(server.server_port, 60).replace(f"time.sleep({DEREGISTER_SECONDS})", "pass")
    try:
        subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
    finally:
        server.shutdown()
    assert Busy.asked == Busy.busy + 1


def test_and_no_longer_than_it_may() -> None:
    class Stuck(Engine):
        busy = 10**9
        asked = 0

    server = HTTPServer(("127.0.0.1", 0), Stuck)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = drain_program(server.server_port, 2).replace(f"time.sleep({DEREGISTER_SECONDS})", "pass")
    began = time.monotonic()
    try:
        subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
    finally:
        server.shutdown()
    assert time.monotonic() - began >= 2
    assert Stuck.asked >= 1


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


ENGINE = """
import http.server, os, sys
folder, port, status = sys.argv[1:]
os.makedirs(folder + "/vllm")
open(folder + "/vllm/kernel.so", "w").write("code")
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(status))
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(port)), Health)
server.serve_forever()
"""


def filled(tmp_path: Path, status: int, seconds: int = 60) -> subprocess.CompletedProcess[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own, volume = str(tmp_path / "cache" / "key"), str(tmp_path / "volume" / "key")
    program = fill_program(own, volume, port, seconds)
    return run(program, sys.executable, "-c", ENGINE, own, str(port), str(status))


def test_what_the_engine_compiled_is_kept_once_and_copied(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "key.partother").mkdir(parents=True)
    assert filled(tmp_path, 200).returncode == 0
    assert [each.name for each in volume.iterdir()] == ["key"], "nothing of a run that broke off is left"
    assert (volume / "key" / "vllm" / "kernel.so").read_text() == "code"
    again = run(fill_program("/none", str(volume / "key"), 1, 1), "a program that is not there")
    assert again.returncode == 0, "nothing is compiled again"
    copied = tmp_path / "replica" / "key"
    assert run(copy_program(str(volume / "key"), str(copied))).returncode == 0
    assert (copied / "vllm" / "kernel.so").read_text() == "code"


def test_of_an_engine_that_does_not_respond_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    done = filled(tmp_path, 500, seconds=2)
    assert (done.returncode, "nothing is kept" in done.stderr) == (1, True)
    assert [*(tmp_path / "volume").iterdir()] == []
    assert run(copy_program(str(tmp_path / "volume" / "key"), str(tmp_path / "x"))).returncode == 0
    assert not (tmp_path / "x").exists(), "a replica compiles for itself"


def test_with_a_job_that_compiles_replicas_only_read_the_volume() -> None:
    planned = plan(serving__compile_cache="efs", serving__compile_fill=True)
    pod, job = planned.object("Deployment")["spec"]["template"]["spec"], planned.object("Job")
    compiles = job["spec"]["template"]["spec"]
    claim = {each["name"]: each.get("persistentVolumeClaim") for each in pod["volumes"]}["compiled"]
    assert claim == {"claimName": "llm", "readOnly": True}
    assert "compiled" not in {each["name"] for each in pod["containers"][0]["volumeMounts"]}
    (copies,) = pod["initContainers"]
    assert {"name": "compiled", "mountPath": "/compiled", "readOnly": True} in copies["volumeMounts"]
    engine, replica = compiles["containers"][0], pod["containers"][0]
    assert engine["command"][3:] == [*replica["command"], *replica["args"]], "it compiles what a replica runs"
    assert (engine["env"], engine["resources"]) == (replica["env"], replica["resources"])
    labels, policy = job["spec"]["template"]["metadata"]["labels"], planned.object("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert not planned.object("Service")["spec"]["selector"].items() <= labels.items(), "it gets no requests"
    other = plan(serving__compile_cache="efs", serving__compile_fill=True, image=IMAGE.replace("v0.11.0", "v0.11.1"))
    assert other.object("Job")["metadata"]["name"] != job["metadata"]["name"]
    assert problems(job) == []
    # The template of a Job cannot be changed: with another one it is another Job, of the same kernels.
    moved = plan(serving__compile_cache="efs", serving__compile_fill=True, serving__port=8001).object("Job")
    assert moved["spec"] != job["spec"]
    assert moved["metadata"]["name"] != job["metadata"]["name"]
    assert plan(serving__compile_cache="efs", serving__compile_fill=True).object("Job") == job
    filling = {"serving__compile_cache": "efs", "serving__compile_fill": True}
    assert len(plan("x" * 54, **filling).object("Job")["metadata"]["name"]) == 63
    (found,) = plan("x" * 55, **filling).findings
    assert found.rule == "must have at most 54 characters"
    assert problems(planned.object("Deployment")) == []


def test_without_it_nothing_changes() -> None:
    planned = plan(serving__compile_cache="efs")
    pod = planned.object("Deployment")["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert {"name": "compiled", "persistentVolumeClaim": {"claimName": "llm"}} in pod["volumes"]
    assert planned.object("NetworkPolicy")["spec"]["podSelector"] == {"matchLabels": selector("llm")}


@pytest.mark.parametrize("changes", [{}, {"serving__compile_cache": "efs", "serving__graphs": "none"}])
def test_a_job_that_would_compile_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FindingsError, match=r"serving\.compile_fill"):
        plan(serving__compile_fill=True, **changes)
