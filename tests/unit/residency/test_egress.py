"""Hosts that pods may send to: refused by the constructor of a GPU endpoint that has a residency, unless approved."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from gpu_declarations import CRDS, endpoint
from gpu_environment import environment
from residency_constructors import PROVIDER
from small_checkpoint import small_checkpoint

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero import GpuEndpoint, InferenceGateway
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment
from scaletozero.kubernetes.manifests.hosts import CILIUM_CRD
from scaletozero.partitions import dns_suffix, registry_host
from scaletozero.residency.egress import egress_findings, outside_hosts
from scaletozero.settings.gpu import GpuEndpointSettings

HERE, THERE = "eu-central-1", "us-east-1"
INSIDE = f"sqs.{HERE}.{dns_suffix(HERE)}"
OUTSIDE = f"sqs.{THERE}.{dns_suffix(THERE)}"


@pytest.mark.parametrize(
    "host, where",
    [
        (INSIDE, None),
        (f"*.s3.{HERE}.{dns_suffix(HERE)}", None),
        (OUTSIDE, f"{OUTSIDE} in {THERE}"),
        (f"*.s3.{THERE}.{dns_suffix(THERE)}", f"*.s3.{THERE}.{dns_suffix(THERE)} in {THERE}"),
        ("api.openai.com", "api.openai.com (OpenAI, no guaranteed place: requests are processed anywhere)"),
        ("hooks.example.com", "hooks.example.com, whose location is unknown"),
    ],
)
def test_a_host_is_inside_or_it_is_said_where_it_is(host: str, where: str | None) -> None:
    assert outside_hosts([INSIDE, host], [HERE]) == ({host: where} if where else {})
    assert outside_hosts([host], []) == {}


def test_a_finding_names_the_host_and_what_to_write() -> None:
    hosts = {"egress.0": INSIDE, "egress.1": OUTSIDE, "egress.2": "api.example.com"}
    (found,) = egress_findings(hosts, [HERE], ["api.example.com"])
    assert str(found) == (
        f"egress.1: must stay within the residency, {HERE}, got {OUTSIDE} in {THERE}; what is sent there would leave "
        f"it. Fix: remove it, or write `approved_hosts: [{OUTSIDE}]` if its location or an exception was approved"
    )


def declare(tmp_path: Path, **more: Any) -> None:
    artifact = str(small_checkpoint(tmp_path / "artifact"))
    args: Any = {**endpoint(cluster__crds=[*CRDS, CILIUM_CRD], **more), "artifact": artifact}
    GpuEndpoint("llm", args, pulumi.ResourceOptions(providers=[kubernetes.Provider("cluster", kubeconfig="{}")]))


def test_the_constructor_refuses_before_anything_is_declared(tmp_path: Path, run: Any) -> None:
    def program() -> None:
        with pytest.raises(FindingsError, match=rf"llm\.egress\.0: must stay within the residency, {HERE}"):
            declare(tmp_path, egress=[OUTSIDE], residency=[HERE])

    assert [each.typ for each in run(program).registered if not each.typ.startswith("pulumi:")] == []


@pytest.mark.parametrize("more", [{"approved_hosts": [OUTSIDE], "residency": [HERE]}, {"residency": []}])
def test_one_that_was_approved_is_declared(tmp_path: Path, run: Any, more: dict[str, Any]) -> None:
    done = run(lambda: declare(tmp_path, egress=[OUTSIDE], **more))
    (policy,) = done.of("CiliumNetworkPolicy")
    assert policy.inputs["spec"]["egress"][1]["toFQDNs"] == [{"matchName": OUTSIDE}]


def test_only_hosts_of_egress_can_be_approved() -> None:
    with pytest.raises(FindingsError, match=r"approved_hosts\.0: must be a host of `egress`, got a\.example\.com"):
        parse(GpuEndpointSettings, endpoint(egress=[OUTSIDE], approved_hosts=["a.example.com"]), "llm")


def test_an_exception_of_the_environment_reaches_the_constructor(tmp_path: Path, run: Any) -> None:
    excepted = {
        "allow": "endpoints.llm.egress.0",
        "reason": "the queue moves next month",
        "approver": "data protection officer",
        "expires": "2099-12-31",
    }
    residency: dict[str, Any] = {"regions": [HERE]}
    image = f"{registry_host('111122223333', HERE)}/vllm:v0.11.0"
    changes: dict[str, Any] = {
        "llm__image": image,
        "llm__egress": [OUTSIDE],
        "cluster__crds": [*CRDS, CILIUM_CRD],
    }
    artifact = small_checkpoint(tmp_path / "artifact")
    with pytest.raises(FindingsError, match=r"environment\.endpoints\.llm\.egress\.0"):
        read_environment(environment(artifact, **changes, residency=residency), tmp_path)
    found = read_environment(
        environment(artifact, **changes, residency={**residency, "exceptions": [excepted]}), tmp_path
    )
    done = run(lambda: declare_environment(found, tmp_path))
    assert len(done.of("CiliumNetworkPolicy")) == 1


def gateway(**more: Any) -> InferenceGateway:
    args: Any = {"region": HERE, "residency": [HERE], "models": {"chat": {"provider": PROVIDER}}, **more}
    return InferenceGateway("door", args)


def test_a_gateway_refuses_providers_outside_before_anything_is_declared(run: Any) -> None:
    def program() -> None:
        with pytest.raises(
            FindingsError, match=rf"^door\.models\.chat\.provider\.base_url: must stay within .*, {HERE}"
        ):
            gateway()

    assert [each.typ for each in run(program).registered if not each.typ.startswith("pulumi:")] == []


def test_a_gateway_sends_to_a_provider_that_was_approved(run: Any) -> None:
    done = run(lambda: gateway(approved_hosts=["api.openai.com"]))
    assert len(done.of("lambda/function:Function")) == 1


def test_only_hosts_of_providers_can_be_approved() -> None:
    with pytest.raises(
        FindingsError,
        match=r"approved_hosts\.0: must be the host of a provider's `base_url` or of a `url`, got a\.b\.c",
    ):
        gateway(approved_hosts=["a.b.c"])
