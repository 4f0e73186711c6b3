"""Every fault that can be declared, one at a time: what is changed, where the finding stands, and what its fix says."""

from typing import Any

from gpu_declarations import FALLBACK, PROMETHEUS, QUERY, WINDOWS

POOL = {"name": "gpu", "types": ["g6.xlarge", "g6e.xlarge"], "max_gpus": 8, "termination_grace_seconds": 1800}
STATIC = {**POOL, "types": ["g6.xlarge"], "static": 2}
GATE: dict[str, Any] = {"cluster__feature_gates": ["StaticCapacity=true"]}
OWN_METRIC = {"kind": "prometheus", "query": "avg(vllm:num_requests_running)", "threshold": 4}
UTILISATION = {"kind": "prometheus", "query": "avg(DCGM_FI_DEV_GPU_UTIL)", "threshold": 80}
HTTP = {"kind": "http"}
ELSEWHERE = {**FALLBACK, "region": "us-east-1"}

Fault = tuple[str, dict[str, Any], str, str]
"""Its name, the changes to a declaration that is right, the finding's path, a part of its fix."""

THIRTEEN: list[Fault] = [
    (
        "1 nothing that exists at zero pods wakes it",
        {"scaling__triggers": [OWN_METRIC], "cluster__prometheus": PROMETHEUS},
        "scaling.triggers",
        "add `{kind: http}`",
    ),
    ("2 cooldown below the cold start", {"scaling__idle_seconds": 416}, "scaling.idle_seconds", "write 420"),
    ("3 held for less than the cold start", {"on_cold__after_seconds": 416}, "on_cold.after_seconds", "write 420"),
    (
        "3 something outside gives up before",
        {"cluster__route": [{"name": "the load balancer", "timeout_seconds": 60}]},
        "cluster.route.0.timeout_seconds",
        "raise the load balancer's timeout to 760",
    ),
    (
        "3 something outside lets a request be held, and not be answered",
        {"cluster__route": [{"name": "the load balancer", "timeout_seconds": 754}]},
        "cluster.route.0.timeout_seconds",
        "raise the load balancer's timeout to 760, or choose `on_cold.action: fallback`",
    ),
    (
        "3 something outside gives up before an awake model has answered",
        {"on_cold__action": "reject", "cluster__route": [{"name": "ALB", "timeout_seconds": 299}]},
        "cluster.route.0.timeout_seconds",
        "raise ALB's timeout to 300, or lower `serving.request_seconds`",
    ),
    (
        "3 something outside gives up before a fallback has answered",
        {
            "on_cold__action": "fallback",
            "on_cold__service": FALLBACK,
            "cluster__route": [{"name": "ALB", "timeout_seconds": 301}],
        },
        "cluster.route.0.timeout_seconds",
        "raise ALB's timeout to 310",
    ),
    (
        "4 startup below weights and engine",
        {"overrides__startup_seconds": 71},
        "overrides.startup_seconds",
        "write 110",
    ),
    ("4 rollout below the start", {"overrides__rollout_seconds": 449}, "overrides.rollout_seconds", "write 450"),
    (
        "4 rollout below the start and the old replica's drain",
        {"scaling__max": 8, "overrides__rollout_seconds": 779},
        "overrides.rollout_seconds",
        "write 780",
    ),
    (
        "4 rollout below the start and the drain of another replica",
        {"scaling__max": 5, "overrides__rollout_seconds": 779},
        "overrides.rollout_seconds",
        "write 780",
    ),
    ("4 Pulumi below the rollout", {"overrides__deploy_seconds": 449}, "overrides.deploy_seconds", "write 570"),
    (
        "4 Pulumi below the rollout of all replicas",
        {"scaling__max": 4, "overrides__deploy_seconds": 1799},
        "overrides.deploy_seconds",
        "write 1920",
    ),
    (
        "5 a window's lead below the cold start",
        {"scaling__lead_seconds": 416, "scaling__max": 2, "schedule": WINDOWS[:1]},
        "scaling.lead_seconds",
        "write 420",
    ),
    (
        "5 windows overlap",
        {
            "scaling__max": 2,
            "schedule": [WINDOWS[0], {**WINDOWS[0], "days": ["fri-sat"], "start": "17:59", "end": "20:00"}],
        },
        "schedule.1",
        "shorten one of them",
    ),
    (
        "5 a window in a time zone that is none",
        {"scaling__max": 2, "schedule": [{**WINDOWS[0], "timezone": "Europe/Berln"}]},
        "schedule.0.timezone",
        "write `Europe/Berlin`",
    ),
    ("5 a window above max", {"schedule": WINDOWS[:1]}, "schedule.0.min", "write 1 or less, or raise `scaling.max`"),
    ("6 more than the pool's limit", {"scaling__max": 9, "cluster__gpu_quota": {}}, "scaling.max", "write `max: 8`"),
    (
        "6 more than a fixed number of nodes has",
        {"scaling__max": 8, "cluster__pools": [{**STATIC, "max_gpus": 16}], **GATE},
        "scaling.max",
        "write `max: 2`, or raise the pool's `static` to 8",
    ),
    (
        "6 a buffer that a fixed number of nodes has no room for",
        {"scaling__max": 2, "scaling__buffer": 2, "cluster__pools": [{**STATIC, "max_gpus": 2}], **GATE},
        "scaling.max",
        "raise the pool's limit to 4",
    ),
    (
        "a fixed number of nodes without Karpenter's feature gate",
        {"cluster__pools": [STATIC]},
        "cluster.feature_gates",
        "turn it on in Karpenter's settings",
    ),
    (
        "6 the buffer does not fit",
        {"scaling__max": 6, "scaling__buffer": 3},
        "scaling.max",
        "write `max: 5`, or raise the pool's limit to 9",
    ),
    (
        "6 more than the quota",
        {"scaling__max": 5, "cluster__gpu_quota": {"models": 4}},
        "scaling.max",
        "write `max: 4`, or raise the quota to 5",
    ),
    ("8 no replicas without metrics", {"scaling__without_metrics": 0}, "scaling.without_metrics", "write 1"),
    (
        "9 a budget that blocks every drain",
        {"placement__min_available": 1},
        "placement.min_available",
        "remove the setting: one pod at a time may be drained",
    ),
    (
        "9 a budget that blocks every drain of several",
        {"placement__min_available": 2, "scaling__min": 2, "scaling__max": 3},
        "placement.min_available",
        "write 1, or remove the setting",
    ),
    (
        "10 a fallback outside the residency",
        {"on_cold__action": "fallback", "on_cold__service": ELSEWHERE},
        "on_cold.service.region",
        "use a fallback in eu-central-1",
    ),
    (
        "10 an image from elsewhere",
        {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/vllm:1"},
        "image",
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com/vllm:1",
    ),
    (
        "10 a zone of another region",
        {"cluster__pools": [{**POOL, "zones": ["us-east-1a"]}]},
        "cluster.pools.0.zones",
        "eu-central-1a",
    ),
    ("10 a cluster outside the residency", {"residency": ["eu-west-1"]}, "cluster.region", ""),
    (
        "10 metrics outside the residency",
        {"cluster__prometheus": {**PROMETHEUS, "amp_region": "us-east-1"}},
        "cluster.prometheus.amp_region",
        "",
    ),
    (
        "11 a GPU's utilisation as a metric",
        {"scaling__triggers": [HTTP, UTILISATION], "cluster__prometheus": PROMETHEUS},
        "scaling.triggers.1.query",
        "sum(vllm:num_requests_waiting)",
    ),
    (
        "12 a longer grace than the node's",
        {"cluster__pools": [{**POOL, "termination_grace_seconds": 300}]},
        "overrides.grace_seconds",
        "raise the pool's `termination_grace_seconds` to 330, or write `serving.request_seconds: 270`",
    ),
    ("12 a shorter grace than the drain", {"overrides__grace_seconds": 315}, "overrides.grace_seconds", "write 330"),
    (
        "13 a picker that lets go too early",
        {"cluster__endpoint_picker_ttl_seconds": 60},
        "cluster.endpoint_picker_ttl_seconds",
        "set the picker's request TTL to 420 s",
    ),
]
"""One or more for each of the thirteen checks, by its number."""

BAD_INPUT: list[Fault] = [
    ("an unknown type", {"gpu__types": ["g6.xlarg"]}, "gpu.types.0", "write `g6.xlarge`"),
    (
        "a type that is not offered there",
        {"gpu__types": ["p5.4xlarge"], "cluster__pools": [{**POOL, "types": ["p5.4xlarge"]}]},
        "gpu.types.0",
        "fitting there: g6.xlarge",
    ),
    ("a type that the pool does not buy", {"gpu__types": ["g6.xlarge", "g6.4xlarge"]}, "gpu.types.1", "g6e.xlarge"),
    (
        "a fallback that is no service",
        {"on_cold__action": "fallback", "on_cold__service": {**FALLBACK, "name": "gatway"}},
        "on_cold.service.name",
        "gateway",
    ),
    ("a fallback without a service", {"on_cold__action": "fallback"}, "on_cold.service", "service: {name"),
    ("a service that is no fallback", {"on_cold__service": FALLBACK}, "on_cold.service", "remove it"),
    ("a hold that is none", {"on_cold__action": "reject", "on_cold__after_seconds": 3}, "on_cold.after_seconds", ""),
    (
        "a toleration that matches nothing",
        {"placement__tolerations": [{"key": "gpu", "value": "yes"}]},
        "placement.tolerations.0",
        "remove it",
    ),
    (
        "a container without a readiness path",
        {"serving": {"engine": "container"}},
        "serving.ready_path",
        "/health",
    ),
    ("min above max", {"scaling__min": 3}, "scaling.min", "write 1, or raise `max` to 3"),
    ("wake above max", {"scaling__wake": 3}, "scaling.wake", "write 1, or raise `max` to 3"),
    ("wake where nothing sleeps", {"scaling__min": 1, "scaling__wake": 1}, "scaling.wake", "remove it"),
    (
        "a window that can come once only",
        {"schedule": [{**{k: v for k, v in WINDOWS[0].items() if k != "days"}, "date": "2027-01-04", "min": 1}]},
        "schedule.0.date",
        "days",
    ),
    ("a namespace that is no label", {"namespace": "My_Models"}, "namespace", "write `my-models`"),
    ("an image without a registry", {"image": "vllm:1"}, "image", "<registry>"),
    ("an image that moves", {"image": "public.ecr.aws/vllm/vllm:latest"}, "image", "public.ecr.aws/vllm/vllm@sha256"),
    ("a port that only root opens", {"serving__port": 80}, "serving.port", "write 8000"),
    ("the whole internet", {"cluster__s3_cidrs": ["0.0.0.0/0"]}, "cluster.s3_cidrs.0", "S3 endpoint"),
    ("half of the internet", {"cluster__s3_cidrs": ["128.0.0.0/1"]}, "cluster.s3_cidrs.0", "S3 endpoint"),
    (
        "a taint that no node can have",
        {"cluster__pools": [{**POOL, "taints": [{"key": "GPU pool/x/y"}]}]},
        "cluster.pools.0.taints.0.key",
        "",
    ),
    ("a network that is none", {"cluster__s3_cidrs": ["10.0.0.1/16"]}, "cluster.s3_cidrs.0", "address of the network"),
    ("no way to S3", {"cluster__s3_cidrs": []}, "cluster.s3_cidrs", "S3 prefix list"),
    ("no bucket", {"bucket": None}, "bucket", "bucket"),
    ("no pool", {"cluster__pools": []}, "cluster.pools", "GpuNodePool"),
    ("a pool that is not there", {"placement__pool": "gpus"}, "placement.pool", "gpu"),
    ("two pools of one name", {"cluster__pools": [POOL, POOL]}, "cluster.pools", ""),
    ("more memory than a node has", {"overrides__memory_gib": 16}, "overrides.memory_gib", "write 12"),
    ("what the kubelet keeps", {"overrides__memory_gib": 14}, "overrides.memory_gib", "write 12"),
    ("all of a node's cores", {"overrides__cpu": 4}, "overrides.cpu", "write 3"),
    (
        "more cores than are left for each GPU's replica",
        {
            "overrides__cpu": 40,
            "gpu__types": ["g6e.12xlarge"],
            "cluster__pools": [{**POOL, "types": ["g6e.12xlarge"]}],
        },
        "overrides.cpu",
        "write 9",
    ),
    ("more shared memory than half", {"overrides__shm_gib": 7}, "overrides.shm_gib", "write 6"),
    ("more cores than a node has", {"overrides__cpu": 5}, "overrides.cpu", "write 3"),
    (
        "on_cold without an interceptor",
        {"on_cold__action": "hold", "scaling__triggers": [QUERY], "scaling__min": 1, "cluster__prometheus": PROMETHEUS},
        "on_cold",
        "kind: http",
    ),
    (
        "a query with nobody to ask",
        {"scaling__triggers": [HTTP, QUERY]},
        "scaling.triggers.1.query",
        "cluster.prometheus",
    ),
    ("two interceptors", {"scaling__triggers": [HTTP, HTTP]}, "scaling.triggers", ""),
    ("a cluster without KEDA", {"cluster__keda": None}, "cluster.keda", "install it"),
    ("a cluster with an old KEDA", {"cluster__keda": "2.16.9"}, "cluster.keda", "upgrade it"),
    ("a cluster without the HTTP add-on", {"cluster__http_addon": None}, "cluster.http_addon", "install it"),
    ("a cluster with an old HTTP add-on", {"cluster__http_addon": "0.13.0"}, "cluster.http_addon", "upgrade it"),
    (
        "an HTTP add-on that cannot reject",
        {"on_cold__action": "reject", "cluster__http_addon": "0.14.9"},
        "cluster.http_addon",
        "upgrade it",
    ),
    ("an old cluster", {"cluster__version": "1.29"}, "cluster.version", "upgrade"),
    (
        "a buffer on a cluster without",
        {"scaling__buffer": 1, "scaling__buffer_by": "buffer", "cluster__karpenter": "1.13.9"},
        "scaling.buffer_by",
        "write `auto`",
    ),
    (
        "a buffer with the gate off",
        {"scaling__buffer": 1, "scaling__buffer_by": "buffer", "cluster__feature_gates": []},
        "scaling.buffer_by",
        "write `auto`",
    ),
    (
        "a static pool that is none",
        {"scaling__buffer": 1, "scaling__buffer_by": "static"},
        "scaling.buffer_by",
        "static: 1",
    ),
    (
        "a group that is none",
        {"scaling__buffer": 1, "scaling__buffer_by": "managed"},
        "scaling.buffer_by",
        "write `auto`",
    ),
    (
        "a group that keeps nothing warm",
        {"scaling__buffer": 1, "cluster__nodes": "managed"},
        "scaling.buffer_by",
        "warm: 1",
    ),
    ("a host twice", {"hosts": ["a.example.com", "a.example.com"]}, "hosts.1", "remove one"),
    ("its own host", {"hosts": ["llm.models"]}, "hosts", "remove it"),
    ("a URL to call", {"egress": ["https://api.example.com/v1"]}, "egress.0", "write `api.example.com`"),
    ("a port to call", {"egress": ["api.example.com:8443"]}, "egress.0", "write `api.example.com`"),
    ("an address to call", {"egress": ["10.0.0.7"]}, "egress.0", "write the name alone"),
    ("a name without a domain to call", {"egress": ["gateway"]}, "egress.0", "write the name alone"),
    ("every host of a domain to call", {"egress": ["*.com"]}, "egress.0", "write the name alone"),
    ("a host in capitals to call", {"egress": ["API.example.com"]}, "egress.0", "write `api.example.com`"),
    ("a service of the cluster to call", {"egress": ["gateway.models.svc"]}, "egress.0", "a NetworkPolicy of its own"),
    ("a host to call twice", {"egress": ["a.example.com", "a.example.com"]}, "egress.1", "remove one"),
    ("a host to call that nothing enforces", {"egress": ["api.example.com"]}, "egress", "install Cilium"),
    ("a type twice", {"gpu__types": ["g6.xlarge", "g6.xlarge"]}, "gpu.types.1", "remove one"),
    (
        "a zone twice",
        {"cluster__pools": [{**POOL, "zones": ["eu-central-1a"] * 2}]},
        "cluster.pools.0.zones.1",
        "remove one",
    ),
    ("an unknown setting", {"scaling__maximum": 3}, "scaling.maximum", "write `max`"),
]
"""Everything else."""
