"""Endpoints on Kubernetes in an environment: what is refused, where it stands, and exactly what is declared."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from gpu_declarations import CRDS, FALLBACK
from gpu_environment import environment, kubernetes
from schemas import problems
from small_checkpoint import small_checkpoint

from model_packaging.findings import Finding, FindingsError
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.project import Project
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment
from scaletozero.gateway.contents import read_contents
from scaletozero.kubernetes.manifests.hosts import CILIUM_CRD

ROOT = Path(__file__).resolve().parents[3]
KEY = "arn:aws:kms:eu-central-1:111122223333:key/1b2c3d4e"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return small_checkpoint(tmp_path / "artifact")


def read(artifact: Path, **changes: Any) -> Environment:
    return read_environment(environment(artifact, **changes), artifact.parent)


def refused(artifact: Path, **changes: Any) -> tuple[Finding, ...]:
    with pytest.raises(FindingsError) as error:
        read(artifact, **changes)
    return error.value.findings


def test_one_that_is_right(artifact: Path) -> None:
    found = read(artifact)
    assert found.kubernetes
    assert found.kubernetes.cluster.region == "eu-central-1"
    assert found.kubernetes.cluster.keda == "2.20.2"


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("no cluster", {"kubernetes": None}, "kubernetes", "kubernetes: {cluster"),
    ("a cluster elsewhere", {"cluster__region": "us-east-1"}, "kubernetes.cluster.region", "remove it"),
    ("a cluster without a name", {"cluster__name": None}, "kubernetes.cluster.name", ""),
    ("an unknown fact", {"cluster__kedda": "2.20.2"}, "kubernetes.cluster.kedda", "write `keda`"),
    ("no KEDA", {"cluster__keda": None}, "kubernetes.cluster.keda", "install it"),
    ("an old KEDA", {"cluster__keda": "2.16.0"}, "kubernetes.cluster.keda", "upgrade it"),
    ("no add-on", {"cluster__http_addon": None}, "kubernetes.cluster.http_addon", "install it"),
    ("a custom resource less", {"cluster__crds": CRDS[1:]}, "kubernetes.cluster.crds", "install the product"),
    (
        "a load balancer that gives up",
        {"cluster__route": [{"name": "ALB", "timeout_seconds": 60}]},
        "kubernetes.cluster.route.0.timeout_seconds",
        "raise ALB's timeout to 750",
    ),
    (
        "a namespace that is not there",
        {"cluster__namespaces": ["model", "other"]},
        "kubernetes.namespace",
        "write `model`",
    ),
    ("a namespace that is no label", {"kubernetes": kubernetes(namespace="My_Models")}, "kubernetes.namespace", ""),
    ("too short a pause", {"llm__scaling": {"idle_seconds": 1}}, "endpoints.llm.scaling.idle_seconds", "write 410"),
    ("min above max", {"llm__scaling": {"min": 2}}, "endpoints.llm.scaling.min", "raise `max` to 2"),
    ("more than pool and quota", {"llm__scaling": {"max": 9}}, "endpoints.llm.scaling.max", "write `max: 8`"),
    ("a key that there is not", {"llm__memory_mb": 2048}, "endpoints.llm.memory_mb", ""),
    ("an artifact that is not there", {"llm__artifact": "nowhere"}, "endpoints.llm.artifact", "scaletozero package"),
    (
        "a fallback that is no service",
        {"llm__on_cold": {"action": "fallback", "service": {**FALLBACK, "name": "gatway"}}},
        "endpoints.llm.on_cold.service.name",
        "gateway",
    ),
    ("a key elsewhere", {"artifacts": {"kms_key_arn": KEY.replace("eu-", "us-")}}, "artifacts.kms_key_arn", ""),
]  # fmt: skip


@pytest.mark.parametrize("changes, path, fix", [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_each_bad_input_is_found_where_it_stands(artifact: Path, changes: dict[str, Any], path: str, fix: str) -> None:
    found = refused(artifact, **changes)
    assert {each.path for each in found} == {f"environment.{path}"}
    assert fix in found[0].fix


def test_what_is_wrong_with_the_cluster_is_said_once(artifact: Path) -> None:
    endpoint = environment(artifact)["endpoints"]["llm"]
    two = {"one": endpoint, "other": {**endpoint, "scaling": {"idle_seconds": 1}}}
    found = refused(artifact, endpoints=two, cluster__keda=None)
    paths = ["environment.kubernetes.cluster.keda", "environment.endpoints.other.scaling.idle_seconds"]
    assert [each.path for each in found] == paths


def test_an_artifact_for_the_cpu(artifact: Path, make_artifact: Any) -> None:
    (found,) = refused(artifact, llm__artifact=str(make_artifact().path))
    assert (found.path, found.got) == ("environment.endpoints.llm.artifact", "cpu-serverless")


def test_no_kubeconfig_and_no_cluster(artifact: Path) -> None:
    (found,) = refused(artifact, sandbox=None)
    assert found.path == "KUBECONFIG"
    (found,) = refused(artifact, kubernetes={"namespace": "models", "cluster": {"name": "prod"}})
    assert found.path == "environment.kubernetes.cluster"
    assert "scaletozero cluster --json" in found.fix


def test_it_is_taken_away_and_looked_at_without_a_cluster_or_an_artifact(artifact: Path) -> None:
    bare = environment("nowhere", kubernetes={"namespace": "models", "cluster": {"name": "prod"}}, sandbox=None)
    assert set(read_environment(bare, None).endpoints) == {"llm"}


def test_facts_from_a_file(artifact: Path) -> None:
    written = {"namespace": "models", "cluster": {"name": "prod", "s3_cidrs": ["10.0.0.0/16"]}, "facts": "prod.json"}
    saved = kubernetes()["cluster"] | {"region": "eu-central-1", "s3_cidrs": []}
    path = artifact.parent / "prod.json"
    path.write_text(json.dumps(saved))
    found = read(artifact, kubernetes=written)
    assert found.kubernetes
    assert found.kubernetes.cluster.pools[0].max_gpus == 8
    # What is written has the last word.
    assert found.kubernetes.cluster.s3_cidrs == ("10.0.0.0/16",)

    path.write_text(json.dumps(saved | {"name": "dev"}))
    (of_another,) = refused(artifact, kubernetes=written)
    path.write_text("{")
    (of_none,) = refused(artifact, kubernetes=written)
    path.unlink()
    (gone,) = refused(artifact, kubernetes=written)
    assert {each.path for each in (of_another, of_none, gone)} == {"environment.kubernetes.facts"}
    assert of_another.got == "dev in eu-central-1"
    path.write_text(json.dumps(saved | {"kedda": "2"}))
    assert "prod.json.kedda" in refused(artifact, kubernetes=written)[0].path


def test_exactly_what_is_declared(run: Any, artifact: Path) -> None:
    found = read(artifact, artifacts={"kms_key_arn": KEY}, tags={"team": "search"})
    done = run(lambda: declare_environment(found, artifact.parent))
    kinds = sorted(each.typ for each in done.registered if each.typ.startswith("kubernetes:"))
    assert kinds == [
        "kubernetes:apps/v1:Deployment",
        "kubernetes:core/v1:Service",
        "kubernetes:core/v1:ServiceAccount",
        "kubernetes:http.keda.sh/v1beta1:InterceptorRoute",
        "kubernetes:keda.sh/v1alpha1:ScaledObject",
        "kubernetes:monitoring.coreos.com/v1:PodMonitor",
        "kubernetes:monitoring.coreos.com/v1:PrometheusRule",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "kubernetes:policy/v1:PodDisruptionBudget",
    ]
    objects = [each.inputs for each in done.registered if each.typ.startswith("kubernetes:")]
    assert [problem for each in objects for problem in problems(each)] == []
    assert {each["metadata"]["namespace"] for each in objects} == {"models"}
    # The model is encrypted with the bucket's own key, so its pods may decrypt with that one.
    assert {each.inputs["kmsKeyId"] for each in done.of(":BucketObjectv2")} == {KEY}
    statements = {each["Sid"]: each for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    assert statements["DecryptArtifact"] == {
        "Sid": "DecryptArtifact",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": KEY,
    }
    assert done.one(":PodIdentityAssociation")["tags"]["team"] == "search"


def test_a_gateway_as_pods_reaches_the_endpoint_through_the_interceptor(run: Any, artifact: Path) -> None:
    found = read(artifact, gateway=DOOR, cluster__crds=[*CRDS, CILIUM_CRD])
    done = run(lambda: declare_environment(found, artifact.parent))
    (config,) = done.of(":ConfigMap")
    contents = read_contents(config.inputs["data"]["gateway.json"])
    served = contents.served["llm"]
    assert (served.host, served.url) == ("llm.models", "http://keda-add-ons-http-interceptor-proxy.keda:8080")
    assert served.usd_per_hour != ""
    assert contents.ledger_down
    assert {each.name for each in done.of(":Deployment")} == {"gateway", "llm"}
    assert not done.of("aws:lambda/function:Function")


def test_the_pods_of_a_gateway_that_could_reach_nothing_are_refused(artifact: Path) -> None:
    (found,) = refused(artifact, gateway=DOOR)
    assert found.path == "environment.gateway.cluster.https_cidrs"


DOOR = {
    "models": {"chat": {"targets": [{"endpoint": "llm", "speaks": ["chat"]}]}},
    "customers": {"acme": {"cap_usd_per_month": 10, "models": ["chat"]}},
    "cluster": {"image": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/gateway:1.2.3"},
    "ledger_down": {"fail": "open", "usd": 5, "seconds": 60},
}


def test_the_provider_is_of_the_context_that_was_written(run: Any, artifact: Path) -> None:
    found = read(artifact, kubernetes=kubernetes(context="prod"))
    done = run(lambda: declare_environment(found, artifact.parent))
    assert done.one("pulumi:providers:kubernetes") == {"context": "prod"}


def test_without_a_cluster_there_is_no_provider_of_one(run: Any, artifact: Path) -> None:
    found = read(artifact, kubernetes=None, endpoints={})
    done = run(lambda: declare_environment(found, artifact.parent))
    assert done.of("pulumi:providers:kubernetes") == []


def test_the_environment_of_this_project(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
    small_checkpoint(tmp_path / "artifacts" / "minilm-vllm")
    project = Project(tmp_path, "scaletozero", tmp_path / "stacks", tmp_path / "stacks" / "environments")
    assert project.environment("gpu-eu", on_sandbox=True).endpoints.keys() == {"sentences"}
    with pytest.raises(FindingsError, match="KUBECONFIG"):
        project.environment("gpu-eu")
    disabled = yaml.safe_load(project.settings_file("gpu-eu").read_text())["config"]["pulumi:disable-default-providers"]
    assert disabled == ["aws", "kubernetes"]
