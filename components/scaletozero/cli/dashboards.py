"""`dashboard`: a live page of an environment on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from model_packaging.files import require_writable
from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.output import FAILED, done, failed, findings_as_exit, print_json, say, write_file
from scaletozero.cli.running import running
from scaletozero.endpoints.reopen import closables
from scaletozero.environment.settings import Environment
from scaletozero.page.picture import drawn
from scaletozero.page.server import PageServer, page_files
from scaletozero.page.snapshot import Snapshots, Source, errors
from scaletozero.sandbox import state

MINUTES = range(10, 24 * 60 + 1)
"""That panels may show: CloudWatch keeps points of a minute for 15 days, and a day of them is what a panel can draw."""

LARGEST_PORT = 65535


def dashboard(
    environment: EnvironmentName = "local",
    port: Annotated[int, typer.Option(help="The port of the page; 0 selects any free one.")] = 0,
    minutes: Annotated[int, typer.Option(help="How many minutes the panels show, 10 to 1440.")] = 60,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the page in a browser.")] = False,
    svg: Annotated[
        Path | None,
        typer.Option(
            help="Instead: read once and draw the environment's dashboard on CloudWatch to this SVG file; exits with 1 "
            "if something cannot be read."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Instead: read once and print JSON; exits with 1 if something cannot be read."),
    ] = False,
) -> None:
    """Shows an environment live, on a page of this machine: its requests, errors, latencies, cold starts and spending.

    The panels are those of the dashboard on CloudWatch. The page is read from CloudWatch, or in the sandbox from the
    embedded one, while it is open; only this machine can open it, by the address that is printed. Ctrl-C ends it.

    Examples: scaletozero dashboard -e local

    scaletozero dashboard -e prod-eu --minutes 720 --svg dashboard.svg    (for a report)
    """
    with findings_as_exit():
        if not 0 <= port <= LARGEST_PORT:
            raise refuse("--port", f"must be from 0 (any free port) to {LARGEST_PORT}", port)
        if minutes not in MINUTES:
            raise refuse("--minutes", f"must be from {MINUTES.start} to {MINUTES.stop - 1}", minutes)
        if svg:
            require_writable("--svg", svg)
        files = {} if as_json or svg else page_files()
        find = _finder(environment)
        snapshots = Snapshots(environment, find, find(), minutes=minutes)
        if as_json or svg:
            _read_once(snapshots, svg, as_json=as_json)
            return
        server = PageServer(port, snapshots.take, files)
    every, each = snapshots.pace.panels, snapshots.metrics
    say(f"{each} metrics are read every {every:g} s while the page is open. Ctrl-C ends it.")
    done(f"dashboard of {environment}: {server.url}")
    if not no_open and _has_screen():
        webbrowser.open(server.url)
    with server, contextlib.suppress(KeyboardInterrupt):  # its usual end
        server.serve_forever()


def _finder(environment: str) -> Callable[[], Source]:
    def find() -> Source:
        found = running(environment, "dashboard")
        if found.stack.sandbox:
            with state.locked(found.project.local):
                state.use(found.project.local)  # so that the sandbox does not end while the page is open
        guards = (
            {each.endpoint: each for each in closables(found.stack.resources())} if _guarded(found.settings) else {}
        )
        return Source(found.settings, found.endpoints, found.stack.client, guards, found.project.name)

    return find


def _guarded(settings: Environment) -> bool:
    return settings.spending is not None and settings.spending.guard is not None


def _read_once(snapshots: Snapshots, svg: Path | None, *, as_json: bool) -> None:
    snapshot = snapshots.take()
    if svg:
        if not any(each.asked for each in snapshots.contents):
            rule, fix = "is for endpoints on SageMaker", "Grafana shows those on a cluster: docs/dashboards.md"
            raise refuse("--svg", rule, "none in this environment", "there would be nothing to draw", fix)
        write_file("--svg", svg, drawn(snapshots.title, snapshots.contents, snapshot))
        say(f"dashboard: {svg}")
    if as_json:
        print_json(snapshot)
    if reasons := list(errors(snapshot)):
        raise failed(f"{snapshot['environment']}: {' '.join(reasons)}", FAILED)


def _has_screen() -> bool:
    """Whether a browser with windows can be opened; one in the terminal would take it over."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
