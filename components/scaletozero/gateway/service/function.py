"""The program as a function of Lambda, behind the Lambda Web Adapter, which passes it one request at a time.

What it does is in a file that its settings' layer brings; see `scaletozero.gateway.contents`.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import Any

import botocore.session
from uvicorn.config import Config
from uvicorn.server import Server

from model_packaging.findings import FindingsError
from scaletozero.gateway.cache.store import CacheStore
from scaletozero.gateway.contents import FILE, PORT, Contents, read_contents
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.transactions import Transactions
from scaletozero.gateway.opening import CACHE, LEDGER, Site, open_door
from scaletozero.gateway.service.app import application

HOST = "127.0.0.1"


def site_of(contents: Contents) -> Site:
    """Where it runs: on the account of its role, which boto finds in the variables that Lambda sets."""
    session = botocore.session.get_session()

    def client(service: str, region: str, config: Any) -> Any:
        return session.create_client(service, region_name=region, config=config)

    region = contents.region
    return Site(
        region,
        contents.served,
        contents.table,
        DynamoStore(Transactions(client("dynamodb", region, LEDGER)), contents.ledger),
        CacheStore(client("dynamodb", region, CACHE) if contents.cache else None, contents.cache),
        client,
        "gateway",
        settles_first=True,
        tariff=contents.tariffs.__getitem__,
        regions=contents.regions,
    )


def main() -> None:
    """Serves until Lambda ends the process."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
    logging.getLogger("scaletozero.gateway").setLevel(logging.INFO)
    try:
        contents = read_contents(Path(os.environ[FILE]).read_text(encoding="utf-8"))
        door = open_door(contents.rules, site_of(contents))
    except FindingsError as error:
        sys.exit(f"the gateway cannot start: {error}")
    gc.freeze()  # what is loaded stays; it was not collected meanwhile either (`scaletozero.gateway.package.START`)
    gc.enable()
    config = Config(
        application(door),
        host=HOST,
        port=int(os.environ[PORT]),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    Server(config).run()
