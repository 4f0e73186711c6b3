"""`up`, `preview`, `down` and `status`: one environment, driven through the engine."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pulumi import automation as auto

from model_packaging.extras import require_sandbox
from model_packaging.findings import FindingsError
from scaletozero.cli.asking import Confirm, Yes, agree, can_ask, name_typed
from scaletozero.cli.clusters import on_cluster
from scaletozero.cli.commenting import Format, Heard, commented, read_before
from scaletozero.cli.deployed import Deployed
from scaletozero.cli.engine import color, engine_errors
from scaletozero.cli.estimating import show_estimate
from scaletozero.cli.guarding import capped, show_capped
from scaletozero.cli.output import done, failed, findings_as_exit, print_json, say, table
from scaletozero.cli.permissions import show_permissions
from scaletozero.cli.targets import hold_to_cluster, remember
from scaletozero.endpoints.kinds import KINDS, kind_of
from scaletozero.endpoints.reopen import allow, closables
from scaletozero.engine.find import find_engine
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.project import Project, find_project, require_program
from scaletozero.environment.settings import Environment, Sandbox
from scaletozero.environment.stack import EnvironmentStack, environment_lock
from scaletozero.sandbox import daemon
from scaletozero.sandbox.credentials import environment_file
from scaletozero.sandbox.delays import Delay
from scaletozero.spending.prices import prices
from scaletozero.spending.traffic import Assumptions

if TYPE_CHECKING:
    from scaletozero.cli.adopting import Adoption

EnvironmentName = Annotated[str, typer.Option("--environment", "-e", help="The environment, from Pulumi.<name>.yaml.")]


@contextlib.contextmanager
def opened(
    name: str,
    *,
    on_sandbox: bool = False,
    with_artifacts: bool = True,
    serving: bool = False,
    speed: int | None = None,
    heard: Callable[[FindingsError], object] | None = None,
) -> Iterator[tuple[EnvironmentStack, Environment]]:
    """An environment, validated and locked for this command, with an engine and, if it uses one, a running sandbox.

    Args:
        name: the environment.
        on_sandbox: run it on the embedded AWS even if it is meant for an account.
        with_artifacts: whether every artifact has to be complete; not needed to delete the environment.
        serving: whether models will be started in the sandbox.
        speed: the speed of the sandbox's clock, before that in the settings.
        heard: who else is told of findings.
    """
    with findings_as_exit(heard=heard):
        project = find_project()
        if with_artifacts:
            require_program(project)
        environment = project.environment(name, with_artifacts=with_artifacts, on_sandbox=on_sandbox)
        if environment.sandbox:
            local = any(not kind_of(each).on_cluster for each in environment.endpoints.values())
            require_sandbox(serving=serving and local)
        with environment_lock(project, name):
            hold_to_cluster(project, environment, name, sandboxed=on_sandbox or environment.sandbox is not None)
            engine = find_engine(say)
            anywhere = Sandbox(aws_port=0, runtime_port=0)
            # An environment is deleted in its sandbox as that runs, even if the settings have changed since.
            as_it_runs = on_sandbox or not with_artifacts
            sandbox = _sandbox(project, anywhere if on_sandbox else environment.sandbox, as_it_runs, speed)
            deployment = EnvironmentStack(project, name, engine, sandbox)
            if secrets := deployment.replaced_secrets:
                say(f"the sandbox uses its own values instead of encrypted ones: {', '.join(secrets)}")
            yield deployment, environment


def _sandbox(project: Project, settings: Sandbox | None, as_it_runs: bool, speed: int | None) -> daemon.Sandbox | None:
    if settings is None:
        return None
    sandbox = daemon.running(project.local) if as_it_runs else None
    sandbox = sandbox or daemon.ensure_running(
        project.local,
        aws_port=settings.aws_port,
        runtime_port=settings.runtime_port,
        idle_seconds=settings.idle_seconds,
        speed=speed or settings.speed,
        delays={
            stage: Delay(each["seconds"], each["spread"])
            for stage, each in settings.delays.model_dump(exclude_none=True).items()
        },
    )
    say(f"embedded AWS: {sandbox.aws_url}, runtime: {sandbox.runtime_url}")
    return sandbox


def up(
    environment: EnvironmentName = "local",
    yes: Yes = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Adopt existing resources that have a declared name and this stack's tags.")
    ] = False,
    speed: Annotated[
        int | None,
        typer.Option("--speed", min=1, max=3600, help="Run the clock of the sandbox's alarms and schedules faster."),
    ] = None,
) -> None:
    """Deploys an environment. On an account it shows the preview first, and asks for confirmation.

    Example: scaletozero up -e dev
    """
    with opened(environment, serving=True, speed=speed) as (deployment, settings):
        on_account = deployment.sandbox is None
        adoption: Adoption | None = None
        if on_account:
            can_ask("up", yes=yes)
        if on_account or adopt:
            if adopt:
                from scaletozero.cli.adopting import Adoption  # rarely needed

                adoption = Adoption(deployment, settings.region)
            before = Deployed(adoption.planned if adoption else None)
            changes = _preview(deployment, "up", before)
            if on_account:
                _show_estimate(settings, before)
            if adoption:
                changes = adoption.find(changes)
            if changes and on_account:
                agree(f"{_text(changes, _TO_DO)} in {settings.region}. Deploy {environment}?", yes=yes)
        errors = engine_errors("up", environment, deployment.engine)
        with errors as output, deployment.engine.interruptible(say):
            stack = deployment.stack()
            deployment.repair(stack, say)
            if deployment.sandbox and settings.kubernetes:
                where = hold_to_cluster(deployment.project, settings, environment, sandboxed=True)
                remember(deployment.project, environment, where)
            if deployment.sandbox:
                deployment.inventory.open()
            if adoption:
                adoption.take_over(stack, output)
            # The sandbox's resources are lost when it is stopped, so they are removed from the state first.
            before = Deployed()
            result = stack.up(on_output=output, color=color(), refresh=bool(deployment.sandbox), on_event=before)
            if not settings.kubernetes:
                remember(deployment.project, environment, None)
        changes = _counts(result.summary.resource_changes)
        kept = changes.pop("same", 0)
        if not on_account:
            _show_estimate(settings, before)
        if adoption and adoption.found:
            done(f"{environment}: {len(adoption.found)} adopted.")
        if changes:
            done(f"{environment}: {_text(changes, _DONE)}, {kept} unchanged.")
        else:
            done(f"{environment}: nothing changes, {kept} resources are as declared.")
        for name, endpoint in settings.endpoints.items():
            if not kind_of(endpoint).on_cluster:
                say(f"""next: scaletozero invoke {name} '{{"inputs": ["hello"]}}' -e {environment}""")
        if any(kind_of(endpoint).on_cluster for endpoint in settings.endpoints.values()):
            say(_kubernetes_next(deployment))


def _preview(
    deployment: EnvironmentStack, what: str, on_event: Callable[[auto.EngineEvent], Any] | None = None
) -> dict[str, int]:
    """Shows what a command would change. Returns the number of changes by kind, without unchanged resources."""
    errors = engine_errors(what, deployment.name, deployment.engine)
    with errors as output, deployment.engine.interruptible(say):
        stack = deployment.stack()
        deployment.repair(stack, say)
        show = stack.preview_destroy if what == "down" else stack.preview
        refresh = bool(deployment.sandbox)
        shown = show(on_output=output, color=color(), refresh=refresh, on_event=on_event)
        changes = _counts(shown.change_summary)
    changes.pop("same", None)
    return changes


def _show_estimate(settings: Environment, before: Deployed) -> None:
    if settings.endpoints:
        assumed = Assumptions()
        show_estimate(estimate_environment(settings, assumed, prices()), assumed, before.estimate)


def _kubernetes_next(deployment: EnvironmentStack) -> str:
    if deployment.sandbox and not os.environ.get("KUBECONFIG"):
        return f"Kubernetes objects: rendered to {deployment.manifests}, because KUBECONFIG names no cluster"
    return f"next: scaletozero status -e {deployment.name}"


def _counts(changes: Mapping[Any, int] | None) -> dict[str, int]:
    return {str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items() if count}


_DONE = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced"}
_TO_DO = {kind: f"to {kind}" for kind in (*_DONE, "adopt")}


def _text(changes: Mapping[str, int], words: Mapping[str, str]) -> str:
    return ", ".join(f"{count} {words.get(kind, kind)}" for kind, count in sorted(changes.items()))


def preview(
    environment: EnvironmentName = "local",
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Preview on the embedded AWS, without an account.")
    ] = False,
    form: Annotated[
        Format,
        typer.Option("--format", help="`markdown` prints a comment for a merge request, also if it fails."),
    ] = Format.TEXT,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Compare the cost with this output of `estimate --json`."),
    ] = None,
) -> None:
    """Shows what `up` would do, and refuses declarations that could not work.

    Example: scaletozero preview -e prod-eu --sandbox
    """
    with findings_as_exit():
        was = read_before(against)
    heard = Heard()
    comments = commented(heard, environment, before=was, on_sandbox=sandbox)
    with comments if form is Format.MARKDOWN else contextlib.nullcontext():
        _previewed(environment, sandbox, heard, was, shown=form is Format.TEXT)


def _previewed(environment: str, sandbox: bool, heard: Heard, was: Mapping[str, Any] | None, *, shown: bool) -> None:
    with opened(environment, on_sandbox=sandbox, heard=heard.refused) as (deployment, settings):
        heard.settings = settings
        errors = engine_errors("preview", environment, deployment.engine, heard.failed)
        try:
            with errors as output, deployment.engine.interruptible(say):
                stack = deployment.stack()
                deployment.repair(stack, say)
                refresh = bool(deployment.sandbox)
                result = stack.preview(on_output=output, color=color(), refresh=refresh, on_event=heard)
        finally:
            if deployment.sandbox:
                daemon.stop_unused(deployment.project.local)
        changes = _counts(result.change_summary)
        same = changes.pop("same", 0)
        heard.estimate = was or heard.estimate
        if shown:
            _show_estimate(settings, heard)
        what = _text(changes, _TO_DO) or "nothing to change"
        done(f"{environment}: {what}, {same} unchanged. `scaletozero up -e {environment}` does it.")


def down(environment: EnvironmentName = "local", yes: Yes = False, confirm: Confirm = None) -> None:
    """Deletes an environment: every resource, and with the last one on this machine the embedded AWS itself.

    On an account it shows the preview first, and asks for confirmation. An environment with `protect: true` is
    deleted only after its name has been typed, or given with --confirm.

    Example: scaletozero down -e local
    """
    with opened(environment, with_artifacts=False) as (deployment, settings):
        ask = not settings.protect
        if ask and deployment.sandbox is None:
            can_ask("down", yes=yes)
        if settings.protect:
            can_ask("down", name=environment, confirm=confirm)
        if deployment.sandbox is None:
            changes = _preview(deployment, "down")
            if changes and ask:
                agree(f"{_text(changes, _TO_DO)} in {settings.region}. Delete {environment}?", yes=yes)
        if settings.protect:
            name_typed(environment, confirm)
        errors = engine_errors("down", environment, deployment.engine)
        with errors as output, deployment.engine.interruptible(say):
            stack = deployment.stack()
            deployment.repair(stack, say)
            _delete_results(deployment)
            _release_closed(deployment, settings.region)
            stack.destroy(on_output=output, color=color(), refresh=bool(deployment.sandbox))
            if deployment.sandbox:
                stack.workspace.remove_stack(environment)
                remember(deployment.project, environment, None)
        if deployment.sandbox:
            deployment.inventory.close()
            if others := daemon.stop_unused(deployment.project.local):
                say(f"the embedded AWS continues to run for {', '.join(others)}")
        done(f"{environment}: everything is deleted.")


def _delete_results(deployment: EnvironmentStack) -> None:
    """In the sandbox, objects in a bucket do not keep an environment from being deleted."""
    if sandbox := deployment.sandbox:
        from scaletozero.sandbox.results import delete_results  # rarely needed

        delete_results(sandbox.aws_url, sandbox.credentials, deployment.resources())


def _release_closed(deployment: EnvironmentStack, region: str) -> None:
    """Takes the denial of closed endpoints off their callers' roles: no policy is deleted while it is attached."""
    for each in closables(deployment.resources()):
        try:
            released = allow(each, lambda service: deployment.client(service, region))
        except (BotoCoreError, ClientError) as error:
            raise failed(f"error: {each.endpoint} is closed, and its denial could not be detached: {error}") from None
        if released:
            say(f"{each.endpoint} was closed by its spending guard: {', '.join(released)}")


