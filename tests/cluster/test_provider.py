"""The unmodified engine applies Kubernetes objects to a real API server through the sandbox's plugin."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from clusters import Place, eventually
from kubernetes_stacks import KubernetesStack, changed, refusal

from scaletozero.kubernetes.api import KubernetesApi
from scaletozero.sandbox.providers.kube.manifests import manager_of

REPLICAS = ("spec", "replicas")


@pytest.fixture
def namespace(controlled: Place, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own."""
    name = "t-" + request.node.name[5:].split("[")[0].replace("_", "-")[:40].strip("-")
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    controlled.api.apply(manifest)
    yield name
    controlled.api.delete(manifest)


@pytest.fixture
def make(controlled: Place, tmp_path: Path) -> Any:
    """Makes the stack of a program on the cluster."""

    def stack(program: Any, **settings: Any) -> KubernetesStack:
        return KubernetesStack(tmp_path, {"KUBECONFIG": str(controlled.kubeconfig)}, program, settings)

    return stack


def named(kind: str, namespace: str, name: str, api_version: str = "v1") -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace, "name": name}}


def pods(name: str, **more: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "registry.example.com/image:1"}
    return {"metadata": {"labels": {"app": name, **more}}, "spec": {"containers": [container]}}


def deployment(namespace: str, name: str, replicas: int, *, options: Any = None, **settings: Any) -> Any:
    labels = {"app": name, **settings.get("selector", {})}
    spec: Any = {
        "replicas": replicas,
        "selector": {"match_labels": labels},
        "template": pods(name, **settings.get("selector", {})),
        **({"paused": settings["paused"]} if "paused" in settings else {}),
    }
    metadata: Any = {"namespace": namespace, "name": name, "annotations": settings.get("annotations")}
    return kubernetes.apps.v1.Deployment(name, metadata=metadata, spec=spec, opts=options)


def life(settings: dict[str, Any]) -> None:
    """An endpoint's kinds of objects, in a namespace that is made in the same run."""
    space = kubernetes.core.v1.Namespace("space", metadata={"name": settings["name"]})
    inside = space.metadata["name"]
    kubernetes.core.v1.ConfigMap("settings", metadata={"namespace": inside}, data={"k": settings.get("value", "v")})
    kubernetes.core.v1.Secret("key", metadata={"namespace": inside}, string_data={"k": pulumi.Output.secret("hush")})
    serving = deployment(inside, "llm", 0, selector=settings.get("selector", {}))  # type: ignore[arg-type]
    ports: Any = {"selector": {"app": "llm"}, "ports": [{"port": 80, "targetPort": 8000}]}
    kubernetes.core.v1.Service("llm", metadata={"namespace": inside, "name": serving.metadata["name"]}, spec=ports)
    kubernetes.apiextensions.CustomResource(
        "scaler",
        api_version="keda.sh/v1alpha1",
        kind="ScaledObject",
        metadata={"namespace": inside, "name": "llm"},
        spec={
            "scaleTargetRef": {"name": serving.metadata["name"]},
            "maxReplicaCount": settings.get("max", 2),
            "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *"}}],
        },
    )
    pulumi.export("uid", serving.metadata["uid"])


def test_a_stacks_whole_life(make: Any, controlled: Place) -> None:
    api, stack = controlled.api, make(life, name="t-life")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t-life"}}
    assert changed(stack.stack.preview()) == {"create": 7}
    assert api.get(space) is None

    first = stack.up()
    assert changed(first) == {"create": 7}
    assert changed(stack.up()) == {}
    assert changed(stack.up(refresh=True)) == {}

    assert "t-life" in stack.stored()
    assert not any(secret in stack.stored() for secret in ("hush", "aHVzaA"))

    stack.settings.update(value="w", max=3)
    assert changed(stack.up()) == {"update": 2}
    (entry,) = [e for e in stack.resources().values() if e["type"] == "kubernetes:core/v1:ConfigMap"]
    settings = api.get(named("ConfigMap", *entry["id"].split("/")))
    assert settings
    assert settings["data"] == {"k": "w"}

    # A selector can't be changed: the server says so, and the Deployment is made anew, under its name.
    stack.settings["selector"] = {"version": "two"}
    assert changed(stack.stack.preview()) == {"replace": 1}
    second = stack.up()
    assert changed(second) == {"replace": 1}
    assert second.outputs["uid"].value != first.outputs["uid"].value

    api.delete(named("Service", "t-life", "llm"))
    assert changed(stack.up(refresh=True)) == {"create": 1}

    stack.stack.destroy()
    assert api.get(space) is None


