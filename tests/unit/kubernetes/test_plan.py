"""What follows from a declaration: exact objects for each mode, exact seconds, and what is said of it."""

import re
from dataclasses import replace
from typing import Any

import promql_parser
import pytest
from gpu_declarations import AMP, FALLBACK, MODEL, PROMETHEUS, QUERY, WINDOWS, endpoint, plan

from model_packaging.findings import FindingsError
from model_packaging.validation import LATER, parse
from scaletozero.kubernetes.manifests.identity import role_policy, trust_policy
from scaletozero.kubernetes.model import places
from scaletozero.kubernetes.plan import plan_gpu_endpoint
from scaletozero.kubernetes.table import rows, text
from scaletozero.settings.cluster import numbers
from scaletozero.settings.gpu import GpuEndpointSettings


def scaling(**changes: Any) -> dict[str, Any]:
    return plan(**changes).object("ScaledObject")["spec"]


def route(**changes: Any) -> dict[str, Any]:
    return plan(**changes).object("InterceptorRoute")["spec"]


def container(**changes: Any) -> dict[str, Any]:
    return plan(**changes).object("Deployment")["spec"]["template"]["spec"]["containers"][0]


def test_the_cold_start_is_the_sum_of_its_phases() -> None:
    cold = plan().derived.cold
    assert [(phase.name, phase.seconds) for phase in cold.phases] == [
        ("node", 90),
        ("pull", 250),
        ("weights", 12),
        ("engine", 60),
        ("poll", 5),
    ]
    assert (cold.total(), cold.total("node"), cold.total("image")) == (417, 327, 77)


def test_measured_phases_take_the_place_of_the_defaults() -> None:
    cold = plan(cold_start={"node": 40, "pull": 0, "weights": 7, "engine": 21}).derived.cold
    assert cold.total() == 73
    assert {phase.source for phase in cold.phases} == {"given", "default"}


def test_an_image_on_the_nodes_disk_is_not_pulled_and_a_static_node_not_waited_for() -> None:
    pool = {"name": "gpu", "types": ["g6.xlarge"], "max_gpus": 8, "cached_image": True, "static": 2}
    cold = plan(cluster__pools=[pool]).derived.cold
    assert (cold.node.seconds, cold.pull.seconds) == (0, 0)


def test_every_deadline_outlasts_what_happens_inside_it() -> None:
    derived = plan(scaling__max=2, schedule=WINDOWS[:1]).derived
    deadlines, cold = derived.deadlines, derived.cold
    assert deadlines.startup == 110
    assert deadlines.rollout == 450
    assert deadlines.deploy == 2 * 450 + 120
    assert deadlines.hold == 455
    assert deadlines.idle == 420
    assert deadlines.lead == 420
    assert (deadlines.drain, deadlines.grace) == (315, 330)
    assert deadlines.startup >= cold.loading
    assert deadlines.deploy > deadlines.rollout >= cold.node.seconds + cold.pull.seconds + deadlines.startup
    spec = plan().object("Deployment")["spec"]
    assert spec["progressDeadlineSeconds"] == 450
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 330
    assert container()["startupProbe"]["failureThreshold"] * container()["startupProbe"]["periodSeconds"] == 110


def test_pulumi_waits_for_as_many_replicas_as_keda_may_have_brought() -> None:
    """They are replaced one after the other."""
    assert [plan(scaling__max=most).derived.deadlines.deploy for most in (1, 4)] == [570, 4 * 450 + 120]


def test_without_room_for_both_a_replica_starts_once_the_old_one_has_drained() -> None:
    planned = plan(scaling__max=8)
    assert not planned.derived.surge
    deadlines = planned.derived.deadlines
    assert deadlines.rollout == 330 + 450
    assert deadlines.hold == 330 + 455, "requests are held meanwhile"
    assert deadlines.deploy == 8 * deadlines.rollout + 120
    assert planned.object("Deployment")["spec"]["progressDeadlineSeconds"] == deadlines.rollout
    longer = plan(scaling__max=8, overrides__grace_seconds=500).derived.deadlines
    assert longer.rollout == 500 + 450