def status(
    environment: EnvironmentName = "local",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show which operations the sandbox implements itself.")
    ] = False,
    permissions: Annotated[
        bool, typer.Option("--permissions", help="Show what each role may do, and which permissions were never used.")
    ] = False,
) -> None:
    """Shows the current state of an environment's endpoints; in the sandbox also what those with a cap have cost.

    Example: scaletozero status --json
    """
    with findings_as_exit():
        project = find_project()
        settings = project.environment(environment, with_artifacts=False)
        report: dict[str, Any] = {"environment": environment, "region": settings.region, "endpoints": {}}
        running = daemon.running(project.local) if settings.sandbox else None
        if permissions:
            show_permissions(environment, running, as_json=as_json)
            return
        if settings.sandbox and running is None:
            report["sandbox"] = None
        else:
            deployment = EnvironmentStack(project, environment, find_engine(say), running)
            with engine_errors("status", environment, deployment.engine):
                report["endpoints"] = deployment.endpoints()
            report["cluster"] = on_cluster(report["endpoints"], settings)
            if running:
                report["sandbox"] = {
                    "pid": running.pid,
                    "aws": running.aws_url,
                    "runtime": running.runtime_url,
                    "shell": str(environment_file(project.local)),
                }
                report["live"] = daemon.status(running)
                report["spending"] = capped(deployment, settings, report["endpoints"])
    if as_json:
        print_json(report)
        return
    _show_status(report, verbose=verbose)


