"""The `scaletozero` command."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from importlib import metadata
from typing import Annotated

import typer

from model_packaging.findings import FindingsError
from scaletozero.cli import (
    advising,
    benching,
    billing,
    checking,
    clusters,
    costing,
    customers,
    dashboards,
    deploying,
    estimating,
    gateways,
    importing,
    inspecting,
    packaging,
    predicting,
    pricing,
    publishing,
    querying,
    reopening,
    repacking,
    reporting,
)
from scaletozero.cli.output import COLOUR, FAILED, err, failed, printable, say, shown

app = typer.Typer(
    name="scaletozero",
    help="Serve AI models from your own cloud accounts and pay per query.",
    no_args_is_help=True,
    rich_markup_mode="rich" if COLOUR else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(packaging.package)
app.command()(inspecting.inspect)
app.command()(inspecting.verify)
app.command()(publishing.publish)
app.command()(deploying.up)
app.command()(deploying.preview)
app.command()(deploying.down)
app.command()(deploying.status)
app.command()(querying.invoke)
app.command()(benching.bench)
app.command()(advising.advise)
app.command()(clusters.cluster)
app.command()(checking.check)
app.command()(estimating.estimate)
app.command()(costing.costs)
app.command()(billing.billing)
app.command()(dashboards.dashboard)
app.command()(predicting.predict)
app.command()(repacking.repack)
app.command()(reopening.close)
app.command()(reopening.reopen)
app.command()(reporting.residency)
app.command()(gateways.gateway)
app.add_typer(customers.customers, name="customers")
app.add_typer(importing.app, name="import")
app.add_typer(pricing.app, name="prices")

_UsageError = next(each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"scaletozero {metadata.version('scaletozero')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Serve AI models from your own cloud accounts and pay per query."""


def main() -> None:
    """Runs the command. Exit codes: 0 succeeded, 1 failed, 2 wrong usage."""
    _open_streams()
    warnings.showwarning = _warn
    code = _run()
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _unwritable(error)
    sys.exit(code)


def _run() -> int:
    """Runs the command and returns its exit code. Faults of the machine or the input are never shown as tracebacks."""
    try:
        return app(standalone_mode=False) or 0
    except FindingsError as error:
        return shown(error).exit_code
    except (KeyboardInterrupt, typer.Abort):
        return failed("interrupted").exit_code
    except RecursionError:
        return failed("error: the input is nested too deeply to be read").exit_code
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.ENOSPC) and error.filename is None:
            return _unwritable(error)
        where = f"{str(error.filename)[:200]}: " if error.filename is not None else ""
        return failed(f"error: {where}{error.strerror or error}").exit_code
    except Exception as error:
        if isinstance(error, _UsageError):
            return _wrong_use(error)
        raise


def _wrong_use(error: Exception) -> int:
    """Shows what is wrong with the command line, as click would, with control characters escaped."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(context.get_help() if context else error, file=sys.stderr)
    else:
        if context is not None:
            err.print(printable(context.get_usage()), markup=False)
        err.print(printable(f"error: {error.format_message()}"), style="bold red", markup=False)  # pyright: ignore[reportAttributeAccessIssue]
    return error.exit_code  # pyright: ignore[reportAttributeAccessIssue]


def _unwritable(error: OSError) -> int:
    """Reports once that stdout is closed or full, and prevents a second report when the interpreter exits."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return FAILED
    try:
        return failed(f"error: stdout: {error.strerror}").exit_code
    except OSError:
        return FAILED


def _warn(message: Warning | str, *_: object) -> None:
    """Shows a warning about the input as one line."""
    say(f"warning: {message}")


def _open_streams() -> None:
    """Opens the standard streams that are closed, because the next file that is opened would take their place."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
