"""A gateway as pods: what they may do, what is refused, what is declared, and the process that they run."""

import copy
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from clusters import eventually
from component_samples import GATEWAY
from gpu_declarations import CRDS, cluster
from schemas import problems

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.environment.settings import Environment
from scaletozero.gateway.contents import CONTAINER_PORT, FILE, Contents, read_contents
from scaletozero.gateway.inference_gateway import InferenceGateway
from scaletozero.gateway.pods import COMMAND, PodsPlan, plan_pods
from scaletozero.gateway.role_policy import gateway_policy
from scaletozero.kubernetes.manifests.gateway import CONTENTS, DIGEST
from scaletozero.kubernetes.manifests.hosts import AUTO_MODE_CRD, CILIUM_CRD
from scaletozero.settings.gateway import Gateway, Rules
from scaletozero.settings.gateway_ledger import LedgerDown
from scaletozero.settings.inference_gateway import InferenceGatewaySettings
from scaletozero.spending.prices import shipped

REGION = "eu-central-1"
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/gateway:1.2.3"
LLM = {"endpoint_name": "llm", "host": "llm.models", "usd_per_hour": 1.5}
PROVIDER = GATEWAY["models"]["small"]["provider"]
CHAT = {"targets": [{"endpoint": "llm", "speaks": ["chat"]}, {"provider": PROVIDER}], "on_cold": "fallback"}


def args(pods: Any = None, on: Any = None, **changes: Any) -> Any:
    """A gateway before an endpoint on GPUs and an API, as pods of a cluster."""
    there = {"cluster": cluster(**{"crds": [*CRDS, CILIUM_CRD], **(on or {})}), "namespace": "models", "image": IMAGE}
    return {
        "region": REGION,
        "models": {"chat": {**CHAT, "seconds": 300}},
        "customers": {"acme": {"cap_usd_per_month": 10.0, "models": ["chat"], "requests_per_minute": 60}},
        "endpoints": {"llm": LLM},
        "pods": {**there, **(pods or {})},
        **changes,
    }


def plan(**changes: Any) -> PodsPlan:
    settings = parse(InferenceGatewaySettings, args(**changes), "gateway")
    assert settings.pods
    return plan_pods("gateway", settings, settings.pods)


def one(planned: PodsPlan, kind: str) -> Any:
    (found,) = [each for each in planned.objects if each["kind"] == kind]
    return found["spec"]


AUTO = {"nodes": "auto-mode", "crds": [*CRDS, AUTO_MODE_CRD]}


@pytest.mark.parametrize(
    "changes",
    [{}, {"on": AUTO}, {"on": {"crds": CRDS}, "pods": {"https_cidrs": ["10.0.0.0/16"], "callers": ["web", "jobs"]}}],
    ids=["cilium", "auto-mode", "addresses"],
)
def test_every_object_is_one_that_the_api_server_takes(changes: Any) -> None:
    found = json.loads(json.dumps(plan(**changes).objects).replace(DIGEST, "0" * 10))
    # tests/cluster/test_hosts.py has the definitions of the others.
    found = [each for each in found if each["kind"] not in ("ApplicationNetworkPolicy", "CiliumNetworkPolicy")]
    assert {each["metadata"]["name"]: problems(each) for each in found if problems(each)} == {}
    assert plan(**changes).findings == ()


