"""A real API server takes the policies by host names, with the definitions' own rules; it enforces none of them."""

import copy
from typing import Any

import pytest
from clusters import accepted
from gpu_declarations import CRDS, plan

from scaletozero.kubernetes.api import ApiError, KubernetesApi
from scaletozero.kubernetes.manifests.hosts import AUTO_MODE_CRD, CILIUM_CRD
from scaletozero.kubernetes.manifests.objects import manifest

HOSTS = ["eu.api.example.com", "*.example.org"]
CLUSTERS: dict[str, dict[str, Any]] = {
    AUTO_MODE_CRD: {"cluster__nodes": "auto-mode", "cluster__crds": [*CRDS, AUTO_MODE_CRD]},
    CILIUM_CRD: {"cluster__crds": [*CRDS, CILIUM_CRD]},
}


@pytest.fixture(params=CLUSTERS)
def policy(request: pytest.FixtureRequest, api: KubernetesApi) -> dict[str, Any]:
    """The policy that a cluster with that definition gets."""
    there = {each["metadata"]["name"] for each in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")}
    if request.param not in there:
        pytest.skip(f"the definition {request.param} is not at CRD_DIR")
    api.apply(manifest("v1", "Namespace", "models", None), force=True)
    planned = plan("hosted", egress=HOSTS, **CLUSTERS[request.param])
    return next(each for each in planned.objects if each["metadata"]["name"] == "hosted-hosts")


def test_it_is_accepted(api: KubernetesApi, policy: dict[str, Any]) -> None:
    accepted(api, [policy])


def test_the_server_is_one_that_refuses(api: KubernetesApi, policy: dict[str, Any]) -> None:
    wrong = copy.deepcopy(policy)
    for rule in wrong["spec"]["egress"]:
        for peer in rule.get("to", []):
            peer["domainNames"] = ["a host.example.com"]
        for peer in rule.get("toFQDNs", []):
            peer["matchName"] = "a host.example.com"
    with pytest.raises(ApiError, match=r"domainNames|matchName"):
        api.apply(wrong, force=True, dry_run=True)
