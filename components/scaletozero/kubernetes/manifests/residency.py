"""Admission policies with which the API server refuses pods that could run outside the allowed Regions.

A policy sees a pod's requirements, not its node: the scheduler does the rest, because nodes have their Region as a
label. Source: Kubernetes documentation, "Validating Admission Policy".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scaletozero.kubernetes.manifests.objects import Manifest, manifest

REGION_LABEL = "topology.kubernetes.io/region"
SCHEDULER = "system:kube-scheduler"
"""The users that may bind pods to nodes, because only they respect the nodes' Regions."""

PARAMETERS = "kube-system"
"""The namespace of the parameters: users of the pods' own namespace may often edit its ConfigMaps."""

_API = "admissionregistration.k8s.io/v1"
_TERMS = (
    "object.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([])"
)
# Terms are alternatives for the scheduler: one without the Region would allow every other Region.
_REQUIRES = (
    f"object.spec.?nodeSelector[?'{REGION_LABEL}'].orValue('') in variables.regions || "
    "(size(variables.terms) > 0 && variables.terms.all(term, term.?matchExpressions.orValue([]).exists(each, "
    f"each.key == '{REGION_LABEL}' && each.operator == 'In' && size(each.?values.orValue([])) > 0 && "
    "each.values.all(value, value in variables.regions))))"
)


def admission_policies(namespace: str, regions: Sequence[str]) -> list[Manifest]:
    """The policies that restrict a namespace to Regions: for pods, debug containers, and bindings to nodes.

    Args:
        namespace: the namespace of the pods.
        regions: the Regions in which they may run.
    """
    name = f"residency-{namespace}"
    data = {"regions": ",".join(regions), "binders": SCHEDULER}
    pods = [_rule("CREATE", "pods"), _rule("UPDATE", "pods/ephemeralcontainers")]
    where = "'this namespace is for nodes in ' + params.data.regions + "
    return [
        manifest("v1", "ConfigMap", name, PARAMETERS, data=data),
        *_policy(
            name,
            name,
            namespace,
            pods,
            [
                {"name": "regions", "expression": "params.data.regions.split(',')"},
                {"name": "terms", "expression": _TERMS},
            ],
            [
                (
                    _REQUIRES,
                    f"{where}': write a required node affinity on {REGION_LABEL} into every term, or a nodeSelector'",
                ),
                (
                    "request.operation != 'CREATE' || object.spec.?nodeName.orValue('') == ''",
                    f"{where}': nodeName bypasses the scheduler; leave it out'",
                ),
            ],
        ),
        *_policy(
            f"{name}-bindings",
            name,
            namespace,
            [_rule("CREATE", "pods/binding"), _rule("CREATE", "bindings")],
            [],
            [
                (
                    "request.userInfo.username in params.data.binders.split(',')",
                    f"{where}': only ' + params.data.binders + ' binds pods to nodes'",
                )
            ],
        ),
    ]


def _rule(operation: str, resource: str) -> dict[str, Any]:
    return {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": [resource]}


def _policy(
    name: str,
    parameters: str,
    namespace: str,
    rules: list[dict[str, Any]],
    variables: list[dict[str, str]],
    validations: list[tuple[str, str]],
) -> list[Manifest]:
    """A policy and its binding. A request that cannot be evaluated is refused."""
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"resourceRules": rules},
        "validations": [
            {"expression": expression, "messageExpression": message, "reason": "Forbidden"}
            for expression, message in validations
        ],
    }
    if variables:
        spec["variables"] = variables
    selected = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {
        "policyName": name,
        "paramRef": {"name": parameters, "namespace": PARAMETERS, "parameterNotFoundAction": "Deny"},
        "matchResources": {"namespaceSelector": selected},
        "validationActions": ["Deny"],
    }
    return [
        manifest(_API, "ValidatingAdmissionPolicy", name, None, spec=spec),
        manifest(_API, "ValidatingAdmissionPolicyBinding", name, None, spec=binding),
    ]
