"""Runs a Lambda function's handler for one event, and ends when the embedded AWS ends.

Run by path and isolated (`python -I program.py FD FOLDER HANDLER`): Python's variables and the user's packages are
ignored. FOLDER has the function's code, the event with its context in `event.json`, and receives `response.json`. FD is
the reading end of a pipe whose other end only the embedded AWS holds: it closes when that ends, however it ends.
"""

import importlib
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path


def _end_with_the_runtime(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os._exit(3)


class Context:
    """What Lambda tells a handler (Lambda developer guide, Python context object)."""

    def __init__(self, given: dict) -> None:
        self.aws_request_id = given["request_id"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = given["arn"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = self.client_context = None
        self._ends = time.monotonic() + given["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._ends - time.monotonic()) * 1000))


def _run(folder: Path, handler: str) -> dict:
    given = json.loads((folder / "event.json").read_text(encoding="utf-8"))
    module, _, name = handler.rpartition(".")
    sys.path.insert(0, str(folder / "code"))
    try:
        function = getattr(importlib.import_module(module.replace("/", ".")), name)
        # Made into JSON here, where it counts as the function's failure.
        return {"payload": json.dumps(function(given["event"], Context(given)))}
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the function's failure
        traceback.print_exc()
        where = traceback.format_tb(error.__traceback__)
        about = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": where}
        return {"error": True, "payload": json.dumps(about)}


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_runtime, args=(int(sys.argv[1]),), daemon=True).start()
    own = Path(sys.argv[2])
    response = json.dumps(_run(own, sys.argv[3]))
    sys.stdout.flush()
    (own / "response.part").write_text(response, encoding="utf-8")
    (own / "response.part").replace(own / "response.json")
    os._exit(0)  # as Lambda freezes what a handler left running
