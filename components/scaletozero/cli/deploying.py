"""`up`, `preview`, `down` and `status`: one environment, driven through the engine."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from pulumi.automation.errors import CommandError

from scaletozero.cli.clusters import on_cluster
from scaletozero.cli.output import done, engine_says, err, failed, findings_as_exit, print_json, say, table
from scaletozero.cli.targets import hold_to_cluster, remember
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import Project, find_project
from scaletozero.environment.settings import Environment, Sandbox
from scaletozero.environment.stack import EnvironmentStack, environment_lock
from scaletozero.sandbox import daemon
from scaletozero.sandbox.credentials import environment_file
from scaletozero.settings.gpu import GpuEndpoint

EnvironmentName = Annotated[str, typer.Option("--environment", "-e", help="The environment, a Pulumi.<name>.yaml.")]


@contextlib.contextmanager
def opened(
    name: str, *, on_sandbox: bool = False, with_artifacts: bool = True
) -> Iterator[tuple[EnvironmentStack, Environment]]:
    """An environment, validated and held for this command, with an engine and, if it is one, its sandbox running.

    Args:
        name: the environment.
        on_sandbox: run it on the embedded AWS even if it is meant for an account.
        with_artifacts: whether every artifact has to be there and whole; not so to take the environment away.
    """
    with findings_as_exit():
        project = find_project()
        environment = project.environment(name, with_artifacts=with_artifacts, on_sandbox=on_sandbox)
        with environment_lock(project, name):
            hold_to_cluster(project, environment, name, sandboxed=on_sandbox or environment.sandbox is not None)
            engine = find_engine(say)
            anywhere = Sandbox(aws_port=0, runtime_port=0)
            # To take an environment away, its sandbox is used as it runs, whatever the settings say by now.
            as_it_runs = on_sandbox or not with_artifacts
            sandbox = _sandbox(project, anywhere if on_sandbox else environment.sandbox, as_it_runs)
            yield EnvironmentStack(project, name, engine, sandbox), environment


def _sandbox(project: Project, settings: Sandbox | None, as_it_runs: bool) -> daemon.Sandbox | None:
    if settings is None:
        return None
    sandbox = daemon.running(project.local) if as_it_runs else None
    sandbox = sandbox or daemon.ensure_running(
        project.local,
        aws_port=settings.aws_port,
        runtime_port=settings.runtime_port,
        idle_seconds=settings.idle_seconds,
    )
    say(f"embedded AWS: {sandbox.aws_url}, runtime: {sandbox.runtime_url}")
    return sandbox


@contextlib.contextmanager
def _engine_errors(what: str, name: str) -> Iterator[None]:
    """The engine has already said what went wrong; here is only what to do now."""
    try:
        yield
    except KeyboardInterrupt:
        raise failed(f"{what} was interrupted. `scaletozero up -e {name}` continues and repairs.") from None
    except CommandError as error:
        text = str(error)
        if "stack is currently locked" in text:
            raise failed(
                f"{what} did not start: another run holds {name}. Wait for it, or see `pulumi cancel`."
            ) from None
        raise failed(
            f"{what} failed; the lines above say where. `scaletozero up -e {name}` continues from here."
        ) from None


def _color() -> str:
    return "always" if err.is_terminal else "never"


def up(environment: EnvironmentName = "local") -> None:
    """Deploys an environment.

    Example: scaletozero up -e dev
    """
    with opened(environment) as (deployment, settings):
        with _engine_errors("up", environment), deployment.engine.interruptible(say):
            stack = deployment.stack()
            deployment.repair(stack, say)
            if deployment.sandbox and settings.kubernetes:
                where = hold_to_cluster(deployment.project, settings, environment, sandboxed=True)
                remember(deployment.project, environment, where)
            # What the sandbox holds goes when it is stopped; the state is told first.
            result = stack.up(on_output=engine_says, color=_color(), refresh=bool(deployment.sandbox))
            if not settings.kubernetes:
                remember(deployment.project, environment, None)
        changes = _counts(result.summary.resource_changes)
        kept = changes.pop("same", 0)
        if changes:
            what = ", ".join(f"{count} {_DONE.get(kind, kind)}" for kind, count in sorted(changes.items()))
            done(f"{environment}: {what}, {kept} unchanged.")
        else:
            done(f"{environment}: nothing changes, {kept} resources are as declared.")
        for name, endpoint in settings.endpoints.items():
            if not isinstance(endpoint, GpuEndpoint):
                say(f"""next: scaletozero invoke {name} '{{"inputs": ["hello"]}}' -e {environment}""")
        if any(isinstance(endpoint, GpuEndpoint) for endpoint in settings.endpoints.values()):
            say(_kubernetes_next(deployment))


def _kubernetes_next(deployment: EnvironmentStack) -> str:
    if deployment.sandbox and not os.environ.get("KUBECONFIG"):
        return f"Kubernetes objects: rendered to {deployment.manifests}, because KUBECONFIG names no cluster"
    return f"next: scaletozero status -e {deployment.name}"


def _counts(changes: Mapping[Any, int] | None) -> dict[str, int]:
    return {str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items() if count}


_DONE = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced"}


def preview(
    environment: EnvironmentName = "local",
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Preview on the embedded AWS, with no account, whatever the environment.")
    ] = False,
) -> None:
    """Shows what `up` would do, and refuses what could not work.

    Example: scaletozero preview -e prod-eu --sandbox
    """
    with opened(environment, on_sandbox=sandbox) as (deployment, _):
        with _engine_errors("preview", environment), deployment.engine.interruptible(say):
            stack = deployment.stack()
            deployment.repair(stack, say)
            result = stack.preview(on_output=engine_says, color=_color(), refresh=bool(deployment.sandbox))
        if deployment.sandbox and deployment.sandbox.fresh:
            daemon.stop(deployment.project.local)
        changes = _counts(result.change_summary)
        same = changes.pop("same", 0)
        what = ", ".join(f"{count} to {kind}" for kind, count in sorted(changes.items())) or "nothing to change"
        done(f"{environment}: {what}, {same} unchanged. `scaletozero up -e {environment}` does it.")


def down(environment: EnvironmentName = "local") -> None:
    """Takes an environment away: every resource, and on this machine the embedded AWS itself.

    Example: scaletozero down -e local
    """
    with opened(environment, with_artifacts=False) as (deployment, _):
        with _engine_errors("down", environment), deployment.engine.interruptible(say):
            stack = deployment.stack()
            deployment.repair(stack, say)
            _forget_answers(deployment)
            stack.destroy(on_output=engine_says, color=_color(), refresh=bool(deployment.sandbox))
            if deployment.sandbox:
                stack.workspace.remove_stack(environment)
                remember(deployment.project, environment, None)
        if deployment.sandbox:
            daemon.stop(deployment.project.local)
        done(f"{environment}: everything is gone.")


def _forget_answers(deployment: EnvironmentStack) -> None:
    """In the sandbox a bucket with answers in it must not keep an environment from going."""
    sandbox = deployment.sandbox
    if sandbox is None or not any("backlog" in about for about in daemon.status(sandbox)["endpoints"].values()):
        return
    from scaletozero.sandbox.async_results import forget_answers  # rarely needed

    outputs = deployment.outputs()
    forget_answers(sandbox.aws_url, sandbox.credentials, outputs.get("region", ""), outputs.get("endpoints", {}))


def status(
    environment: EnvironmentName = "local",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Shows an environment's endpoints as they are now.

    Example: scaletozero status --json
    """
    with findings_as_exit():
        project = find_project()
        settings = project.environment(environment, with_artifacts=False)
        report: dict[str, Any] = {"environment": environment, "region": settings.region, "endpoints": {}}
        running = daemon.running(project.local) if settings.sandbox else None
        if settings.sandbox and running is None:
            report["sandbox"] = None
        else:
            deployment = EnvironmentStack(project, environment, find_engine(say), running)
            with _engine_errors("status", environment):
                report["endpoints"] = deployment.outputs().get("endpoints", {})
            report["cluster"] = on_cluster(report["endpoints"], settings)
            if running:
                report["sandbox"] = {
                    "pid": running.pid,
                    "aws": running.aws_url,
                    "runtime": running.runtime_url,
                    "shell": str(environment_file(project.local)),
                }
                report["live"] = daemon.status(running)
    if as_json:
        print_json(report)
        return
    _show_status(report)