def test_a_pod_has_the_rights_of_the_restricted_standard_and_no_token() -> None:
    pod = one(plan(), "Deployment")["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["seccompProfile"]) == (
        True,
        {"type": "RuntimeDefault"},
    )
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"] == {"memory": "512Mi"}
    assert container["command"] == list(COMMAND)
    assert {each["httpGet"]["path"] for name, each in container.items() if name.endswith("Probe")} == {"/healthz"}
    assert {each["topologyKey"] for each in pod["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }


def test_a_pod_that_ends_waits_for_its_longest_request() -> None:
    pod = one(plan(), "Deployment")["template"]["spec"]
    waits = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= waits + 300
    assert one(plan(), "PodDisruptionBudget")["maxUnavailable"] == 1


def test_only_declared_namespaces_reach_it_and_it_reaches_only_what_it_needs() -> None:
    policy = one(plan(pods={"callers": ["web"], "https_cidrs": ["10.0.0.0/16"]}), "NetworkPolicy")
    named = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}
    assert policy["ingress"] == [{"from": [named], "ports": [{"port": "http", "protocol": "TCP"}]}]
    assert sorted({port["port"] for each in policy["egress"] for port in each["ports"]}) == [53, 80, 443, 8080]
    assert all(each["to"] for each in policy["egress"])
    own = one(plan(), "NetworkPolicy")
    assert own["ingress"][0]["from"] == [{"podSelector": {}}]
    assert 443 not in {port["port"] for each in own["egress"] for port in each["ports"]}
    without = one(plan(models={"chat": {"provider": PROVIDER}}, endpoints={}), "NetworkPolicy")
    assert 8080 not in {port["port"] for each in without["egress"] for port in each["ports"]}


HOSTS = ["api.openai.com", f"dynamodb.{REGION}.amazonaws.com", f"secretsmanager.{REGION}.amazonaws.com"]


def test_what_enforces_names_lets_it_reach_aws_and_its_providers_alone() -> None:
    _, names = one(plan(), "CiliumNetworkPolicy")["egress"]
    assert names["toFQDNs"] == [{"matchName": each} for each in HOSTS]
    inside = "keda-add-ons-http-interceptor-proxy.keda.svc.cluster.local"
    assert one(plan(on=AUTO), "ApplicationNetworkPolicy")["egress"] == [
        {"to": [{"domainNames": HOSTS}], "ports": [{"port": 443, "protocol": "TCP"}]},
        {"to": [{"domainNames": [inside]}], "ports": [{"port": 8080, "protocol": "TCP"}]},
    ]


def test_each_service_of_aws_that_is_called_is_reached() -> None:
    sample = {**copy.deepcopy(GATEWAY), "region": REGION}
    for each in sample["endpoints"].values():
        each["endpoint_arn"] = each["endpoint_arn"].replace(GATEWAY["region"], REGION)
    sample["models"]["nova"] = {
        "targets": [
            {"bedrock": {"model": "amazon.nova-lite-v1:0"}, "weight": 1, "canary": CANARY},
            {"provider": PROVIDER, "weight": 9},
        ]
    }
    found = one(plan(**{**sample, "pods": None}), "CiliumNetworkPolicy")["egress"][1]["toFQDNs"]
    ends = f"{REGION}.amazonaws.com"
    assert {each.get("matchName") or each["matchPattern"] for each in found} == {
        *HOSTS,
        *(f"{name}.{ends}" for name in ("bedrock-runtime", "monitoring", "runtime.sagemaker", "s3", "*.s3")),
    }


CANARY = {"alarm": "bad", "since": "2026-12-01T09:00:00Z", "promote_after_hours": 24}


def test_where_prometheus_has_its_definitions_it_says_that_no_pod_is_ready() -> None:
    ((rule,),) = [each["rules"] for each in one(plan(), "PrometheusRule")["groups"]]
    assert rule["expr"] == 'max(kube_deployment_status_replicas_ready{namespace="models", deployment="gateway"}) == 0'
    assert not [each for each in plan(on={"crds": [CILIUM_CRD]}).objects if each["kind"] == "PrometheusRule"]


def refused(make: Any) -> str:
    with pytest.raises(FindingsError) as error:
        make()
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pods": {"image": "gateway"}}, "pods.image: must be an image with its registry"),
        ({"pods": {"image": IMAGE.replace("eu-", "us-").replace("1.2.3", "latest")}}, "must be pinned by a digest"),
        (
            {"pods": {"image": IMAGE.replace(REGION, "us-east-1")}},
            "pods.image: must be in the gateway's Region, eu-central-1",
        ),
        ({"pods": {"replicas": 0}}, "pods.replicas: must be from 1 to 100 replicas"),
        ({"pods": {"memory_mib": 64}}, "pods.memory_mib: must be from 256"),
        ({"pods": {"cpu_millis": 1}}, "pods.cpu_millis: must be from 50"),
        ({"pods": {"callers": ["Web"]}}, "pods.callers.0: must be a DNS label"),
        ({"pods": {"callers": ["web", "web"]}}, "pods.callers.1: must be there once"),
        ({"pods": {"https_cidrs": ["0.0.0.0/0"]}}, "pods.https_cidrs.0: must not be the whole internet"),
        ({"on": {"region": "us-east-1"}}, "pods.cluster.region: must be the gateway's Region, eu-central-1"),
        ({"concurrency": 5}, "gateway.concurrency: must not be beside `pods`"),
        ({"pods": {"ledger_down": {"fail": "open", "usd": 0, "seconds": 9}}}, "pods.ledger_down.usd: must be"),
        ({"api": {}}, "gateway.api: must not be beside `pods`"),
        ({"log_retention_days": 30}, "gateway.log_retention_days: must not be beside `pods`"),
        (
            {"models": {"chat": {"provider": {**PROVIDER, "secret": None, "variable": "KEY"}}}},
            "models.chat.provider.variable: must not be in pods",
        ),
        (
            {"models": {"chat": {"provider": {**PROVIDER, "base_url": "http://127.0.0.1:1"}}}},
            "models.chat.provider.base_url: must begin with https:// in pods",
        ),
        (
            {"models": {"chat": {"targets": [{"endpoint": "llm", "speaks": ["chat"], "url": "http://x.y"}]}}},
            "models.chat.targets.0.url: must begin with https:// in pods",
        ),
    ],
)
def test_what_pods_cannot_be_is_refused(changes: Any, said: str) -> None:
    assert said in refused(lambda: plan(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"on": {"crds": CRDS}}, "pods.https_cidrs: is required in a cluster that does not enforce names"),
        ({"on": {"namespaces": ["model"]}}, "pods.namespace: must exist in the cluster prod, got models"),
        ({"on": {"version": "1.29"}}, "pods.cluster.version: must be 1.30 or later"),
    ],
)
def test_a_cluster_that_lacks_something_is_refused_before_anything_is_declared(run, changes: Any, said: str) -> None:
    assert said in refused(lambda: run(lambda: InferenceGateway("gateway", args(**changes), on_cluster())))


