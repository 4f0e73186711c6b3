"""The program that holds a pod until its last request is answered, against an engine that answers as vLLM does."""

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from scaletozero.kubernetes.cold_start import DEREGISTER_SECONDS
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
