"""What every component promises, held over all of them: found by walking the package, so that none is forgotten."""

import asyncio
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from typing import Any, get_args

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
import pytest
from component_samples import BUILD, IMAGE, REGION, TAGS, Build
from pulumi.runtime.mocks import MockMonitor
from role_permissions import PERMISSIONS, Permission

import scaletozero
from model_packaging.findings import FindingsError
from scaletozero.cluster.objects import KubernetesObject
from scaletozero.component import Component
from scaletozero.plugin import COMPONENTS, NAME

every_component = pytest.mark.parametrize("name", sorted(BUILD))


def components() -> set[type[Component]]:
    """Every component class in the package."""
    for module in pkgutil.walk_packages(scaletozero.__path__, "scaletozero."):
        # The library of the policy packs is an extra, and they have no components.
        packs = ("scaletozero.residency.pack", "scaletozero.environment.spending_pack")
        if not module.name.startswith(("scaletozero.sandbox", "scaletozero.cli", *packs)):
            importlib.import_module(module.name)
    found, waiting = set(), [Component]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found.add(kind)
            waiting.append(kind)
    return {kind for kind in found if kind.__module__.startswith("scaletozero.")}


INNER = {"GpuModelAccess", "GpuMonitoring", "GpuScaling", "GrafanaDashboard", "PlannedAlarms"}
"""Parts of a component or an environment, which take its plan instead of arguments."""


def test_every_component_is_public_in_the_plugin_and_in_this_table() -> None:
    assert {kind.__name__ for kind in components()} - INNER == {kind.__name__ for kind in COMPONENTS} == set(BUILD)
    assert set(BUILD) <= set(scaletozero.__all__)


@every_component
def test_the_type_is_the_package_and_the_class(name: str) -> None:
    assert getattr(scaletozero, name).type_name == f"{NAME}:index:{name}"


@every_component
def test_the_constructor_is_name_args_opts(name: str) -> None:
    assert list(inspect.signature(getattr(scaletozero, name).__init__).parameters) == ["self", "name", "args", "opts"]


def recorded(build: Build, make: Any, opts: pulumi.ResourceOptions | None, mocks: Any) -> tuple[list[Any], Any]:
    """Every registration as the engine would get it, and the component."""
    requests: list[Any] = []

    class Monitor(MockMonitor):
        def RegisterResource(self, request: Any) -> Any:  # noqa: N802
            requests.append(request)
            return super().RegisterResource(request)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(mocks, project="acme", stack="dev", monitor=Monitor(mocks))
    made: list[Any] = []

    @pulumi.runtime.test
    def program() -> None:
        made.append(build(make, opts))

    program()
    loop.close()
    return [request for request in requests if not request.type.startswith("pulumi:")], made[0]


@every_component
def test_every_child_has_the_region_and_the_tags_that_its_type_takes(name: str, make_artifact, run) -> None:
    done = run(lambda: BUILD[name](make_artifact, None))
    for child in done.registered:
        if not child.typ.startswith("aws:"):
            continue
        module, kind = child.typ.split(":")[1].split("/")[0], child.typ.rsplit(":", 1)[1]
        sdk = getattr(aws, str({"lambda": "lambda_"}.get(module, module)))
        takes = inspect.signature(getattr(sdk, kind)._internal_init).parameters
        if "region" in takes:
            assert child.inputs.get("region") == REGION, child.typ
        if "tags" in takes:
            assert child.inputs["tags"].items() >= {"managed-by": "scaletozero", "stack": "acme/dev"}.items(), child.typ
            # An object in a bucket takes ten tags only; it carries the components' own.
            assert kind == "BucketObjectv2" or child.inputs["tags"].items() >= TAGS.items(), child.typ