def _show_status(report: dict[str, Any], *, verbose: bool) -> None:
    name = report["environment"]
    if report.get("sandbox", ...) is None:
        done(f"{name}: the embedded AWS is not running. `scaletozero up -e {name}` starts it.")
        return
    live, cluster = report.get("live", {}).get("endpoints", {}), report.get("cluster", {})
    rows = []
    for endpoint, about in report["endpoints"].items():
        now = cluster.get(endpoint) or live.get(about["name"], {})
        rows.append(
            (
                endpoint,
                about["name"],
                now.get("status", "on AWS"),
                KINDS[about["kind"]].size(about),
                about.get("max", "-"),
                now.get("ready", len(now["instances"]) if "instances" in now else "-"),
                now.get("backlog", {}).get("size", "-"),
                now.get("cold_start_count", "-"),
                now.get("invocations", "-"),
                about.get("digest", "-")[:12],
            )
        )
    table(("endpoint", "name", "status", "size", "max", "warm", "backlog", "cold starts", "calls", "artifact"), rows)
    show_capped(report.get("spending", {}))
    if report.get("sandbox"):
        region, shell = report["region"], shlex.quote(report["sandbox"]["shell"])
        say(f"for boto3 and the AWS CLI: source {shell} && export AWS_DEFAULT_REGION={region}")
    if verbose:
        for what, why in report.get("live", {}).get("provided_here", {}).items():
            say(f"implemented by the sandbox itself: {what} ({why})")
    if not rows:
        done(f"{name}: nothing is deployed. `scaletozero up -e {name}` deploys it.")
