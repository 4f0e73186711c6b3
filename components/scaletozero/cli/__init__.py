"""The `scaletozero` command."""

from __future__ import annotations

import sys

import typer

from scaletozero.cli import advising, benching, clusters, deploying, inspecting, packaging, publishing, querying
from scaletozero.cli.output import FAILED, err

app = typer.Typer(
    name="scaletozero",
    help="Serve AI models from your own cloud accounts and pay per query.",
    no_args_is_help=True,
    add_completion=False,
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


def main() -> None:
    """Runs the command. Exit codes: 0 done, 1 failed, 2 wrong use."""
    try:
        app()
    except KeyboardInterrupt:
        err.print("interrupted", style="bold red")
        sys.exit(FAILED)