@every_component
def test_a_caller_s_options_reach_the_component_and_not_its_children(name: str, make_artifact, mocks) -> None:
    hostile = pulumi.ResourceOptions(
        aliases=[pulumi.Alias(name="old")],
        ignore_changes=["tags"],
        import_="something",
        delete_before_replace=True,
        retain_on_delete=True,
        replace_on_changes=["*"],
    )
    requests, _ = recorded(BUILD[name], make_artifact, hostile, mocks)
    component, *children = requests
    assert component.aliases
    assert len(children) == len(requests) - 1 > 0
    for child in children:
        assert f"{NAME}:index:" in child.parent, child.type
        assert not [alias for alias in child.aliases if alias.spec.name], child.type
        assert not child.importId, child.type
        assert "tags" not in child.ignoreChanges, child.type
        assert not child.deleteBeforeReplace, child.type
        assert not list(child.replaceOnChanges), child.type
        assert child.name.startswith("it"), child.name


@every_component
def test_no_input_of_a_component_is_stored(name: str, make_artifact, mocks) -> None:
    requests, _ = recorded(BUILD[name], make_artifact, None, mocks)
    assert dict(requests[0].object) == {}


@every_component
def test_no_policy_allows_more_than_it_names(name: str, make_artifact, mocks) -> None:
    requests, _ = recorded(BUILD[name], make_artifact, None, mocks)
    roles = [request for request in requests if request.type.startswith("aws:iam/")]
    # A managed policy is attached to a role by one of these two.
    assert not [request.type for request in roles if "PolicyAttachment" in request.type]
    assert not [request.name for request in roles if "managedPolicyArns" in dict(request.object)]
    # A managed policy that is attached to nothing is a boundary, which grants nothing by itself.
    granting = [dict(request.object) for request in roles if request.type != "aws:iam/policy:Policy"]
    policies = [json.loads(each["policy"]) for each in granting if "policy" in each]
    assert bool(policies) == (
        name in {"AsyncEndpoint", "GpuEndpoint", "InferenceGateway", "ServerlessEndpoint", "SpendingGuard", "WarmCalls"}
    )
    for statement in (each for policy in policies for each in policy["Statement"]):
        actions, resources = (many(statement[key]) for key in ("Action", "Resource"))
        assert not [action for action in actions if "*" in action], statement
        assert "*" not in resources or statement["Condition"], statement
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}, statement


