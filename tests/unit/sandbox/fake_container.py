"""A container by the contract whose behaviour stands in the artifact's behaviour.json."""

import json
import os
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOCK = threading.Lock()
AT_A_TIME = {"now": 0, "most": 0}
BEHAVIOUR = json.loads((Path(os.environ["SM_MODEL_DIR"]) / "behaviour.json").read_text())


def meet(folder: str, calls: int) -> None:
    """Waits until so many calls are at it at the same time: each leaves a file."""
    (Path(folder) / uuid.uuid4().hex).touch()
    while len(list(Path(folder).iterdir())) < calls:
        time.sleep(0.01)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(200, {"phases": {"imports": 3.0, "load": 2.0, "canary": 1.0}})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if request.get("crash"):
            os._exit(9)
        if request.get("say"):
            print(request["say"], end="", flush=True)
        if request.get("parts"):
            self._send_parts(**request)
            return
        if request.get("inputs"):
            self._send(200, {"embeddings": [[float(len(text)), 0.5, -1.25] for text in request["inputs"]]})
            return
        if request.get("status"):
            self._send(request["status"], {"error": "as asked"})
            return
        with LOCK:
            AT_A_TIME["now"] += 1
            AT_A_TIME["most"] = max(AT_A_TIME.values())
        if request.get("meet"):
            meet(**request["meet"])
        time.sleep(request.get("sleep", 0))
        with LOCK:
            AT_A_TIME["now"] -= 1
        if request.get("headers"):
            self._send(200, dict(self.headers))
            return
        if request.get("environment"):
            self._send(200, dict(os.environ))
            return
        answer = {"version": BEHAVIOUR["version"], "pid": os.getpid(), "echo": request.get("echo")}
        answer["most"] = AT_A_TIME["most"]
        self._send(200, answer | {"padding": "x" * request.get("padding", 0)})

    def _send_parts(self, parts: list[str], times: int = 1, wait_for: str = "", crash_after: int = 0) -> None:
        """Chunk by chunk; after the first it waits for a file in the folder `wait_for`, where given."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", self.headers["X-Amzn-SageMaker-Custom-Attributes"] or "")
        self.end_headers()
        for number, part in enumerate(parts * times):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part.encode()))
            self.wfile.flush()
            while wait_for and not number and not list(Path(wait_for).iterdir()):
                time.sleep(0.01)
            if crash_after == number + 1:
                os._exit(9)
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        custom = self.headers.get("X-Amzn-SageMaker-Custom-Attributes")
        if custom:
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", custom)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


if __name__ == "__main__":
    if BEHAVIOUR.get("broken"):
        sys.exit("the model does not load")
    while not Path(BEHAVIOUR.get("start_when", "/")).exists():
        time.sleep(0.01)
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()