def unchangeable(settings: dict[str, Any]) -> None:
    """What the server lets nobody change, of kinds that have no namespace."""
    metadata: Any = {"name": f"unchangeable-{settings['namespace']}"}
    value = settings["value"]
    role: Any = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"role-{value}"}
    kubernetes.scheduling.v1.PriorityClass("class", metadata=metadata, value=value)
    kubernetes.storage.v1.StorageClass(
        "storage", metadata=metadata, provisioner="example.scaletozero.dev/disks", parameters={"value": str(value)}
    )
    kubernetes.rbac.v1.ClusterRoleBinding("binding", metadata=metadata, role_ref=role)


def test_what_the_server_lets_nobody_change_is_made_anew(make: Any, controlled: Place, namespace: str) -> None:
    stack = make(unchangeable, namespace=namespace, value=1)
    stack.up()
    stack.settings["value"] = 2
    assert changed(stack.stack.preview()) == {"replace": 3}
    assert changed(stack.up()) == {"replace": 3}
    assert changed(stack.up()) == {}
    live = controlled.api.get(named("PriorityClass", "", f"unchangeable-{namespace}", "scheduling.k8s.io/v1"))
    assert live
    assert live["value"] == 2
    stack.stack.destroy()


def scaled(settings: dict[str, Any]) -> None:
    options = pulumi.ResourceOptions(ignore_changes=["spec.replicas"]) if settings["ignore"] else None
    deployment(
        settings["namespace"], "llm", 0, options=options, paused=settings.get("paused", False), annotations={
            "pulumi.com/skipAwait": "true", **settings.get("annotations", {})}
    )  # fmt: skip


def scale_from_outside(api: KubernetesApi, namespace: str, replicas: int) -> None:
    """As KEDA does."""
    api.patch(named("Deployment", namespace, "llm", "apps/v1"), {"spec": {"replicas": replicas}}, subresource="scale")


def replicas(api: KubernetesApi, namespace: str) -> int:
    live = api.get(named("Deployment", namespace, "llm", "apps/v1"))
    assert live
    return live["spec"]["replicas"]


def test_replicas_that_are_set_from_outside_stay(make: Any, controlled: Place, namespace: str) -> None:
    api, stack = controlled.api, make(scaled, namespace=namespace, ignore=True)
    stack.up()
    scale_from_outside(api, namespace, 3)
    assert changed(stack.up()) == {}
    stack.settings["paused"] = True
    assert changed(stack.up()) == {"update": 1}
    assert replicas(api, namespace) == 3

    # Not even after the state has heard of it: what it was then is not written back later.
    stack.stack.refresh()
    scale_from_outside(api, namespace, 1)
    stack.settings["paused"] = False
    assert changed(stack.up()) == {"update": 1}
    assert replicas(api, namespace) == 1


def test_a_field_that_another_owns_is_a_conflict_that_names_it(make: Any, controlled: Place, namespace: str) -> None:
    api, stack = controlled.api, make(scaled, namespace=namespace, ignore=False)
    stack.up()
    scale_from_outside(api, namespace, 3)
    stack.settings["paused"] = True
    said = refusal(stack.up)
    assert ".spec.replicas (conflict with" in said
    assert "ignore changes to them" in said
    assert replicas(api, namespace) == 3

    stack.settings["annotations"] = {"pulumi.com/patchForce": "true"}
    assert changed(stack.up()) == {"update": 1}
    assert replicas(api, namespace) == 0


def note(settings: dict[str, Any]) -> None:
    kubernetes.core.v1.ConfigMap(
        "note", metadata={"namespace": settings["namespace"], "name": "note"}, data=settings["data"]
    )