def given(name: str, change: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Declares the component of that name with other arguments from here on."""
    kind = getattr(scaletozero, name)
    monkeypatch.setattr(scaletozero, name, lambda own, args, opts: kind(own, change(args), opts))


def held(name: str, regions: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Declares the component of that name with a residency from here on."""
    key = "regions" if name == "ResidencyGuard" else "residency"
    given(name, lambda args: {**args, key: regions}, monkeypatch)


@every_component
@pytest.mark.parametrize("known", [False, True], ids=["none", "later"])
def test_no_region_or_one_that_is_known_later_is_refused_before_anything_is_registered(
    name: str, known: bool, make_artifact, mocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(args: Any) -> Any:
        inside = "region" not in args
        group = dict(args["cluster"] if inside else args)
        del group["region"]
        if known:
            group["region"] = pulumi.Output.from_input(REGION)
        return {**args, "cluster": group} if inside else group

    given(name, change, monkeypatch)
    with pytest.raises(FindingsError) as caught:
        recorded(BUILD[name], make_artifact, None, mocks)
    (found,) = caught.value.findings
    wanted = {
        True: ("must be a plain value", ("it.region", "it.cluster")),
        False: ("is required", ("it.region", "it.cluster.region")),
    }
    assert found.rule == wanted[known][0]
    assert found.path in wanted[known][1]
    assert [each.typ for each in mocks.registered if not each.typ.startswith("pulumi:")] == []


@every_component
def test_a_region_outside_of_its_residency_is_refused_before_anything_is_registered(
    name: str, make_artifact, mocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(name, ["eu-west-1"], monkeypatch)
    with pytest.raises(FindingsError) as caught:
        recorded(BUILD[name], make_artifact, None, mocks)
    for found in caught.value.findings:
        assert found.path.startswith("it.")
        assert {REGION, "eu-west-1"} == {each for each in (REGION, "eu-west-1") if each in f"{found.rule} {found.got}"}
    assert [each.typ for each in mocks.registered if not each.typ.startswith("pulumi:")] == []


COMPONENTS_INSIDE = {
    "AsyncEndpoint": {"alarms", "warm"},
    "GpuEndpoint": {"warm"},
    "ServerlessEndpoint": {"alarms", "warm"},
}


@every_component
def test_its_residency_is_that_of_every_component_inside(
    name: str, make_artifact, mocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def watched(original: Callable[..., None]) -> Callable[..., None]:
        def init(self: Any, own: str, args: Any, *more: Any) -> None:
            seen[own] = list(args.get("residency") or args["regions"])
            original(self, own, args, *more)

        return init

    for kind in components():
        if kind.__name__ not in INNER - {"PlannedAlarms"}:
            monkeypatch.setattr(kind, "__init__", watched(kind.__init__))
    held(name, [REGION], monkeypatch)
    recorded(BUILD[name], make_artifact, None, mocks)
    assert set(seen) == {"it", *(f"it-{each}" for each in COMPONENTS_INSIDE.get(name, ()))}
    assert all(each == [REGION] for each in seen.values())


@every_component
def test_every_permission_of_every_role_has_its_row(name: str, make_artifact, mocks) -> None:
    requests, _ = recorded(BUILD[name], make_artifact, None, mocks)
    made = [each.name for each in requests if each.type == "aws:iam/role:Role"]
    # The mocks give a role the name of its resource, with a suffix.
    roles = {f"{each}-0123abc": f"{name} {each.removeprefix('it-')}" for each in made}
    policies = [each.object for each in requests if each.type == "aws:iam/rolePolicy:RolePolicy"]
    permissions = {
        Permission(roles[each["role"]], statement["Sid"], action)
        for each in policies
        for statement in json.loads(each["policy"])["Statement"]
        for action in many(statement["Action"])
    }
    rows = {each for each in PERMISSIONS if each.role.startswith(f"{name} ")}
    assert set(roles.values()) == {each.role for each in rows}
    # Without a KMS key: what the policies have with one is held by test_role_permissions.py.
    assert permissions == {each for each in rows if not each.action.startswith("kms:")}


def many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@every_component
def test_public_outputs_are_set_and_declared(name: str, make_artifact, mocks) -> None:
    _, made = recorded(BUILD[name], make_artifact, None, mocks)
    declared = inspect.get_annotations(type(made))
    assert declared
    for output, kind in declared.items():
        value = getattr(made, output)
        assert isinstance(value, pulumi.Output) or (value is None and type(None) in get_args(kind)), output


HANDLES: dict[str, dict[str, Any]] = {
    "ArtifactStore": {"bucket_resource": aws.s3.Bucket},
    "AsyncEndpoint": {
        "archive": aws.s3.BucketObjectv2,
        "configuration": aws.sagemaker.EndpointConfiguration,
        "endpoint": aws.sagemaker.Endpoint,
        "error_topic": aws.sns.Topic,
        "log_group_resource": aws.cloudwatch.LogGroup,
        "model": aws.sagemaker.Model,
        "role": aws.iam.Role,
        "success_topic": aws.sns.Topic,
        "warm_pool": scaletozero.WarmPool,
    },
    "ClusterPrerequisites": {"objects": [KubernetesObject], "releases": [kubernetes.helm.v3.Release]},
    "EndpointAlarms": {"alarms": {str: aws.cloudwatch.MetricAlarm}, "composite": aws.cloudwatch.CompositeAlarm},
    "EndpointDashboard": {"dashboard": aws.cloudwatch.Dashboard},
    "EnvironmentDashboard": {"dashboards": [aws.cloudwatch.Dashboard]},
    "GpuEndpoint": {"objects": [KubernetesObject], "role": aws.iam.Role},
    "GpuNodeGroup": {"group": aws.eks.NodeGroup},
    "GpuNodePool": {"objects": [KubernetesObject]},
    "GpuWarmPool": {"objects": [KubernetesObject]},
    "InferenceGateway": {
        "alarms": {str: aws.cloudwatch.MetricAlarm},
        "answers": aws.dynamodb.Table,
        "function": aws.lambda_.Function,
        "ledger": aws.dynamodb.Table,
        "log_group": aws.cloudwatch.LogGroup,
        "role": aws.iam.Role,
        "settings_layer": aws.lambda_.LayerVersion,
        "url_resource": aws.lambda_.FunctionUrl,
    },
    "ResidencyGuard": {"boundary": aws.iam.Policy},
    "ServerlessEndpoint": {
        "archive": aws.s3.BucketObjectv2,
        "configuration": aws.sagemaker.EndpointConfiguration,
        "endpoint": aws.sagemaker.Endpoint,
        "log_group_resource": aws.cloudwatch.LogGroup,
        "model": aws.sagemaker.Model,
        "role": aws.iam.Role,
    },
    "ServingImage": {"repository": aws.ecr.Repository},
    "SpendingGuard": {
        "alarms": {str: aws.cloudwatch.MetricAlarm},
        "anomaly_monitor": aws.costexplorer.AnomalyMonitor,
        "anomaly_subscriptions": {str: aws.costexplorer.AnomalySubscription},
        "budget": aws.budgets.Budget,
        "budgets": {str: aws.budgets.Budget},
        "changes": aws.cloudwatch.EventRule,
        "clock": aws.cloudwatch.EventRule,
        "denials": {str: aws.iam.Policy},
        "function": aws.lambda_.Function,
        "gauge": aws.lambda_.Function,
        "gauge_clock": aws.cloudwatch.EventRule,
        "log_group": aws.cloudwatch.LogGroup,
        "month_alarms": {str: aws.cloudwatch.MetricAlarm},
        "queue": aws.sqs.Queue,
        "role": aws.iam.Role,
        "watches": {str: aws.cloudwatch.MetricAlarm},
    },
    "WarmCalls": {
        "function": aws.lambda_.Function,
        "log_group": aws.cloudwatch.LogGroup,
        "queue": aws.sqs.Queue,
        "role": aws.iam.Role,
        "schedule_group": aws.scheduler.ScheduleGroup,
    },
    "WarmPool": {"target": aws.appautoscaling.Target},
}
"""Component -> its children that an organisation's own stack can add to: an attribute, and what it is."""


@every_component
def test_main_children_are_attributes_and_no_outputs(name: str, make_artifact, mocks) -> None:
    _, made = recorded(BUILD[name], make_artifact, None, mocks)
    for handle, kind in HANDLES[name].items():
        value = getattr(made, handle)
        if isinstance(kind, list):
            assert value, handle
            assert all(isinstance(each, kind[0]) for each in value), handle
        elif isinstance(kind, dict):
            assert value, handle
            assert all(isinstance(each, kind[str]) for each in value.values()), handle
        else:
            assert isinstance(value, kind), handle
        assert handle not in inspect.get_annotations(type(made)), handle


def test_an_own_stack_adds_to_what_an_endpoint_declares(make_artifact, run) -> None:
    allowed = '{"Version": "2012-10-17", "Statement": []}'

    def program() -> Any:
        endpoint = scaletozero.ServerlessEndpoint(
            "it", {"artifact": str(make_artifact().path), "bucket": "models", "image": IMAGE, "region": REGION}
        )
        aws.iam.RolePolicy("own", role=endpoint.role.name, policy=allowed)
        filtered = endpoint.log_group_resource.name
        return aws.cloudwatch.LogMetricFilter(
            "errors",
            log_group_name=filtered,
            pattern="ERROR",
            metric_transformation={"name": "Errors", "namespace": "acme", "value": "1"},
        ).id

    done = run(program)
    own = next(each for each in done.of(":RolePolicy") if each.name == "own")
    assert own.inputs["role"] == "it-role-0123abc"
    assert done.one(":LogMetricFilter")["logGroupName"] == "/aws/sagemaker/Endpoints/acme-dev-it"