@pytest.mark.parametrize("quota, waits", [(3, True), (4, False)])
def test_with_room_for_one_more_the_second_new_replica_may_wait_until_the_first_old_one_has_drained(
    quota: int, waits: bool
) -> None:
    planned = plan(scaling__max=2, cluster__gpu_quota={"models": quota})
    assert planned.derived.surge
    assert planned.object("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 1
    deadlines = planned.derived.deadlines
    assert deadlines.rollout == (330 + 450 if waits else 450)
    assert deadlines.deploy == 2 * deadlines.rollout + 120
    assert deadlines.hold == 455, "a replica is ready meanwhile"


def test_one_replica_with_room_for_another_waits_for_nothing() -> None:
    derived = plan(scaling__max=1, cluster__gpu_quota={"models": 2}).derived
    assert (derived.surge, derived.waits, derived.deadlines.rollout) == (True, False, 450)


def test_asleep_it_wakes_to_one_or_to_as_many_as_were_written() -> None:
    assert plan().object("Deployment")["spec"]["replicas"] == 0
    spec = scaling(scaling__max=4, scaling__wake=2)
    assert (spec["idleReplicaCount"], spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 2, 4)
    assert (spec["cooldownPeriod"], spec["initialCooldownPeriod"]) == (420, 420)
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    scaler = "keda-add-ons-http-external-scaler.keda:9090"
    assert spec["triggers"] == [
        {"type": "external-push", "metadata": {"scalerAddress": scaler, "interceptorRoute": "llm"}}
    ]


def test_nothing_that_keda_would_write_back_otherwise() -> None:
    """It leaves out what is false when it writes the object, and the next run would change it again."""

    def leaves(value: Any) -> list[Any]:
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [value, *(each for child in children for each in leaves(child))]

    spec = scaling(scaling__max=2, schedule=WINDOWS[:1], cluster__prometheus=AMP)
    assert not [each for each in leaves(spec) if each is False or each in ("", [], {})]


def test_warm_it_never_sleeps() -> None:
    spec = scaling(scaling__min=2, scaling__max=4)
    assert "idleReplicaCount" not in spec
    assert (spec["minReplicaCount"], spec["fallback"]["replicas"]) == (2, 2)
    assert plan(scaling__min=2, scaling__max=4).object("Deployment")["spec"]["replicas"] == 2


def test_a_schedule_is_started_early_by_the_cold_start() -> None:
    (_, cron) = scaling(scaling__max=2, schedule=WINDOWS[:1])["triggers"]
    assert cron["metadata"] == {
        "timezone": "Europe/Berlin",
        "start": "53 7 * * 1,2,3,4,5",
        "end": "0 18 * * 1,2,3,4,5",
        "desiredReplicas": "2",
    }


def test_metrics_that_are_signed_and_such_that_are_not() -> None:
    own = scaling(scaling__triggers=[{"kind": "http"}, QUERY], cluster__prometheus=PROMETHEUS)["triggers"][1]
    assert own == {
        "type": "prometheus",
        "metadata": {
            "serverAddress": PROMETHEUS["address"],
            "query": QUERY["query"],
            "threshold": "4",
            "activationThreshold": "0",
        },
    }
    signed = plan(scaling__triggers=[{"kind": "http"}, QUERY], cluster__prometheus=AMP)
    assert signed.object("TriggerAuthentication")["spec"] == {"podIdentity": {"provider": "aws"}}
    trigger = signed.object("ScaledObject")["spec"]["triggers"][1]
    assert trigger["authenticationRef"] == {"name": "llm"}
    assert trigger["metadata"]["awsRegion"] == "eu-central-1"


def test_a_request_to_a_sleeping_endpoint_is_held() -> None:
    spec = route()
    assert spec["timeouts"] == {"readiness": "455s", "responseHeader": "300s"}
    assert "coldStart" not in spec


def test_or_answered_by_a_fallback_after_two_seconds() -> None:
    spec = route(on_cold__action="fallback", on_cold__service=FALLBACK)
    assert spec["timeouts"]["readiness"] == "2s"
    assert spec["coldStart"] == {"fallback": {"service": {"name": "gateway", "port": 80}}}


def test_or_rejected_with_the_time_to_come_back() -> None:
    spec = route(on_cold__action="reject")
    assert "readiness" not in spec["timeouts"]
    response = spec["coldStart"]["placeholder"]["response"]
    assert (response["statusCode"], response["headers"]["Retry-After"]) == (503, "417")


def test_a_request_that_was_rejected_is_remembered_until_it_has_woken_the_endpoint() -> None:
    assert route(on_cold__action="reject")["scalingMetric"] == {
        "concurrency": {"targetValue": 32},
        "requestRate": {"targetValue": 2**31 - 1},
    }
    assert route()["scalingMetric"] == {"concurrency": {"targetValue": 32}}


def test_only_who_rejects_needs_the_add_on_that_can() -> None:
    assert plan(cluster__http_addon="0.14.0").findings == ()


def test_vllm_streams_the_artifact_from_its_prefix() -> None:
    found = container(serving__max_length=4096)
    assert found["command"] == ["vllm", "serve"]
    assert found["args"] == [
        f"s3://acme-models/models/prod/models/llm/{'a' * 64}",
        "--load-format=runai_streamer",
        '--model-loader-extra-config={"concurrency":32,"memory_limit":2147483648}',
        "--served-model-name=llm",
        "--port=8000",
        "--tensor-parallel-size=1",
        "--max-model-len=4096",
    ]
    environment = {each["name"]: each["value"] for each in found["env"]}
    writable = [mount["mountPath"] for mount in found["volumeMounts"]]
    for name in (
        "HOME",
        "HF_HOME",
        "VLLM_CACHE_ROOT",
        "TORCHINDUCTOR_CACHE_DIR",
        "TRITON_CACHE_DIR",
        "NUMBA_CACHE_DIR",
    ):
        assert any(environment[name].startswith(path) for path in writable)


def test_a_bucket_that_is_not_known_yet_leaves_its_place() -> None:
    settings = parse(GpuEndpointSettings, endpoint(bucket=LATER), "llm")
    planned = plan_gpu_endpoint("llm", settings, MODEL)
    spec = planned.object("Deployment")["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"][0] == f"s3://${{bucket}}/models/prod/models/llm/{'a' * 64}"
    assert planned.findings == ()


def test_what_an_engine_compiles_is_kept_for_one_image_and_one_model() -> None:
    planned = plan(serving__compile_cache="efs")
    claim = planned.object("PersistentVolumeClaim")["spec"]
    assert (claim["storageClassName"], claim["accessModes"]) == ("efs", ["ReadWriteMany"])

    def root(**changes: Any) -> str:
        return next(each["value"] for each in container(**changes)["env"] if each["name"] == "VLLM_CACHE_ROOT")

    other = replace(MODEL, digest="c" * 64)
    roots = {
        root(serving__compile_cache="efs"),
        root(serving__compile_cache="efs", image="public.ecr.aws/vllm/vllm:v0.11.1"),
        next(
            each["value"]
            for each in plan(model=other).object("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
            if each["name"] == "VLLM_CACHE_ROOT"
        ),
    }
    assert len(roots) == 3
    assert all(each.startswith("/cache/compiled/") for each in roots)


def test_a_container_serves_by_itself() -> None:
    found = container(serving={"engine": "container", "ready_path": "/ready", "arguments": ["--fast"]})
    assert "command" not in found
    assert found["args"] == ["--fast"]
    assert found["lifecycle"]["preStop"] == {"sleep": {"seconds": 315}}
    assert {"name": "MODEL_URI", "value": f"s3://acme-models/models/prod/models/llm/{'a' * 64}"} in found["env"]


def test_types_are_the_cheapest_of_the_pool_that_fit_unless_they_are_written() -> None:
    assert [each.name for each in plan().derived.types] == ["g6.xlarge", "g6e.xlarge"]
    large = replace(MODEL, weights_bytes=30 * 10**9)
    assert [each.name for each in plan(model=large).derived.types] == ["g6e.xlarge"]
    written = plan(gpu__types=["g6e.xlarge", "g6.xlarge"])
    affinity = written.object("Deployment")["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [(each["weight"], each["preference"]["matchExpressions"][0]["values"]) for each in preferred] == [
        (100, ["g6e.xlarge"]),
        (90, ["g6.xlarge"]),
    ]


def test_a_model_takes_as_few_gpus_as_hold_it() -> None:
    pool = {"name": "gpu", "types": ["g6e.xlarge", "g6e.12xlarge"], "max_gpus": 8}
    model = replace(MODEL, weights_bytes=60 * 10**9)
    planned = plan(model=model, cluster__pools=[pool])
    assert planned.findings == ()
    assert planned.derived.gpus == 2
    assert [each.name for each in planned.derived.types] == ["g6e.12xlarge"]
    spec = planned.object("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert spec["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert "--tensor-parallel-size=2" in spec["args"]


def test_a_rollout_surges_where_pool_and_quota_have_room() -> None:
    planned = plan()
    strategy = planned.object("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}
    assert planned.notes == ()


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"scaling__max": 8}, "a moment with no replica ready: requests are held"),
        ({"scaling__max": 8, "scaling__min": 2}, "one by one"),
        ({"scaling__max": 2, "cluster__gpu_quota": {"models": 2}}, "a moment with no replica ready"),
    ],
)
def test_and_says_so_where_it_cannot(changes: dict[str, Any], said: str) -> None:
    planned = plan(**changes)
    strategy = planned.object("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 0, "maxUnavailable": 1}
    (note,) = planned.notes
    assert said in note
    assert planned.findings == ()


def test_the_network_is_closed_but_for_what_is_needed() -> None:
    spec = plan().object("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    sources = [rule["from"][0]["namespaceSelector"]["matchLabels"] for rule in spec["ingress"]]
    assert sources == [{"kubernetes.io/metadata.name": name} for name in ("keda", "monitoring")]
    open_to = [[each.get("ipBlock", {}).get("cidr") for each in rule["to"]] for rule in spec["egress"]]
    assert open_to == [[None, "169.254.20.10/32"], ["10.0.0.0/16"], ["169.254.170.23/32"]]


def test_without_monitoring_and_bucket_it_is_closed_further() -> None:
    serving = {"engine": "container", "ready_path": "/ready"}
    planned = plan(overrides__monitoring=False, bucket=None, serving=serving)
    spec = planned.object("NetworkPolicy")["spec"]
    assert (len(spec["ingress"]), len(spec["egress"])) == (1, 1)
    assert planned.trust is None
    assert planned.findings == ()


def test_a_role_is_for_one_account_of_one_cluster_and_reads_one_prefix() -> None:
    settings = parse(GpuEndpointSettings, endpoint(), "llm")
    (statement,) = trust_policy("llm", settings)["Statement"]
    assert statement["Condition"]["StringEquals"] == {
        "aws:RequestTag/eks-cluster-name": "prod",
        "aws:RequestTag/kubernetes-namespace": "models",
        "aws:RequestTag/kubernetes-service-account": "llm",
    }
    read, listing = role_policy("acme-models", places("llm", settings), "eu-central-1")["Statement"]
    # Replicas with the model before start too, until all are replaced.
    assert read["Resource"] == "arn:aws:s3:::acme-models/models/prod/models/llm/*"
    assert (read["Action"], listing["Action"]) == ("s3:GetObject", "s3:ListBucket")
    assert "*" not in {read["Resource"], listing["Resource"]}


def test_alerts_know_their_own_endpoint_only() -> None:
    rules = plan().object("PrometheusRule")["spec"]["groups"][0]["rules"]
    assert [each["alert"] for each in rules] == ["GpuPodPending", "RequestsHeldTooLong", "KvCacheNearlyFull"]
    assert all("llm" in each["expr"] and "models" in each["expr"] for each in rules)
    for each in rules:
        promql_parser.parse(each["expr"])


def test_an_objective_for_cold_starts_is_recorded_and_held() -> None:
    _, group = plan(on_cold__objective_seconds=600).object("PrometheusRule")["spec"]["groups"]
    recorded, alert = group["rules"]
    assert recorded["record"] == "scaletozero:start_seconds"
    assert recorded["labels"] == {"endpoint": "llm"}
    assert alert["alert"] == "ColdStartsTooSlow"
    assert alert["expr"].endswith(" > 600")
    for each in group["rules"]:
        promql_parser.parse(each["expr"])
        assert "llm" in each["expr"]


def test_an_objective_without_monitoring_is_refused() -> None:
    with pytest.raises(FindingsError, match=r"on_cold.objective_seconds: needs `overrides.monitoring`"):
        plan(on_cold__objective_seconds=600, overrides__monitoring=False)


def test_no_alert_waits_for_held_requests_where_none_is_held() -> None:
    rules = plan(on_cold__action="reject").object("PrometheusRule")["spec"]["groups"][0]["rules"]
    assert [each["alert"] for each in rules] == ["GpuPodPending", "KvCacheNearlyFull"]


@pytest.mark.parametrize("name", ["llm", "a" * 47, "a" * 58])
def test_alerts_know_its_pods_however_long_its_name_is(name: str) -> None:
    """Of a name of 47 characters and more Kubernetes cuts a pod's own: the ReplicaSet's is whole."""
    pending, _, cache = plan(name).object("PrometheusRule")["spec"]["groups"][0]["rules"]
    for rule in (pending, cache):
        assert "pod=~" not in rule["expr"]
        (matcher,) = re.findall(r'created_by_name=~"([^"]+)"', rule["expr"])
        assert re.fullmatch(matcher, f"{name}-7c9f8b6d54")
        assert not re.fullmatch(matcher, f"{name}-warm-7c9f8b6d54")


@pytest.mark.parametrize(
    "value, written",
    [(4, "4"), (0.5, "0.5"), (1_234_567, "1234567"), (1_234_567.891, "1234567.891"), (1e-7, "0.0000001"), (100, "100")],
)
def test_a_threshold_keeps_all_its_digits(value: float, written: str) -> None:
    query = {**QUERY, "threshold": value, "activation": value}
    metadata = scaling(scaling__triggers=[query], cluster__prometheus=PROMETHEUS)["triggers"][0]["metadata"]
    assert (metadata["threshold"], metadata["activationThreshold"]) == (written, written)


def test_the_table_has_every_phase_and_every_deadline() -> None:
    hop = {"name": "load balancer", "timeout_seconds": 900}
    declared = endpoint(scaling={"max": 2, "buffer": 1}, schedule=WINDOWS[:1], cluster__route=[hop])
    settings = parse(GpuEndpointSettings, declared, "llm")
    planned = plan(scaling={"max": 2, "buffer": 1}, schedule=WINDOWS[:1], cluster__route=[hop])
    seconds = {name: value for name, value, _ in rows(planned, settings)}
    assert seconds["cold start"] == 417
    assert seconds["cold start, node warm"] == 327
    assert seconds["load balancer"] == 900
    assert {"node", "pull", "weights", "engine", "held", "startup probe", "rollout", "pulumi", "idle"} <= set(seconds)
    assert "warm nodes by buffer" in text(planned, settings)


@pytest.mark.parametrize(
    "version, expected", [("1.34", (1, 34, 0)), ("v2.20.2", (2, 20, 2)), ("1.34.1-eks-9", (1, 34, 1))]
)
def test_versions(version: str, expected: tuple[int, ...]) -> None:
    assert numbers(version) == expected