def test_what_others_add_is_left(make: Any, controlled: Place, namespace: str) -> None:
    api, stack = controlled.api, make(note, namespace=namespace, data={"ours": "1"})
    stack.up()
    api.patch(named("ConfigMap", namespace, "note"), {"data": {"theirs": "1"}, "metadata": {"labels": {"l": "1"}}})
    assert changed(stack.up(refresh=True)) == {}
    stack.settings["data"] = {"ours": "2"}
    assert changed(stack.up()) == {"update": 1}
    live = api.get(named("ConfigMap", namespace, "note"))
    assert live
    assert (live["data"], live["metadata"]["labels"]) == ({"ours": "2", "theirs": "1"}, {"l": "1"})

    # What is ours and no longer declared goes, and nothing else.
    stack.settings["data"] = {"other": "3"}
    stack.up()
    live = api.get(named("ConfigMap", namespace, "note"))
    assert live
    assert live["data"] == {"other": "3", "theirs": "1"}


def test_an_object_that_somebody_else_made_is_not_taken_over(make: Any, controlled: Place, namespace: str) -> None:
    api, stack = controlled.api, make(note, namespace=namespace, data={"a": "1"})
    manifest = {**named("ConfigMap", namespace, "note"), "data": {"a": "0"}}
    api.apply(manifest, manager="somebody")
    for act in (stack.stack.preview, stack.up):
        assert f"ConfigMap {namespace}/note is already there and was created by another program" in refusal(act)
    assert (api.get(manifest) or {})["data"] == {"a": "0"}


def test_an_object_of_a_create_that_was_cut_short_is_taken_up(make: Any, controlled: Place, namespace: str) -> None:
    api, stack = controlled.api, make(note, namespace=namespace, data={"a": "1"})
    manifest = {**named("ConfigMap", namespace, "note"), "data": {"a": "0"}}
    manager = manager_of("urn:pulumi:dev::sandbox::kubernetes:core/v1:ConfigMap::note", {}, {})
    api.apply(manifest, manager=manager)
    assert changed(stack.up()) == {"create": 2}
    assert (api.get(manifest) or {})["data"] == {"a": "1"}


def imported(settings: dict[str, Any]) -> None:
    kubernetes.core.v1.ConfigMap(
        "note",
        metadata={"namespace": settings["namespace"], "name": "note"},
        data={"a": "1"},
        opts=pulumi.ResourceOptions(import_=f"{settings['namespace']}/note"),
    )


def test_an_object_is_imported(make: Any, controlled: Place, namespace: str) -> None:
    controlled.api.apply({**named("ConfigMap", namespace, "note"), "data": {"a": "1"}}, manager="somebody")
    stack = make(imported, namespace=namespace)
    assert changed(stack.up()) == {"create": 1, "import": 1}
    assert changed(stack.up()) == {}


def wrong(settings: dict[str, Any]) -> None:
    space = kubernetes.core.v1.Namespace("space", metadata={"name": settings["namespace"]})
    kubernetes.apiextensions.CustomResource(
        "wrong",
        api_version=settings["api_version"],
        kind=settings["kind"],
        metadata={"namespace": settings["namespace"], "name": "wrong"},
        spec=settings["spec"],
        opts=pulumi.ResourceOptions(depends_on=[space]),
    )


SCALED = {"scaleTargetRef": {"name": "x"}, "triggers": [{"type": "cron", "metadata": {}}]}


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "says"),
    [
        ("keda.sh/v1alpha1", "ScaledObject", {**SCALED, "minReplica": 1}, ".spec.minReplica: field not declared"),
        ("keda.sh/v1alpha1", "ScaledObject", {**SCALED, "minReplicaCount": 3, "maxReplicaCount": 1}, "minReplicaCount"),
        ("apps/v1", "Deployment", {"selector": {}, "template": {}}, "spec.selector"),
        ("apps/v1", "DeploymentPatch", {}, "declare a Deployment"),
        ("v1", "ConfigMap", {"a": "b"}, ".spec: field not declared"),
    ],
)  # fmt: skip
def test_a_preview_refuses_what_the_cluster_would(make: Any, api_version: str, kind: str, spec: Any, says: str) -> None:
    """Also while the namespace that it is for is not there yet."""
    stack = make(wrong, namespace="t-not-there", api_version=api_version, kind=kind, spec=spec)
    assert says in refusal(stack.stack.preview)


def waiting(settings: dict[str, Any]) -> None:
    annotations = {"pulumi.com/timeoutSeconds": settings["patience"]}
    deployment(settings["namespace"], "llm", settings["replicas"], annotations=annotations)


