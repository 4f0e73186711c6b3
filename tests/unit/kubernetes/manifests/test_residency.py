"""Objects that hold a namespace's pods to some Regions; `tests/cluster/test_residency.py` has a server judge pods."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from gpu_declarations import cluster
from residency_holds import ADMISSION

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.kubernetes.prerequisites import PrerequisitesPlan, plan_prerequisites
from scaletozero.settings.prerequisites import PrerequisitesSettings


def planned(**changes: Any) -> PrerequisitesPlan:
    declared = {"cluster": cluster(), "namespaces": [{"name": each, "gpu_quota": 8} for each in ("a", "b")], **changes}
    return plan_prerequisites(parse(PrerequisitesSettings, declared, "platform"))


def named(plan: PrerequisitesPlan) -> list[tuple[str, str, str | None]]:
    return [(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) for each in plan.objects]


def test_nothing_is_held_unless_it_is_asked_for() -> None:
    assert {kind for kind, _, _ in named(planned())} == {"Namespace", "ResourceQuota", "NetworkPolicy"}


def test_each_namespace_has_policies_and_parameters_that_its_users_cannot_edit() -> None:
    plan = planned(residency=["eu-central-1"])
    for namespace in ("a", "b"):
        name = f"residency-{namespace}"
        assert [each for each in named(plan) if each[1].startswith(name)] == [
            ("ConfigMap", name, "kube-system"),
            ("ValidatingAdmissionPolicy", name, None),
            ("ValidatingAdmissionPolicyBinding", name, None),
            ("ValidatingAdmissionPolicy", f"{name}-bindings", None),
            ("ValidatingAdmissionPolicyBinding", f"{name}-bindings", None),
        ]
    for each in plan.objects:
        if each["kind"] == "ValidatingAdmissionPolicyBinding":
            assert each["spec"]["validationActions"] == ["Deny"]
            assert each["spec"]["paramRef"]["parameterNotFoundAction"] == "Deny"
        if each["kind"] == "ValidatingAdmissionPolicy":
            assert each["spec"]["failurePolicy"] == "Fail"


def test_a_residency_without_the_clusters_own_region_is_refused() -> None:
    with pytest.raises(
        FindingsError, match=r"residency: must have the cluster's own Region, eu-central-1, got eu-west-1"
    ):
        planned(residency=["eu-west-1"])


def test_the_server_judges_every_leak_that_the_table_gives_to_it() -> None:
    path = Path(__file__).resolve().parents[3] / "cluster" / "test_residency.py"
    spec = importlib.util.spec_from_file_location("judged", path)
    assert spec
    assert spec.loader
    judged = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judged)
    [mark] = judged.test_each_leak_that_the_table_says_is_refused_here_is.pytestmark
    assert mark.args == ("case", sorted(ADMISSION))
    assert ADMISSION
