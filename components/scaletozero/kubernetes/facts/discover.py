"""Reads the facts about a cluster from the cluster itself, for the `cluster` of a declaration."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from model_packaging.findings import refuse
from scaletozero.partitions import EKS_GROUP
from scaletozero.settings.cluster import GPU
from scaletozero.settings.gpu_types import TYPE_LABEL, TYPES

if TYPE_CHECKING:
    from scaletozero.kubernetes.api import KubernetesApi

_TAG = re.compile(r":v?(\d+\.\d+[\w.+-]*)(?:@|$)")
_FAST_IMAGE_PULL = re.compile(r"\bFastImagePull:\s*true\b")
_DURATION = re.compile(r"(\d+)([hms])")
_QUANTITY = re.compile(r"(?P<number>[+-]?[\d.]+)(?:[eE](?P<power>[+-]?\d+)|(?P<unit>[KMGTPE]i|[numkMGTPE]))?")
_POWERS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_EKS = re.compile(r"arn:aws(?:-[a-z]+)*:eks:(?P<region>[a-z0-9-]+):\d{12}:cluster/(?P<name>[A-Za-z0-9_-]+)")
_EKSCTL = re.compile(r"(?P<name>[A-Za-z0-9_-]+)\.(?P<region>[a-z0-9-]+)\.eksctl\.io")
_IMAGES = {"keda": "/keda:", "http_addon": "/http-add-on-interceptor:", "karpenter": "/controller:"}


class Api(Protocol):
    """The requests to a cluster."""

    def version(self) -> tuple[int, int]:
        """Major and minor."""
        ...

    def list(self, api_version: str, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind."""
        ...


