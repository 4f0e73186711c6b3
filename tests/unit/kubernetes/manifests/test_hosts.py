"""Hosts that pods may call: the policy that enforces their names, by cluster, and a finding where none does."""

import re
from typing import Any

import pytest
from gpu_declarations import CRDS, endpoint, plan
from hypothesis import given
from hypothesis import strategies as st
from schemas import custom, problems

from model_packaging.validation import parse
from scaletozero.kubernetes.manifests.hosts import AUTO_MODE_CRD, CILIUM_CRD
from scaletozero.settings.gpu import GpuEndpointSettings

HOSTS = ["eu.api.example.com", "*.example.org"]
AUTO_MODE: dict[str, Any] = {"cluster__nodes": "auto-mode", "cluster__crds": [*CRDS, AUTO_MODE_CRD]}
CILIUM: dict[str, Any] = {"cluster__crds": [*CRDS, CILIUM_CRD]}
PODS = {"matchLabels": {"app.kubernetes.io/name": "llm", "app.kubernetes.io/component": "serving"}}


@pytest.mark.parametrize("cluster", [AUTO_MODE, CILIUM, {}])
def test_there_is_no_policy_without_hosts(cluster: dict[str, Any]) -> None:
    planned = plan(**cluster)
    assert planned.findings == ()
    assert {each["kind"] for each in planned.objects} & {"ApplicationNetworkPolicy", "CiliumNetworkPolicy"} == set()


def test_on_auto_mode_it_is_an_application_network_policy() -> None:
    planned = plan(egress=HOSTS, **AUTO_MODE)
    assert planned.findings == ()
    policy = planned.object("ApplicationNetworkPolicy")
    assert policy["apiVersion"] == "networking.k8s.aws/v1alpha1"
    assert policy["metadata"]["name"] not in {planned.object("NetworkPolicy")["metadata"]["name"], "default-deny"}
    # Names that are not listed cannot be resolved either, and the model is read from S3.
    s3 = ["s3.eu-central-1.amazonaws.com", "*.s3.eu-central-1.amazonaws.com"]
    assert policy["spec"] == {
        "podSelector": PODS,
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"domainNames": [*HOSTS, *s3]}], "ports": [{"port": 443, "protocol": "TCP"}]}],
    }
    assert "enable-network-policy-controller" in str(planned.notes)


def test_without_a_bucket_nothing_is_allowed_but_the_hosts() -> None:
    serving = {"engine": "container", "ready_path": "/ready"}
    policy = plan(egress=HOSTS, bucket=None, serving=serving, **AUTO_MODE).object("ApplicationNetworkPolicy")
    assert policy["spec"]["egress"][0]["to"] == [{"domainNames": HOSTS}]


def test_the_names_of_s3_are_those_of_the_clusters_partition() -> None:
    china: dict[str, Any] = {**AUTO_MODE, "cluster__region": "cn-north-1", "cluster__pools": []}
    names = plan(egress=HOSTS, **china).object("ApplicationNetworkPolicy")["spec"]["egress"][0]["to"][0]["domainNames"]
    assert names[2:] == ["s3.cn-north-1.amazonaws.com.cn", "*.s3.cn-north-1.amazonaws.com.cn"]


def test_elsewhere_it_is_ciliums() -> None:
    planned = plan(egress=HOSTS, **CILIUM)
    assert planned.findings == ()
    policy = planned.object("CiliumNetworkPolicy")
    assert policy["apiVersion"] == "cilium.io/v2"
    dns, hosts = policy["spec"]["egress"]
    assert policy["spec"]["endpointSelector"] == PODS
    # Without a rule for lookups, Cilium would never learn an address.
    assert dns["toPorts"] == [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}]
    assert hosts == {
        "toFQDNs": [{"matchName": "eu.api.example.com"}, {"matchPattern": "*.example.org"}],
        "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}],
    }


@pytest.mark.parametrize(
    "cluster, lacking",
    [
        ({}, CILIUM_CRD),
        ({"cluster__nodes": "auto-mode"}, AUTO_MODE_CRD),
        # The definition is on every EKS cluster; only the nodes of Auto Mode enforce names.
        ({"cluster__crds": [*CRDS, AUTO_MODE_CRD]}, CILIUM_CRD),
    ],
)
def test_where_nothing_enforces_names_they_are_refused(cluster: dict[str, Any], lacking: str) -> None:
    planned = plan(egress=HOSTS, **cluster)
    (found,) = planned.findings
    assert found.path == "egress"
    assert lacking in found.got
    assert "names are not enforced" in found.consequence
    assert {each["kind"] for each in planned.objects} & {"ApplicationNetworkPolicy", "CiliumNetworkPolicy"} == set()


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
LAST = st.from_regex(r"[a-z]{2,6}", fullmatch=True)
HOST = st.builds(
    lambda start, labels, last: ".".join([*start, *labels, last]),
    st.sampled_from([[], ["*"]]),
    st.lists(LABEL, min_size=1, max_size=4),
    LAST,
)
# The patterns of the two definitions.
_PART = r"[a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?"
OF_AUTO_MODE = re.compile(rf"(\*\.)?({_PART}\.)+{_PART}\.?")
OF_CILIUM = {"matchName": re.compile(r"([-a-zA-Z0-9_]+[.]?)+"), "matchPattern": re.compile(r"([-a-zA-Z0-9_*]+[.]?)+")}


@given(st.lists(HOST.filter(lambda host: not host.endswith((".svc", ".cluster.local"))), max_size=4, unique=True))
def test_every_host_that_is_accepted_is_one_that_both_definitions_accept(hosts: list[str]) -> None:
    assert parse(GpuEndpointSettings, endpoint(egress=hosts), "llm").egress == tuple(hosts)
    for each in hosts:
        assert OF_AUTO_MODE.fullmatch(each)
    if hosts:
        for rule in plan(egress=hosts, **CILIUM).object("CiliumNetworkPolicy")["spec"]["egress"][1]["toFQDNs"]:
            ((key, value),) = rule.items()
            assert OF_CILIUM[key].fullmatch(value)
            assert ("*" in value) == (key == "matchPattern")


@pytest.mark.parametrize("cluster, kind", [(AUTO_MODE, "ApplicationNetworkPolicy"), (CILIUM, "CiliumNetworkPolicy")])
def test_the_policy_is_one_by_its_definition(cluster: dict[str, Any], kind: str) -> None:
    policy = plan(egress=HOSTS, **cluster).object(kind)
    if (policy["apiVersion"], kind) not in custom():
        pytest.skip(f"the definition of {kind} is not at CRD_DIR")
    assert problems(policy) == []
