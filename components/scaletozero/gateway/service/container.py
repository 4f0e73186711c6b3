"""The program in a container of a cluster: the same one, from the same file, for as long as Kubernetes lets it run.

`python -m scaletozero.gateway.service.container` is what the pods of `home: cluster` run.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from model_packaging.findings import FindingsError
from scaletozero.gateway.contents import CONTAINER_PORT, FILE, Contents, read_contents
from scaletozero.gateway.opening import open_door
from scaletozero.gateway.service.app import application
from scaletozero.gateway.service.function import site_of

EVERYWHERE = ""
"""All addresses of the pod, of IPv4 and of IPv6: asyncio takes `::` for IPv6 alone."""


def door_of(contents: Contents) -> Any:
    """The door of a gateway in a pod, a `scaletozero.gateway.service.door.Door`.

    Raises:
        FindingsError: a secret is missing.
    """
    # A pod is not frozen after a response, so that a caller need not wait for the ledger, and what was admitted without
    # it is recorded later.
    site = replace(site_of(contents), settles_first=False, ledger_down=contents.ledger_down)
    return open_door(contents.rules, site)


def main() -> None:
    """Serves until it is told to end, and then until the last request has ended."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
    logging.getLogger("scaletozero.gateway").setLevel(logging.INFO)
    try:
        door = door_of(read_contents(Path(os.environ[FILE]).read_text(encoding="utf-8")))
    except FindingsError as error:
        sys.exit(f"the gateway cannot start: {error}")
    gc.freeze()  # what is loaded stays, and need not be looked at again
    config = Config(
        application(door),
        host=EVERYWHERE,
        port=int(os.environ[CONTAINER_PORT]),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    Server(config).run()


if __name__ == "__main__":
    main()