def _show_status(report: dict[str, Any]) -> None:
    name = report["environment"]
    if report.get("sandbox", ...) is None:
        done(f"{name}: the embedded AWS is not running. `scaletozero up -e {name}` starts it.")
        return
    live, cluster = report.get("live", {}).get("endpoints", {}), report.get("cluster", {})
    rows = []
    for endpoint, about in report["endpoints"].items():
        now = cluster.get(endpoint) or live.get(about["name"], {})
        size = about.get("instance_type") or ("GPU" if about["kind"] == "gpu" else f"{about['memory_mb']} MB")
        rows.append(
            (
                endpoint,
                about["name"],
                now.get("status", "on AWS"),
                size,
                about["max"],
                now.get("ready", len(now["instances"]) if "instances" in now else "-"),
                now.get("backlog", {}).get("size", "-"),
                now.get("cold_start_count", "-"),
                now.get("invocations", "-"),
                about["digest"][:12],
            )
        )
    table(("endpoint", "name", "status", "size", "max", "warm", "backlog", "cold starts", "calls", "artifact"), rows)
    if report.get("sandbox"):
        region, shell = report["region"], shlex.quote(report["sandbox"]["shell"])
        say(f"for boto3 and the AWS CLI: source {shell} && export AWS_DEFAULT_REGION={region}")
    for what, why in report.get("live", {}).get("provided_here", {}).items():
        say(f"provided by the sandbox itself: {what} ({why})")
    if not rows:
        done(f"{name}: nothing is deployed. `scaletozero up -e {name}` deploys it.")
