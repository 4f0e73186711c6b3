"""The plugin `pulumi-resource-aws` of the sandbox: `python -m scaletozero.sandbox.providers.aws <engine address>`."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

from scaletozero.sandbox.credentials import from_environment
from scaletozero.sandbox.inventory import VARIABLE, Inventory
from scaletozero.sandbox.providers.clients import ENDPOINT, Clients, require_loopback


def main() -> None:
    try:
        url = require_loopback(os.environ.get(ENDPOINT))
    except ValueError as error:
        sys.exit(f"error: {error}")
    from scaletozero.sandbox.providers.protocol import serve
    from scaletozero.sandbox.providers.resources import TABLE
    from scaletozero.sandbox.providers.server import TableServicer

    path = os.environ.get(VARIABLE)
    inventory = Inventory(Path(path)) if path else None
    attached = inventory.attach() if inventory else None
    serve(TableServicer(importlib.metadata.version("pulumi-aws"), TABLE, Clients(url, from_environment()), inventory))
    if attached:
        attached.close()


if __name__ == "__main__":
    main()