def test_what_does_not_become_ready_is_kept_and_repaired(make: Any, controlled: Place, namespace: str) -> None:
    stack = make(waiting, namespace=namespace, replicas=1, patience="2")
    said = refusal(stack.up)
    assert f"Deployment {namespace}/llm is not ready after 2 s: " in said
    assert stack.resources()["llm"]["initErrors"]
    stack.settings |= {"replicas": 0, "patience": "900"}
    assert changed(stack.up()) == {"update": 1}
    assert "initErrors" not in stack.resources()["llm"]
    assert replicas(controlled.api, namespace) == 0


def unknown(settings: dict[str, Any]) -> None:
    first = kubernetes.core.v1.ConfigMap("first", metadata={"namespace": settings["namespace"]}, data={"a": "1"})
    name = first.metadata["name"].apply(lambda known: known + "x")
    kubernetes.core.v1.ConfigMap(
        "second", metadata={"namespace": settings["namespace"], "name": name},
        data={"uid": first.metadata["uid"], "secret": pulumi.Output.secret("hush")},
    )  # fmt: skip


def test_what_only_an_up_tells_is_unknown_before(make: Any, controlled: Place, namespace: str) -> None:
    stack = make(unknown, namespace=namespace)
    assert changed(stack.stack.preview()) == {"create": 3}
    stack.up()
    entries = stack.resources()
    first, second = (
        controlled.api.get(named("ConfigMap", *entries[name]["id"].split("/"))) for name in ("first", "second")
    )
    assert first
    assert second
    assert second["metadata"]["name"] == first["metadata"]["name"] + "x"
    assert second["data"] == {"uid": first["metadata"]["uid"], "secret": "hush"}
    assert "hush" not in stack.stored()
    assert changed(stack.up(refresh=True)) == {}


def unsafe(settings: dict[str, Any]) -> None:
    deployment(settings["namespace"], "llm", 0)


def test_what_the_namespaces_policy_will_not_admit_is_warned_of(make: Any, controlled: Place, namespace: str) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": namespace, "labels": {"pod-security.kubernetes.io/warn": "restricted"}}}  # fmt: skip
    controlled.api.apply(space)
    said: list[str] = []
    make(unsafe, namespace=namespace).stack.preview(on_output=said.append)
    assert "would violate PodSecurity" in "".join(said)


def chart(settings: dict[str, Any]) -> None:
    kubernetes.helm.v3.Release("keda", chart="keda", version="2.20.2", namespace="keda")


def test_a_chart_is_not_installed_and_says_what_to_do(make: Any) -> None:
    stack = make(chart)
    for act in (stack.stack.preview, stack.up):
        assert "the sandbox fetches no charts: install keda 2.20.2 yourself" in refusal(act)


def defined(settings: dict[str, Any]) -> None:
    group = "example.scaletozero.dev"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec: Any = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
    }
    definition = kubernetes.apiextensions.v1.CustomResourceDefinition(
        "definition", metadata={"name": f"things.{group}"}, spec=spec
    )
    kubernetes.apiextensions.CustomResource(
        "thing",
        api_version=f"{group}/v1",
        kind="Thing",
        metadata={"name": "thing", "namespace": settings["namespace"]},
        opts=pulumi.ResourceOptions(depends_on=[definition]),
    )


def test_a_definition_and_an_object_of_it_in_one_run(make: Any, controlled: Place, namespace: str) -> None:
    stack = make(defined, namespace=namespace)
    assert changed(stack.stack.preview()) == {"create": 3}
    assert changed(stack.up()) == {"create": 3}
    assert changed(stack.up()) == {}
    stack.stack.destroy()
    definitions = controlled.api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert not any(each["metadata"]["name"].endswith("scaletozero.dev") for each in definitions)


def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    place = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    stack = KubernetesStack(tmp_path, place, note, {"namespace": "default", "data": {}})
    assert "https://127.0.0.1:1 does not respond" in refusal(stack.stack.preview)


def test_a_deleted_namespace_takes_along_what_is_in_it(make: Any, controlled: Place) -> None:
    """By the cluster's own controllers, which every other test leaves its namespace to."""
    api, stack = controlled.api, make(life, name="t-left")
    stack.up()
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "t-left"}}
    inside = named("Deployment", "t-left", "llm", "apps/v1")
    assert api.get(inside)
    assert api.delete(space)
    eventually(lambda: api.get(space) is None)
    assert api.get(inside) is None
