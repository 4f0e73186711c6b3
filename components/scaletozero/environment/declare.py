"""Declares an environment: its providers, its bucket, its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from model_packaging.findings import FindingsError
from scaletozero.args.dashboards import EnvironmentDashboardArgs
from scaletozero.args.residency_guard import ResidencyGuardArgs
from scaletozero.endpoints.artifact_store import ArtifactStore
from scaletozero.endpoints.dashboards import EnvironmentDashboard
from scaletozero.endpoints.grafana import GrafanaDashboard
from scaletozero.endpoints.kind import Invocation, Site, without_none
from scaletozero.endpoints.kind_costs import replica_concurrency, replica_usd_per_hour
from scaletozero.endpoints.kinds import kind_of
from scaletozero.endpoints.spending_guard import SpendingGuard
from scaletozero.environment.estimate import OUTPUT, estimate_environment
from scaletozero.environment.read import examined, require_caps, site_of
from scaletozero.environment.settings import Environment
from scaletozero.gateway.costs import gateway_priced, timeout_seconds
from scaletozero.gateway.inference_gateway import InferenceGateway
from scaletozero.observability.grafana_dashboard import grafana_config_map, grafana_dashboard
from scaletozero.observability.panels import Section
from scaletozero.residency.egress import outside_hosts
from scaletozero.residency.residency_guard import ResidencyGuard, bounded_by
from scaletozero.settings.common import RESULT_DAYS
from scaletozero.settings.gateway import Gateway
from scaletozero.settings.names import safe_name
from scaletozero.spending.gateway_costs import GatewayCost
from scaletozero.spending.prices import prices
from scaletozero.spending.traffic import PAYLOAD_BYTES, Assumptions


def declare_environment(environment: Environment, root: Path) -> None:
    """Declares an environment. It must be called inside a Pulumi program.

    Args:
        environment: a validated environment.
        root: the project's folder, to which the artifacts' paths are relative.

    Raises:
        FindingsError: it could exceed a cap, and says `enforce: fail`.
    """
    grafana = environment.kubernetes is not None and environment.kubernetes.grafana
    if (environment.spending or grafana) and not environment.opened:
        findings, opened = examined(environment, root)
        if findings:
            raise FindingsError(findings)
        environment = environment.with_opened(opened)
    for finding in require_caps(environment):
        pulumi.log.warn(str(finding))
    opts = pulumi.ResourceOptions(providers=_providers(environment))
    if boundary := _boundary(environment, opts):
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=[boundary]))
    kinds = {name: kind_of(endpoint) for name, endpoint in environment.endpoints.items()}
    queued = any(kind.invocation is Invocation.QUEUE for kind in kinds.values())
    key: pulumi.Input[str] | None = environment.artifacts.kms_key_arn
    if environment.has_secret_key:
        key = pulumi.Output.secret(str(key))
    store = ArtifactStore(
        "artifacts",
        {
            "region": environment.region,
            "tags": dict(environment.tags),
            **({"residency": list(environment.residency.allowed)} if environment.residency else {}),
            **({"keep_answers_days": RESULT_DAYS} if queued else {}),
            **without_none({**environment.artifacts.model_dump(), "kms_key_arn": key}),
        },  # pyright: ignore[reportArgumentType]
        opts,
    )
    pulumi.export("region", environment.region)
    pulumi.export("bucket", store.bucket)
    site = replace(site_of(environment, root), kms_key_arn=key)
    if environment.opened:
        pulumi.export(OUTPUT, estimate_environment(environment, Assumptions(), prices()).summary())
    declared = {
        name: kinds[name].declare(name, endpoint, site, store.bucket, opts)
        for name, endpoint in environment.endpoints.items()
    }
    pulumi.export("endpoints", declared)
    door: InferenceGateway | None = None
    if environment.gateway is not None and environment.gateway.deployed:
        door = _gateway(environment, declared, site, key, opts)
    if environment.guarded or environment.guards_gateway:
        _guard(environment, declared, key, door, opts)
    if grafana:
        _grafana(environment, opts)
    if environment.dashboard:
        shown = {
            name: found
            for name, endpoint in environment.endpoints.items()
            if (found := kinds[name].on_dashboard(name, endpoint, kinds[name].memory_mb(name, endpoint, site)))
            is not None
        }
        args: EnvironmentDashboardArgs = {
            "region": environment.region,
            "residency": list(site.residency),
            "endpoints": [  # pyright: ignore[reportAssignmentType]
                {
                    **found,
                    "endpoint_name": declared[name]["name"],
                    **({} if (cap := environment.month_cap(name)) is None else {"cap_usd_per_month": float(cap)}),
                }
                for name, found in shown.items()
            ],
        }
        if door is not None and environment.gateway is not None and environment.gateway.function is not None:
            function = environment.gateway.function
            about = {"memory_mb": function.memory_mb, "api": function.api is not None}
            args["gateway"] = {"function_name": door.function_name, **about}  # pyright: ignore[reportGeneralTypeIssues]
        pulumi.export("dashboards", EnvironmentDashboard("dashboard", args, opts).dashboard_names)


deploy = declare_environment
"""The name of `declare_environment` before 0.2, for one release."""


def _gateway(
    environment: Environment,
    declared: Mapping[str, Mapping[str, Any]],
    site: Site,
    key: pulumi.Input[str] | None,
    opts: pulumi.ResourceOptions,
) -> InferenceGateway:
    """Declares the function, or the pods, that the environment's gateway runs as."""
    gateway, held = environment.gateway, environment.residency
    assert gateway
    endpoints = {
        name: _reached(environment, name, declared[name], site)
        for name in sorted({name for _, name in gateway.reached()})
    }
    allowed = held.allowed if held else ()
    # The environment checks them itself, with its exceptions, attestations and locations.
    approved = outside_hosts({host for _, host in gateway.hosts()}, allowed)
    args = {
        "region": environment.region,
        **gateway.model_dump(mode="json", include={"models", "customers"}, exclude_unset=True),
        **_home(environment, gateway),
        "endpoints": endpoints,
        "tags": dict(environment.tags),
        **({"residency": list(allowed)} if held else {}),
        **({"approved_hosts": sorted(approved)} if approved else {}),
        **without_none({"kms_key_arn": key}),
    }
    made = InferenceGateway("gateway", args, opts)  # pyright: ignore[reportArgumentType]
    exports = {"url": made.url, "ledger": made.ledger_table}
    if gateway.function is not None:
        exports["function"] = made.function_name
        if gateway.function.api and gateway.function.api.domain:
            exports["domain_target"] = made.domain_target
    pulumi.export("gateway", exports)
    return made


