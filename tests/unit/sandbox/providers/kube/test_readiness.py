import pytest

from scaletozero.sandbox.providers.kube.manifests import SKIP_AWAIT, WAIT_FOR
from scaletozero.sandbox.providers.kube.readiness import FailedError, missing


def nothing(api_version, kind):
    return []


def condition(type_: str, status: str = "True", **more: str) -> dict:
    return {"type": type_, "status": status, **more}


def deployment(wanted=1, generation=1, **status) -> dict:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "generation": generation},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": "d"}}},
        "status": {"observedGeneration": 1, **status},
    }  # fmt: skip


def test_a_deployment_that_serves():
    live = deployment(2, replicas=2, updatedReplicas=2, availableReplicas=2)
    assert missing({}, live, nothing) == []


def test_a_deployment_that_sleeps_is_ready():
    assert missing({}, deployment(0), nothing) == []


@pytest.mark.parametrize(
    ("live", "line"),
    [
        (deployment(generation=2, replicas=1, updatedReplicas=1, availableReplicas=1), "not seen"),
        (deployment(2, updatedReplicas=1), "1 of 2 pods are made"),
        (deployment(2, updatedReplicas=2, availableReplicas=1), "1 of 2 pods are available"),
        (deployment(1, replicas=2, updatedReplicas=1, availableReplicas=1), "1 pods of the version before"),
        (
            deployment(1, conditions=[condition("ReplicaFailure", message="exceeded quota: gpus")]),
            "0 of 1 pods are made: exceeded quota: gpus",
        ),
    ],
)
def test_a_deployment_that_does_not_serve_yet(live, line):
    (found,) = missing({}, live, nothing)
    assert line in found


def test_why_a_pod_does_not_run():
    pods = [
        {"metadata": {"labels": {"app": "d"}}, "status": {
            "conditions": [condition("PodScheduled", "False", message="0/1 nodes have a GPU")]}},
        {"metadata": {"labels": {"app": "d"}}, "status": {
            "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}},
        {"metadata": {"labels": {"app": "other"}}, "status": {
            "conditions": [condition("PodScheduled", "False", message="of another")]}},
    ]  # fmt: skip
    (line,) = missing({}, deployment(1, updatedReplicas=1), lambda version, kind: pods)
    assert line.endswith("; 0/1 nodes have a GPU; container c: ImagePullBackOff")


def test_a_deployment_that_gave_up():
    gave_up = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="has timed out progressing")
    with pytest.raises(FailedError, match="has timed out progressing"):
        missing({}, deployment(conditions=[gave_up]), nothing)


def test_nobody_waits_where_the_annotation_says_so():
    inputs = {"metadata": {"annotations": {SKIP_AWAIT: "true"}}}
    assert missing(inputs, deployment(2), nothing) == []


def service(**spec) -> dict:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}, **spec}}


def slices(*ready: bool) -> list[dict]:
    labels = {"kubernetes.io/service-name": "s"}
    return [{"metadata": {"labels": labels}, "endpoints": [{"conditions": {"ready": each}} for each in ready]}]


@pytest.mark.parametrize(
    ("live", "found", "ready"),
    [
        (service(), [], False),
        (service(), slices(), True),
        (service(), slices(True), True),
        (service(), slices(True, False), False),
        (service(clusterIP="None"), [], True),
        (service(type="ExternalName"), [], True),
        (service(selector=None), [], True),
        (service(type="LoadBalancer"), slices(True), False),
    ],
)
def test_a_service(live, found, ready):
    assert (missing({}, live, lambda version, kind: found) == []) is ready


def of(kind: str, api_version: str = "v1", spec: dict | None = None, **status) -> dict:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec or {}, "status": status}


@pytest.mark.parametrize(
    ("live", "ready"),
    [
        (of("Pod", phase="Pending"), False),
        (of("Pod", phase="Running", conditions=[condition("Ready")]), True),
        (of("Pod", phase="Succeeded"), True),
        (of("Job", "batch/v1"), False),
        (of("Job", "batch/v1", conditions=[condition("Complete")]), True),
        (of("StatefulSet", "apps/v1", {"replicas": 2}, observedGeneration=1, readyReplicas=1), False),
        (of("StatefulSet", "apps/v1", {"replicas": 1}, observedGeneration=1, readyReplicas=1), True),
        (of("DaemonSet", "apps/v1", observedGeneration=1, desiredNumberScheduled=2, numberAvailable=1), False),
        (of("DaemonSet", "apps/v1", observedGeneration=1), True),
        (of("Ingress", "networking.k8s.io/v1"), False),
        (of("Ingress", "networking.k8s.io/v1", loadBalancer={"ingress": [{"ip": "1.2.3.4"}]}), True),
        (of("PersistentVolumeClaim", phase="Pending"), False),
        (of("PersistentVolumeClaim", phase="Bound"), True),
        (of("CustomResourceDefinition", "apiextensions.k8s.io/v1"), False),
        (of("CustomResourceDefinition", "apiextensions.k8s.io/v1", conditions=[condition("Established")]), True),
        (of("ConfigMap"), True),
        (of("ScaledObject", "keda.sh/v1alpha1"), True),
    ],
)
def test_other_kinds(live, ready):
    assert (missing({}, live, nothing) == []) is ready


def test_a_claim_that_waits_for_its_first_pod_is_ready():
    claim = of("PersistentVolumeClaim", spec={"storageClassName": "late"}, phase="Pending")
    classes = [{"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}]
    assert missing({}, claim, lambda version, kind: classes) == []


@pytest.mark.parametrize(
    "live",
    [
        of("Pod", phase="Failed", message="evicted"),
        of("Job", "batch/v1", conditions=[condition("Failed", message="evicted")]),
        of("CustomResourceDefinition", "apiextensions.k8s.io/v1", conditions=[
            condition("NamesAccepted", "False", message="evicted")]),
    ],
)  # fmt: skip
def test_what_failed_is_not_waited_for(live):
    with pytest.raises(FailedError, match="evicted"):
        missing({}, live, nothing)


@pytest.mark.parametrize(
    ("expression", "ready"),
    [
        ("condition=Ready", True),
        ("condition=Ready=False", False),
        ("condition=Other", False),
        ("jsonpath={.status.phase}=Warm", True),
        ("jsonpath={.status.phase}=Cold", False),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={.status.other}", False),
        ("jsonpath={.status.count}=2", True),
        ('["condition=Ready", "jsonpath={.status.phase}=Warm"]', True),
        ('["condition=Ready", "condition=Other"]', False),
    ],
)
def test_a_custom_resource_is_waited_for_as_its_annotation_says(expression, ready):
    live = of("CapacityBuffer", "autoscaling.x-k8s.io/v1beta1", phase="Warm", count=2, conditions=[condition("Ready")])
    inputs = {"metadata": {"annotations": {WAIT_FOR: expression}}}
    assert (missing(inputs, live, nothing) == []) is ready


@pytest.mark.parametrize("expression", ["ready", "jsonpath=", "[]", "[1]", '{"a": 1}'])
def test_an_annotation_that_can_not_be_read(expression):
    with pytest.raises(ValueError, match="waitFor must be"):
        missing({"metadata": {"annotations": {WAIT_FOR: expression}}}, of("ConfigMap"), nothing)