def on_cluster() -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(providers=[kubernetes.Provider("k8s", kubeconfig="{}")])


def test_without_a_cluster_in_its_options_it_is_refused(run) -> None:
    assert "must have a Kubernetes provider" in refused(lambda: run(lambda: InferenceGateway("gateway", args())))


def test_it_is_these_resources_and_no_function(run) -> None:
    done = run(lambda: InferenceGateway("gateway", args(), on_cluster()).url)
    found = [each for each in done.registered if each.typ.startswith(("aws:", "kubernetes:"))]
    assert sorted(f"{each.typ} {each.name}" for each in found) == [
        "aws:dynamodb/table:Table gateway-ledger",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation gateway-identity",
        "aws:iam/role:Role gateway-role",
        "aws:iam/rolePolicy:RolePolicy gateway-permissions",
        "kubernetes:apps/v1:Deployment gateway",
        "kubernetes:cilium.io/v2:CiliumNetworkPolicy gateway-cilium-network-policy",
        "kubernetes:core/v1:ConfigMap gateway-config-map",
        "kubernetes:core/v1:Service gateway-service",
        "kubernetes:core/v1:ServiceAccount gateway-service-account",
        "kubernetes:monitoring.coreos.com/v1:PrometheusRule gateway-prometheus-rule",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy gateway-network-policy",
        "kubernetes:policy/v1:PodDisruptionBudget gateway-pod-disruption-budget",
    ]
    association = done.one(":PodIdentityAssociation")
    assert [association[each] for each in ("clusterName", "namespace", "serviceAccount")] == [
        "prod",
        "models",
        "gateway",
    ]
    trusted = json.loads(done.one(":Role")["assumeRolePolicy"])["Statement"][0]
    assert trusted["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] == "gateway"
    allowed = {each["Sid"] for each in json.loads(done.one(":RolePolicy")["policy"])["Statement"]}
    assert allowed == {"KeepLedger", "ReadProviderKeys"}
    config, deployment = done.one(":ConfigMap"), done.one(":Deployment")
    (settings, _) = deployment["spec"]["template"]["spec"]["volumes"]
    assert settings["configMap"]["name"] == config["metadata"]["name"] != f"gateway-{DIGEST}"
    assert CONTENTS not in json.dumps(config)
    contents = read_contents(config["data"]["gateway.json"])
    assert contents.served["llm"].url == "http://keda-add-ons-http-interceptor-proxy.keda:8080"
    assert contents.rules.models["chat"].on_cold == "fallback"
    assert PROVIDER["price"] in contents.tariffs


def test_the_alarm_of_a_canary_may_be_read_in_its_region_only() -> None:
    statements = json.loads(
        gateway_policy(REGION, None, "arn:aws:dynamodb:eu-central-1:111122223333:table/t", None, [], [], None,
                       reads_alarms=True)
    )["Statement"]  # fmt: skip
    assert [each["Sid"] for each in statements] == ["KeepLedger", "ReadAlarms"]
    assert statements[1]["Condition"] == {"StringEquals": {"aws:RequestedRegion": REGION}}


def environment(**changes: Any) -> Environment:
    declared = {
        "region": REGION,
        "kubernetes": {"cluster": {"name": "prod"}, "namespace": "models"},
        "endpoints": {},
        "gateway": {
            "models": {"small": {"provider": PROVIDER}},
            "customers": {"acme": {"cap_usd_per_month": 10, "models": ["small"]}},
            "cluster": {"image": IMAGE},
        },
        **changes,
    }
    return parse(Environment, {name: each for name, each in declared.items() if each is not None}, "environment")


def test_an_environment_may_have_it_as_pods_and_keeps_a_function_apart() -> None:
    declared = environment().gateway
    assert declared
    assert declared.deployed
    both = {"models": {}, "customers": {}, "function": {}, "cluster": {"image": IMAGE}}
    assert "gateway.cluster: must not be beside `function`" in refused(lambda: parse(Gateway, both, "gateway"))
    assert "gateway.cluster.image: requires `kubernetes`" in refused(lambda: environment(kubernetes=None))
    llm = {"kind": "gpu", "artifact": "a", "image": IMAGE, "scaling": {"max": 2}}
    assert "must not be beside an endpoint of kind `gpu`" in refused(lambda: environment(endpoints={"gateway": llm}))
    elsewhere = {"cluster": {"image": IMAGE.replace(REGION, "us-east-1")}}
    assert "gateway.cluster.image: must be in the gateway's Region" in refused(lambda: environment(gateway=elsewhere))


@contextmanager
def running(folder: Path, contents: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process of a pod, without an identity."""
    file = folder / "gateway.json"
    file.write_text(contents)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    variables = {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", FILE: str(file), CONTAINER_PORT: str(port)}
    command = [sys.executable, *COMMAND[1:]]
    process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **variables}, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)  # fmt: skip
    try:
        yield process, port
    finally:
        process.kill()
        process.wait()


def test_the_process_of_a_pod_answers_on_all_addresses_and_ends_when_it_is_told(tmp_path: Path) -> None:
    rules = parse(Rules, {"models": {}, "customers": {}}, "gateway")
    with running(tmp_path, Contents(rules, REGION, {}, shipped(), "ledger").text()) as (process, port):

        def healthy() -> bool:
            assert process.poll() is None, process.stdout and process.stdout.read()
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
            except httpx2.TransportError:
                return False

        eventually(healthy, patience=60)
        if socket.has_ipv6:
            assert httpx2.get(f"http://[::1]:{port}/healthz").status_code == 200
        assert httpx2.get(f"http://127.0.0.1:{port}/v1/models").status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM)


def test_it_settles_after_the_response_because_it_is_not_frozen() -> None:
    from scaletozero.gateway.service.container import door_of

    rules = parse(Rules, {"models": {}, "customers": {}}, "gateway")
    down = parse(LedgerDown, {"fail": "open", "usd": 5, "seconds": 60}, "ledger_down")
    contents = read_contents(Contents(rules, REGION, {}, shipped(), "ledger", ledger_down=down).text())
    assert contents.ledger_down == down
    assert door_of(contents).settles_first is False