def _home(environment: Environment, gateway: Gateway) -> dict[str, Any]:
    """Where the gateway runs, as arguments of its component."""
    if gateway.cluster is None:
        assert gateway.function
        return {**gateway.function.model_dump(exclude_unset=True), "log_retention_days": environment.log_retention_days}
    assert environment.kubernetes
    cluster = environment.kubernetes.cluster.model_dump(mode="json", exclude_unset=True)
    there = {"cluster": cluster, "namespace": environment.kubernetes.namespace}
    if gateway.ledger_down is not None:
        there["ledger_down"] = gateway.ledger_down.model_dump()
    return {"pods": {**gateway.cluster.model_dump(mode="json", exclude_unset=True), **there}}


def _reached(environment: Environment, name: str, exports: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """An endpoint as one of the gateway's, from its exports."""
    settings = environment.endpoints[name]
    kind = kind_of(settings)
    found = {"endpoint_name": exports["name"], "artifact_digest": exports["digest"]}
    if kind.on_cluster:
        price = exports["usd_per_hour"].apply(lambda usd: float(replica_usd_per_hour(settings, usd)))
        at_a_time = {"concurrency": replica_concurrency(settings), "start_seconds": exports["cold_start_seconds"]}
        return {**found, "host": exports["host"], "usd_per_hour": price, **at_a_time}
    if "instance_type" in exports:
        queue = {"instance_type": settings.instance_type, "concurrency": settings.concurrency}
        return {**found, "endpoint_arn": exports["arn"], **queue, "requests": exports["requests"]}
    return {**found, "endpoint_arn": exports["arn"], "memory_mb": kind.memory_mb(name, settings, site)}


def _guard(
    environment: Environment,
    declared: Mapping[str, Mapping[str, Any]],
    key: pulumi.Input[str] | None,
    door: InferenceGateway | None,
    opts: pulumi.ResourceOptions,
) -> None:
    """Declares what closes the environment's endpoints and its gateway at their caps; the gateway is a caller too."""
    spending, held, table = environment.spending, environment.residency, prices()
    assert spending
    assert spending.guard
    endpoints = []
    for name in environment.guarded:
        settings, kind = environment.endpoints[name], kind_of(environment.endpoints[name])
        priced = kind.priced(settings, environment.opened[name], environment.region, table)
        about = {"name": name, "endpoint_name": declared[name]["name"], "endpoint_arn": declared[name]["arn"]}
        cap = {"cap_usd_per_month": spending.endpoints[name]}
        endpoints.append({**about, **cap, **(kind.guarded(settings, priced) or {})})
    # The embedded AWS bills nothing, so that nothing could be budgeted, and no cost is unusual.
    unbilled = {"anomalies_above_usd"} if environment.sandbox else set[str]()
    callers = [door.role_arn] if door else []
    args = {
        "region": environment.region,
        "endpoints": endpoints,
        **({"gateway": _guarded_gateway(environment, door)} if door and environment.guards_gateway else {}),
        **spending.guard.model_dump(exclude_unset=True, exclude=unbilled),
        **({"callers": [*spending.guard.callers, *callers]} if callers else {}),
        "cap_usd_per_month": spending.cap_usd_per_month,
        "budgets": environment.sandbox is None,
        "log_retention_days": environment.log_retention_days,
        "tags": dict(environment.tags),
        **({"residency": list(held.allowed)} if held else {}),
        **without_none({"kms_key_arn": key}),
    }
    guard = SpendingGuard("spending", args, opts)  # pyright: ignore[reportArgumentType]
    pulumi.export("guard", {"function": guard.function_name, "failures": guard.failures})


def _guarded_gateway(environment: Environment, door: InferenceGateway) -> dict[str, Any]:
    """The gateway as its guard takes it."""
    gateway, spending = environment.gateway, environment.spending
    assert gateway
    assert gateway.function
    assert spending
    about = gateway_priced(gateway, gateway.function, environment.region, prices(), PAYLOAD_BYTES)
    assert isinstance(about.cost, GatewayCost)
    return {
        "function_name": door.function_name,
        "cap_usd_per_month": spending.gateway,
        "memory_mb": gateway.function.memory_mb,
        "concurrency": gateway.function.concurrency,
        "timeout_seconds": timeout_seconds(gateway, endpoints=any(gateway.reached())),
        "usd_per_request": about.cost.per_call,
    }


def _grafana(environment: Environment, opts: pulumi.ResourceOptions) -> None:
    """Declares the dashboard of the environment's endpoints on its cluster."""
    block, opened = environment.kubernetes, environment.opened
    assert block
    panels = {
        name: kind_of(each).cluster_panels(name, opened[name])
        for name, each in environment.endpoints.items()
        if kind_of(each).on_cluster
    }
    title = f"{pulumi.get_project()}, {pulumi.get_stack()}"
    found = grafana_dashboard(title, [Section(name, panels=tuple(each)) for name, each in panels.items()])
    name = safe_name(pulumi.get_project(), pulumi.get_stack(), "dashboard", limit=63).lower()
    GrafanaDashboard("grafana", grafana_config_map(name, block.namespace, found), environment.region, opts)


def _boundary(environment: Environment, opts: pulumi.ResourceOptions) -> pulumi.ResourceTransformation | None:
    """Declares the environment's guard, if it has one. Returns the transformation that sets its boundary on roles."""
    if (held := environment.residency) is None or not held.guard:
        return None
    args: ResidencyGuardArgs = {"region": environment.region, "tags": dict(environment.tags)}
    if held.geography:
        args["geography"] = held.geography
    else:
        args["regions"] = list(held.regions)
    guard = ResidencyGuard("residency", args, opts)
    pulumi.export("service_control_policy", guard.service_control_policy)
    return bounded_by(guard.boundary_arn)


def _providers(environment: Environment) -> list[pulumi.ProviderResource]:
    providers: list[pulumi.ProviderResource] = [aws.Provider("aws", region=environment.region)]
    if block := environment.kubernetes:
        import pulumi_kubernetes as kubernetes  # takes a tenth of a second, so only for environments with a cluster

        providers.append(kubernetes.Provider("cluster", context=block.context))
    return providers