def read_cluster(api: Api, name: str, region: str, namespaces: Iterable[str] = ()) -> dict[str, Any]:
    """Reads versions, custom resources, pools, quotas and services of a cluster.

    A pool without a limit of GPUs is omitted, because the cost of an endpoint on it would be unbounded. A pool that is
    paused by a limit of 0 is listed last. The proxies before the cluster (`route`), the networks of S3 and the address
    of Prometheus cannot be read from the cluster.

    Args:
        api: the cluster.
        name: name of the EKS cluster.
        region: its region.
        namespaces: namespaces whose services are read, besides those with a quota of GPUs.
    """
    major, minor = api.version()
    crds = sorted(each["metadata"]["name"] for each in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"))
    deployments = api.list("apps/v1", "Deployment")
    versions = {field: version for field, part in _IMAGES.items() if (version := _version(deployments, part, field))}
    auto = f"nodeclasses.{EKS_GROUP}" in crds and "karpenter" not in versions
    nodes = "auto-mode" if auto else "karpenter" if "karpenter" in versions else "managed"
    cached, parallel = set(), set()
    if "ec2nodeclasses.karpenter.k8s.aws" in crds:
        classes = api.list("karpenter.k8s.aws/v1", "EC2NodeClass")
        cached = {each["metadata"]["name"] for each in classes if _has_snapshot(each["spec"])}
        parallel = {each["metadata"]["name"] for each in classes if _pulls_in_parallel(each["spec"])}
    pools = []
    if "nodepools.karpenter.sh" in crds:
        pools = [pool for each in api.list("karpenter.sh/v1", "NodePool") if (pool := _pool(each, cached, parallel))]
    # A paused pool exists and can be named, but must not be the default pool of an endpoint.
    pools.sort(key=lambda pool: not pool["max_gpus"])
    quota = _quota(api.list("v1", "ResourceQuota"))
    return {
        "name": name,
        "region": region,
        "version": f"{major}.{minor}",
        "nodes": nodes,
        "feature_gates": _feature_gates(deployments),
        **versions,
        "crds": crds,
        "pools": pools,
        "namespaces": sorted(each["metadata"]["name"] for each in api.list("v1", "Namespace")),
        "services": _services(api.list("v1", "Service"), {*quota, *namespaces}),
        "gpu_quota": quota,
    }


def eks_name(cluster: str) -> tuple[str, str] | None:
    """(name, region) of an EKS cluster from its name in a kubeconfig: its ARN, or eksctl's name. None for any other."""
    match = _EKS.fullmatch(cluster) or _EKSCTL.fullmatch(cluster)
    return (match["name"], match["region"]) if match else None


def read_kubeconfig(
    kubeconfig: str | None,
    name: str | None = None,
    region: str | None = None,
    *,
    context: str | None = None,
    namespaces: Iterable[str] = (),
) -> dict[str, Any]:
    """Reads the facts about the cluster that a kubeconfig names.

    Args:
        kubeconfig: the path of the kubeconfig.
        name, region: name and region that the EKS cluster must have. Default: those in the kubeconfig.
        context: a context of the kubeconfig. Default: its current one.
        namespaces: namespaces whose services are read.

    Raises:
        FindingsError: the file does not exist, its cluster does not respond, or it is another cluster.
    """
    from scaletozero.kubernetes.api import ApiError

    api, name, region = open_cluster(kubeconfig, name, region, context=context)
    try:
        return read_cluster(api, name, region, namespaces)
    except ApiError as error:
        raise refuse(
            "KUBECONFIG", "must name a cluster that responds", str(error), "nothing is known", _NAME_ONE
        ) from error


_NAME_ONE = "write the facts about the cluster under `cluster`, or set KUBECONFIG to the file of a running cluster"


def open_cluster(
    kubeconfig: str | None, name: str | None = None, region: str | None = None, *, context: str | None = None
) -> tuple[KubernetesApi, str, str]:
    """Opens the cluster that a kubeconfig names. Returns it with its name and region. No request is sent yet.

    Raises:
        FindingsError: the file does not exist or cannot be read, or it is another cluster.
    """
    from scaletozero.kubernetes.api import ApiError, KubernetesApi

    named = "must name a cluster's kubeconfig file"
    if not kubeconfig or not Path(kubeconfig).expanduser().is_file():
        raise refuse("KUBECONFIG", named, kubeconfig or "nothing", "nothing is known", _NAME_ONE)
    try:
        api = KubernetesApi(kubeconfig, context)
    except ApiError as error:
        raise refuse("KUBECONFIG", named, str(error), "nothing is known", _NAME_ONE) from error
    return api, *_same_cluster(api.cluster, name, region)


def _same_cluster(cluster: str, name: str | None, region: str | None) -> tuple[str, str]:
    found = eks_name(cluster)
    if found is None:
        if name and region:
            return name, region
        raise refuse(
            "KUBECONFIG",
            "must name the cluster by its ARN if name and region are not given",
            cluster or "nothing",
            "the cluster itself does not know its name in EKS",
            "give `--name` and `--region`",
        )
    if (name or found[0], region or found[1]) != found:
        wanted = " in ".join(filter(None, (name, region)))
        raise refuse(
            "KUBECONFIG",
            f"must lead to the cluster {wanted}",
            cluster,
            "everything would be checked against, and deployed to, another cluster",
            "set KUBECONFIG to the right file, or `context` to the right one of its contexts",
        )
    return found


def _images(deployment: Mapping[str, Any]) -> list[str]:
    return [each["image"] for each in deployment["spec"]["template"]["spec"]["containers"]]


def _version(deployments: Iterable[Mapping[str, Any]], part: str, field: str) -> str | None:
    for deployment in deployments:
        if field == "karpenter" and "karpenter" not in deployment["metadata"]["name"]:
            continue
        for image in _images(deployment):
            if part in f"/{image}" and (match := _TAG.search(image)):
                return match[1]
    return None


def _feature_gates(deployments: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        gate.strip()
        for deployment in deployments
        if "karpenter" in deployment["metadata"]["name"]
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for variable in container.get("env", [])
        if variable["name"] == "FEATURE_GATES"
        for gate in variable.get("value", "").split(",")
        if gate.strip()
    ]


def _has_snapshot(spec: Mapping[str, Any]) -> bool:
    return any("snapshotID" in each.get("ebs", {}) for each in spec.get("blockDeviceMappings", []))


def _pulls_in_parallel(spec: Mapping[str, Any]) -> bool:
    given = spec.get("userData", "")
    return "parallel-pull-unpack" in given or bool(_FAST_IMAGE_PULL.search(given))


def _pool(each: Mapping[str, Any], cached: set[str], parallel: set[str]) -> dict[str, Any] | None:
    spec, template = each["spec"], each["spec"]["template"]["spec"]
    wanted = {
        term["key"]: term["values"]
        for term in template["requirements"]
        if term["operator"] == "In" and "values" in term
    }
    types = [name for name in dict.fromkeys(wanted.get(TYPE_LABEL, [])) if name in TYPES]
    limit, static = spec.get("limits", {}).get(GPU), spec.get("replicas")
    if not types or (limit is None and static is None):
        return None
    most = sys.maxsize if static is None else static * max(TYPES[name].gpus for name in types)
    found = {
        "name": each["metadata"]["name"],
        "types": types,
        "max_gpus": most if limit is None else min(_quantity(limit), most),
        "zones": [*dict.fromkeys(wanted.get("topology.kubernetes.io/zone", []))],
        "taints": [
            {field: taint[field] for field in ("key", "value", "effect") if field in taint}
            for taint in template.get("taints", [])
        ],
        "static": static or None,
        "reserved": "reserved" in wanted.get("karpenter.sh/capacity-type", []),
        "termination_grace_seconds": _seconds(template.get("terminationGracePeriod")),
        "idle_seconds": _seconds(spec.get("disruption", {}).get("consolidateAfter")),
        "cached_image": template["nodeClassRef"]["name"] in cached,
        "parallel_pull": template["nodeClassRef"]["name"] in parallel,
    }
    return {key: value for key, value in found.items() if value is not None}


def _seconds(duration: str | None) -> int | None:
    if duration is None or duration == "Never":
        return None
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in _DURATION.findall(duration))


def _quantity(written: str | int) -> int:
    """The whole number of a Kubernetes quantity, such as `8`, `1k` or `1Ki`; GPUs can have no other."""
    match = _QUANTITY.fullmatch(str(written))
    if not match:
        return 0
    unit = match["unit"] or ""
    if unit.endswith("i"):
        factor = Fraction(1024 ** " KMGTPE".index(unit[0]))
    else:
        factor = Fraction(10) ** (int(match["power"]) if match["power"] else _POWERS.get(unit, 0))
    return max(int(Fraction(match["number"]) * factor), 0)


def _quota(quotas: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in quotas:
        hard = each.get("spec", {}).get("hard", {}).get(f"requests.{GPU}")
        if hard is not None:
            namespace, gpus = each["metadata"]["namespace"], _quantity(hard)
            found[namespace] = min(gpus, found.get(namespace, gpus))
    return found


def _services(services: Iterable[Mapping[str, Any]], wanted: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {namespace: [] for namespace in sorted(wanted)}
    for each in services:
        if each["metadata"]["namespace"] in found:
            found[each["metadata"]["namespace"]].append(each["metadata"]["name"])
    return found
