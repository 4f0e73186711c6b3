import pytest

from scaletozero.sandbox.providers.kube import manifests
from scaletozero.sandbox.providers.kube.manifests import AUTONAMED, MANAGER, drifted
from scaletozero.sandbox.providers.values import UNKNOWN, Secret

URN = "urn:pulumi:dev::shop::kubernetes:core/v1:Secret::key"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("kubernetes:core/v1:Secret", ("v1", "Secret")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:keda.sh/v1alpha1:ScaledObject", ("keda.sh/v1alpha1", "ScaledObject")),
    ],
)
def test_the_kind_of_a_type(token, expected):
    assert manifests.kind_of(token) == expected


@pytest.mark.parametrize(
    "token", ["kubernetes:helm.sh/v4:Chart", "kubernetes:apps/v1:DeploymentPatch", "kubernetes:kustomize/v2:Directory"]
)
def test_a_type_that_is_not_served_says_what_to_declare(token):
    with pytest.raises(ValueError, match=r"sandbox.s Kubernetes provider.*declare"):
        manifests.kind_of(token)


def complete(inputs, olds=None, seed=b"seed"):
    return manifests.completed("kubernetes:core/v1:Secret", inputs, olds or {}, logical="Key", seed=seed)


def test_a_name_is_given_where_there_is_none_and_kept_afterwards():
    first = complete({})
    assert first["metadata"]["name"].startswith("key-")
    assert first["metadata"]["annotations"][AUTONAMED] == "true"
    assert complete({}) == first
    assert complete({}, seed=b"other")["metadata"]["name"] != first["metadata"]["name"]
    assert complete({}, first, seed=b"other") == first


def test_a_name_that_is_given_is_left():
    assert complete({"metadata": {"name": "mine"}})["metadata"] == {"name": "mine"}


def test_unknown_metadata_is_left():
    assert complete({"metadata": UNKNOWN})["metadata"] is UNKNOWN
    assert complete({"metadata": {"name": UNKNOWN}})["metadata"] == {"name": UNKNOWN}


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"name": "Upper"}, "metadata.name"),
        ({"name": "a_b"}, "metadata.name"),
        ({"name": ""}, "metadata.name"),
        ({"name": 7}, "metadata.name"),
        ({"name": "a" * 254}, "metadata.name"),
        ({"name": "a", "namespace": "B"}, "metadata.namespace"),
        ({"generateName": "a-"}, "metadata.generateName"),
        ({"name": "a", "annotations": {manifests.TIMEOUT: "soon"}}, f'metadata.annotations["{manifests.TIMEOUT}"]'),
    ],
)
def test_what_no_cluster_would_take(metadata, path):
    found = manifests.failures({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    assert [where for where, _ in found] == [path]


def test_a_role_may_have_any_name():
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "system:Node_reader"}}
    assert manifests.failures(role) == []


def test_the_manager_follows_from_the_resource_and_stays():
    manager = manifests.manager_of(URN, {}, {})
    assert manager == manifests.manager_of(URN, {}, {})
    assert manager != manifests.manager_of(URN + "2", {}, {})
    assert manifests.manager_of(URN, {}, {MANAGER: "before"}) == "before"
    chosen = {"metadata": {"annotations": {manifests.FIELD_MANAGER: "me"}}}
    assert manifests.manager_of(URN, chosen, {MANAGER: "before"}) == "me"


def test_a_secrets_data_stays_secret_in_the_state():
    live = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a", "managedFields": [{}]},
        "data": {"k": "eA=="},
    }
    state = manifests.state_of(live, {"stringData": Secret({"k": "x"})}, "me")
    assert state["data"] == Secret({"k": "eA=="})
    assert "managedFields" not in state["metadata"]


def test_any_field_that_was_secret_stays_secret():
    live = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "x", "l": "y"}}
    state = manifests.state_of(live, {"data": {"k": Secret("x")}}, "me")
    assert state["data"] == {"k": Secret("x"), "l": "y"}


@pytest.mark.parametrize(
    ("inputs", "applied", "live", "expected"),
    [
        # What the server writes differently is no drift.
        ({"cpu": "1000m"}, {"cpu": "1"}, {"cpu": "1"}, {"cpu": "1000m"}),
        ({"cpu": "1000m"}, {"cpu": "1"}, {"cpu": "2"}, {"cpu": "2"}),
        # What others add is theirs.
        ({"a": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 1}),
        # What others take away is missed.
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}, {"a": 1}),
        # A sidecar that is put in does not move the others.
        (
            {"c": [{"name": "x", "image": "i"}]},
            {"c": [{"name": "x", "image": "i"}]},
            {"c": [{"name": "side", "image": "s"}, {"name": "x", "image": "j"}]},
            {"c": [{"name": "x", "image": "j"}]},
        ),
        ({"l": [1, 2]}, {"l": [1, 2]}, {"l": [1]}, {"l": [1]}),
        (
            {"l": [{"a": 1}, {"a": 2}]},
            {"l": [{"a": 1}, {"a": 2}]},
            {"l": [{"a": 1}, {"a": 3}]},
            {"l": [{"a": 1}, {"a": 3}]},
        ),
        # A None was never sent, and a Secret's stringData is never shown.
        ({"a": None}, {"b": 1}, {"b": 2}, {"a": None}),
    ],
)
def test_drift(inputs, applied, live, expected):
    assert drifted(inputs, applied, live) == expected


def test_drift_keeps_secrets_secret():
    assert drifted({"k": Secret("x")}, {"k": Secret("x")}, {"k": "x"}) == {"k": Secret("x")}
    assert drifted({"k": Secret("x")}, {"k": Secret("x")}, {"k": "y"}) == {"k": Secret("y")}


def test_what_makes_it_another_object():
    old = {"apiVersion": "keda.sh/v1alpha1", "kind": "A", "metadata": {"name": "a", "labels": {"l": "1"}}}

    def moved(**news):
        new = {**old, **news}
        return [c for c in manifests.input_changes(old, new, []) if manifests.moves(c, old, new)]

    assert moved(metadata={"name": "b", "labels": {"l": "1"}})
    assert moved(metadata={"name": "a", "namespace": "n", "labels": {"l": "1"}})
    assert moved(apiVersion="other.sh/v1")
    assert not moved(apiVersion="keda.sh/v1")
    assert not moved(metadata={"name": "a", "labels": {"l": "2"}})


def test_changes_to_ignored_paths_are_none():
    old, new = {"spec": {"replicas": 0, "paused": False}}, {"spec": {"replicas": 1, "paused": False}}
    assert manifests.input_changes(old, new, [("spec", "replicas")]) == []
    assert len(manifests.input_changes(old, new, [])) == 1


def test_none_is_not_sent():
    assert manifests.sent({"spec": {"a": None, "b": [{"c": None}]}, "__x": 1}) == {"spec": {"b": [{}]}}


def test_an_imported_object_has_no_field_that_only_the_server_sets():
    metadata = {"name": "a", "uid": "u", "resourceVersion": "1", "managedFields": [], "labels": {"l": "1"}}
    live = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": {"phase": "Running"}}
    assert manifests.imported(live) == {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"l": "1"}}, "spec": {}
    }  # fmt: skip
