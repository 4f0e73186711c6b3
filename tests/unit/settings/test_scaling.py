"""`min`, `buffer`, `max`, and the account's ledger: each limit with one below and one above."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.environment.settings import Environment
from scaletozero.partitions import registry_host
from scaletozero.settings.account import LARGE_REGIONS, default_concurrency
from scaletozero.settings.asynchronous import AsyncEndpointSettings
from scaletozero.settings.instances import has_local_storage, instance_types
from scaletozero.settings.regions import SERVERLESS_REGIONS, regions_of
from scaletozero.settings.scaling import Scaling
from scaletozero.settings.serverless import ServerlessEndpointSettings

REGION = "eu-central-1"
IMAGE = f"111122223333.dkr.ecr.{REGION}.amazonaws.com/serving:1.2.3"
OFFICE = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 4}
TOPIC = f"arn:aws:sns:{REGION}:111122223333:pager"


def scaling(**given_: Any) -> Scaling:
    return parse(Scaling, given_, "scaling")


def refused(model: type, data: object) -> list[Finding]:
    with pytest.raises(FindingsError) as error:
        parse(model, data, "x")
    return list(error.value.findings)


def serverless(**changes: Any) -> dict[str, Any]:
    return {"artifact": "a", "image": IMAGE, "region": REGION, "bucket": "b", **changes}


def asynchronous(**changes: Any) -> dict[str, Any]:
    return {**serverless(), "instance_type": "ml.g5.xlarge", **changes}


def environment(**endpoints: Any) -> dict[str, Any]:
    plain = {"artifact": "a", "image": IMAGE}
    return {"region": REGION, "endpoints": {name: {**plain, **changes} for name, changes in endpoints.items()}}


@pytest.mark.parametrize("value, right", [(-1, False), (0, True), (200, True), (201, False)])
def test_min_is_what_the_service_provisions(value: int, right: bool) -> None:
    if right:
        assert scaling(min=value, max=200).min == value
    else:
        assert refused(Scaling, {"min": value, "max": 200})[0].path == "x.min"


@pytest.mark.parametrize("low, high, right", [(5, 5, True), (6, 5, False), (0, 1, True)])
def test_min_is_at_most_max(low: int, high: int, right: bool) -> None:
    if right:
        assert scaling(min=low, max=high).max == high
    else:
        (found,) = refused(Scaling, {"min": low, "max": high})
        assert (found.path, found.got) == ("x.min", "6")


@pytest.mark.parametrize(
    "given_, target",
    [
        ({}, None),
        ({"min": 1, "max": 10}, 0.5),
        ({"min": 8, "max": 20}, 0.8),
        ({"min": 2, "buffer": 1, "max": 20}, 0.667),
        ({"min": 1, "buffer": 9, "max": 20}, 0.1),
        ({"min": 9, "buffer": 1, "max": 20}, 0.9),
        ({"min": 3, "buffer": 0, "max": 20}, None),
        ({"min": 20, "max": 20}, None),
    ],
)
def test_the_buffer_sets_the_utilisation_that_is_aimed_at(given_: dict[str, Any], target: float | None) -> None:
    assert scaling(**given_).target == target


@pytest.mark.parametrize(
    "given_, fix",
    [
        ({"buffer": 1}, "write `min: 1` or more, or remove `buffer`"),
        ({"min": 2, "buffer": 9, "max": 10}, "write 8 or less, or raise `max`"),
        ({"min": 10, "buffer": 1, "max": 50}, "write 2, or 0 to keep exactly `min` warm"),
        ({"min": 1, "buffer": 10, "max": 50}, "write 9, or 0 to keep exactly `min` warm"),
    ],
)
def test_buffers_that_could_not_be_kept(given_: dict[str, Any], fix: str) -> None:
    (found,) = refused(Scaling, given_)
    assert (found.path, found.fix) == ("x.buffer", fix)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200))
def test_a_buffer_is_kept_or_refused(low: int, buffer: int, high: int) -> None:
    """Whatever passes: with `min` calls under way, what scaling aims at leaves the buffer free, within the ceiling."""
    try:
        one = scaling(min=low, buffer=buffer, max=high)
    except FindingsError:
        return
    assert low + buffer <= high
    assert one.target is not None
    assert 0.1 <= one.target <= 0.9
    assert low / one.target == pytest.approx(low + buffer, rel=0.01)


def test_calls_keep_an_endpoint_warm_in_windows_only() -> None:
    (found,) = refused(ServerlessEndpointSettings, serverless(scaling={"min": 1, "warm_by": "calls"}))
    assert found.path == "x.scaling.min"
    (found,) = refused(ServerlessEndpointSettings, serverless(scaling={"warm_by": "calls"}))
    assert (found.path, found.rule) == ("x.scaling.warm_by", "needs a `schedule`")
    kept = parse(ServerlessEndpointSettings, serverless(scaling={"warm_by": "calls"}, schedule=[OFFICE]), "x")
    assert kept.schedule[0].min == 4


def test_a_schedule_of_provisioned_concurrency_needs_some_at_all_times() -> None:
    (found,) = refused(ServerlessEndpointSettings, serverless(schedule=[OFFICE]))
    assert found.path == "x.schedule"
    assert "warm_by: calls" in found.fix


def test_how_it_is_kept_warm_is_one_of_two_ways() -> None:
    (found,) = refused(Scaling, {"warm_by": "pings"})
    assert (found.path, found.rule) == ("x.warm_by", "must be 'provisioned-concurrency' or 'calls'")


@pytest.mark.parametrize(
    "key, instead",
    [
        ("gpu", "kind: gpu"),
        ("instance_type", "kind: asynchronous"),
        ("vpc", "kind: asynchronous"),
        ("network_isolation", "kind: gpu"),
        ("data_capture", "gateway"),
        ("variants", "gateway"),
    ],
)
def test_what_serverless_cannot_do_is_told_with_what_can(key: str, instead: str) -> None:
    (found,) = refused(ServerlessEndpointSettings, serverless(**{key: "x"}))
    assert found.path == f"x.{key}"
    assert instead in found.fix
    assert "is not a setting" not in found.rule


def test_the_same_is_told_inside_an_environment() -> None:
    (found,) = refused(Environment, environment(e={"vpc": {}}))
    assert (found.path, found.rule) == ("x.endpoints.e.vpc", "is not supported by SageMaker Serverless")
    (found,) = refused(Environment, environment(e={"scaling": {"idle_seconds": 60}}))
    assert "SageMaker Serverless" in found.rule


@pytest.mark.parametrize("name", ["ml.t2.medium", "ml.t2.2xlarge"])
def test_instances_that_do_not_scale(name: str) -> None:
    (found,) = refused(AsyncEndpointSettings, asynchronous(instance_type=name))
    assert (found.path, found.rule) == ("x.instance_type", "must not be burstable")
    # Another type has another price, so none is to be written unread.
    assert "write" not in found.fix


@pytest.mark.parametrize("name", ["ml.trn1.2xlarge", "ml.m5.large"])
def test_instances_that_scale(name: str) -> None:
    assert parse(AsyncEndpointSettings, asynchronous(instance_type=name), "x").instance_type == name


def test_what_asynchronous_endpoints_cannot_do() -> None:
    (found,) = refused(AsyncEndpointSettings, asynchronous(memory_mb=2048))
    assert "instance_type" in found.fix
    (found,) = refused(AsyncEndpointSettings, asynchronous(scaling={"buffer": 1}))
    assert (found.path, "queue" in found.rule) == ("x.scaling.buffer", True)


def test_an_asynchronous_endpoint_with_its_defaults() -> None:
    one = parse(AsyncEndpointSettings, asynchronous(), "x")
    assert (one.scaling.min, one.scaling.max, one.scaling.idle_seconds) == (0, 1, 600)
    assert (one.concurrency, one.backlog) == (1, 5)
    assert parse(AsyncEndpointSettings, asynchronous(concurrency=4), "x").backlog == 20


@pytest.mark.parametrize(
    "path, value, right",
    [
        ("concurrency", 0, False),
        ("concurrency", 1, True),
        ("concurrency", 1000, True),
        ("concurrency", 1001, False),
        ("scaling.min", -1, False),
        ("scaling.min", 1, True),
        ("scaling.min", 2, False),
        ("scaling.max", 0, False),
        ("scaling.max", 100, True),
        ("scaling.max", 101, False),
        ("scaling.idle_seconds", 59, False),
        ("scaling.idle_seconds", 60, True),
        ("scaling.idle_seconds", 86_400, True),
        ("scaling.idle_seconds", 86_401, False),
        ("scaling.backlog", 0, False),
        ("scaling.backlog", 1, True),
        ("scaling.backlog", 10_000, True),
        ("scaling.backlog", 10_001, False),
    ],
)
def test_the_limits_of_an_asynchronous_endpoint(path: str, value: int, right: bool) -> None:
    group, _, key = path.rpartition(".")
    data = asynchronous(**({group: {key: value}} if group else {key: value}))
    if right:
        assert parse(AsyncEndpointSettings, data, "x")
    else:
        (found,) = refused(AsyncEndpointSettings, data)
        assert (found.path, found.got) == (f"x.{path}", str(value))


def test_the_backlog_leaves_no_instance_with_room() -> None:
    (found,) = refused(AsyncEndpointSettings, asynchronous(concurrency=8, scaling={"backlog": 7}))
    assert (found.path, found.got) == ("x.scaling.backlog", "7")


@pytest.mark.parametrize(
    "name, near", [("ml.g5.xlarg", "ml.g5.xlarge"), ("g5.xlarge", "ml.g5.xlarge"), ("ml.zzz.huge", "")]
)
def test_an_instance_type_that_does_not_exist(name: str, near: str) -> None:
    (found,) = refused(AsyncEndpointSettings, asynchronous(instance_type=name))
    assert found.path == "x.instance_type"
    assert near in found.fix


@pytest.mark.parametrize(
    "name, region, near",
    [
        ("ml.g6.xlarge", "eu-west-1", "g5"),
        ("ml.g6e.12xlarge", "eu-west-1", "g5"),
        ("ml.p5.48xlarge", "eu-central-1", "p4d"),
    ],
)
def test_an_instance_type_that_is_not_offered_in_the_region(name: str, region: str, near: str) -> None:
    image = IMAGE.replace(REGION, region)
    (found,) = refused(AsyncEndpointSettings, asynchronous(instance_type=name, region=region, image=image))
    assert found.path == "x.instance_type"
    # The nearest family can cost more: it is named, and not to be written unread.
    assert f"such as {near}" in found.fix
    assert "write" not in found.fix
    data = environment(e={"kind": "asynchronous", "instance_type": name, "image": image}) | {"region": region}
    assert [each.path for each in refused(Environment, data)] == ["x.endpoints.e.instance_type"]


@pytest.mark.parametrize(
    "name, has",
    [
        ("ml.g5.xlarge", True),
        ("ml.p4d.24xlarge", True),
        ("ml.m5d.large", True),
        ("ml.r6gd.large", True),
        ("ml.m5.large", False),
        ("ml.c5.xlarge", False),
        ("ml.p3.2xlarge", False),
        ("ml.inf2.xlarge", False),
    ],
)
def test_which_instances_have_disks_of_their_own(name: str, has: bool) -> None:
    assert name in instance_types()
    assert has_local_storage(name) == has


@pytest.mark.parametrize(
    "vpc, path",
    [
        ({"subnet_ids": [], "security_group_ids": ["sg-0123456789abcdef0"]}, "x.vpc.subnet_ids"),
        ({"subnet_ids": ["subnet-xyz"], "security_group_ids": ["sg-0123456789abcdef0"]}, "x.vpc.subnet_ids.0"),
        ({"subnet_ids": ["subnet-01234567"] * 17, "security_group_ids": ["sg-01234567"]}, "x.vpc.subnet_ids"),
        ({"subnet_ids": ["subnet-01234567"], "security_group_ids": ["sg-01234567"] * 6}, "x.vpc.security_group_ids"),
        ({"subnet_ids": ["subnet-01234567"]}, "x.vpc.security_group_ids"),
    ],
)
def test_networks_that_are_none(vpc: dict[str, Any], path: str) -> None:
    assert [found.path for found in refused(AsyncEndpointSettings, asynchronous(vpc=vpc))] == [path]


@pytest.mark.parametrize(
    "alarms, path",
    [
        ({"error_percent": 0}, "error_percent"),
        ({"error_percent": 100.1}, "error_percent"),
        ({"error_percent": "1"}, "error_percent"),
        ({"p99_ms": 0}, "p99_ms"),
        ({"p99_ms": 3_600_001}, "p99_ms"),
        ({"cold_starts": 0}, "cold_starts"),
        ({"cold_starts": 1_000_001}, "cold_starts"),
        ({"concurrency_percent": 0}, "concurrency_percent"),
        ({"backlog_seconds": 59}, "backlog_seconds"),
        ({"backlog_seconds": 21_601}, "backlog_seconds"),
        ({"notify": ["somebody@example.com"]}, "notify.0"),
        ({"notify": [TOPIC + ".fifo"]}, "notify.0"),
        ({"notify": [TOPIC] * 6}, "notify"),
        ({"notify": [TOPIC.replace(REGION, "us-east-1")]}, "notify.0"),
    ],
)
def test_alarms_that_could_not_ring(alarms: dict[str, Any], path: str) -> None:
    found = refused(ServerlessEndpointSettings, serverless(alarms=alarms))
    assert [each.path for each in found] == [f"x.alarms.{path}"]


@pytest.mark.parametrize(
    "alarms",
    [
        {
            "error_percent": 0.1,
            "p99_ms": 3_600_000,
            "cold_starts": 1,
            "concurrency_percent": 100,
            "backlog_seconds": 60,
        },
        {"error_percent": 100, "cold_starts": 1_000_000, "backlog_seconds": 21_600, "notify": [TOPIC] * 5},
    ],
)
def test_alarms_at_their_limits(alarms: dict[str, Any]) -> None:
    assert parse(ServerlessEndpointSettings, serverless(alarms=alarms), "x").alarms


@pytest.mark.parametrize("region, have", [(REGION, 1000), ("eu-west-3", 500)])
@pytest.mark.parametrize("more", [0, 1])
def test_an_environment_within_the_account_and_one_call_above(region: str, have: int, more: int) -> None:
    assert default_concurrency(region) == have
    image = IMAGE.replace(REGION, region)
    whole, rest = divmod(have, 200)
    each = {f"e{index}": {"image": image, "scaling": {"max": 200}} for index in range(whole - 1)}
    each["last"] = {"image": image, "scaling": {"max": 200}}
    if rest + more:
        each["rest"] = {"image": image, "scaling": {"max": rest + more}}
    data = {**environment(**each), "region": region}
    if not more:
        assert parse(Environment, data, "x")
        return
    (found,) = refused(Environment, data)
    assert found.path == "x.endpoints"
    assert found.got.endswith(f"= {have + 1}")
    assert "new account" in found.fix
    assert parse(Environment, {**data, "quotas": {"concurrency": have + 1}}, "x")


def test_a_new_account_s_quota_counts_for_more_than_the_default() -> None:
    data = environment(a={"scaling": {"max": 7}}, b={"scaling": {"max": 4}}) | {"quotas": {"concurrency": 10}}
    (found,) = refused(Environment, data)
    assert found.got == "a 7 + b 4 = 11"
    assert "the account's" in found.rule


def test_provisioned_concurrency_against_the_account_s() -> None:
    """Scaling can reach `max`; without it, the highest window counts."""
    window = {**OFFICE, "min": 6}
    fixed = {"scaling": {"min": 1, "buffer": 0, "max": 50}, "schedule": [window]}
    scaled = {"scaling": {"min": 2, "max": 30}}
    data = environment(fixed=fixed, scaled=scaled, cold={})
    assert parse(Environment, {**data, "quotas": {"provisioned_concurrency": 36}}, "x")
    (found,) = refused(Environment, {**data, "quotas": {"provisioned_concurrency": 35}})
    assert found.got == "scaled 30 + fixed 6 = 36"


@pytest.mark.parametrize("count, right", [(50, True), (51, False)])
def test_endpoints_of_a_region(count: int, right: bool) -> None:
    data = environment(**{f"e{index}": {"scaling": {"max": 1}} for index in range(count)})
    if right:
        assert parse(Environment, data, "x")
    else:
        assert refused(Environment, data)[0].got == "51"
        assert parse(Environment, {**data, "quotas": {"serverless_endpoints": 51}}, "x")


def test_instances_of_a_type_against_the_account_s() -> None:
    gpu = {"kind": "asynchronous", "instance_type": "ml.g5.xlarge", "scaling": {"max": 2}}
    data = environment(a=gpu, b=gpu)
    assert parse(Environment, data, "x")
    assert parse(Environment, {**data, "quotas": {"instances": {"ml.g5.xlarge": 4}}}, "x")
    (found,) = refused(Environment, {**data, "quotas": {"instances": {"ml.g5.xlarge": 3}}})
    assert found.got == "a 2 + b 2 = 4"
    assert refused(Environment, {**data, "quotas": {"instances": {"ml.g5.huge": 3}}})


def test_quotas_that_are_none() -> None:
    for quotas in ({"concurrency": -1}, {"serverless_endpoints": 1_000_001}, {"concurency": 3}):
        assert refused(Environment, environment(e={}) | {"quotas": quotas})


def test_the_regions_with_more_concurrency_exist() -> None:
    for region in LARGE_REGIONS:
        assert parse(Environment, {"region": region, "endpoints": {}}, "x")


def test_everything_wrong_with_windows_of_an_environment_is_said_with_its_path() -> None:
    wrong = {"scaling": {"min": 4, "max": 10}, "schedule": [OFFICE, {**OFFICE, "min": 11}]}
    paths = [found.path for found in refused(Environment, environment(e=wrong))]
    assert paths == ["x.endpoints.e.schedule.0.min", "x.endpoints.e.schedule.1.min", "x.endpoints.e.schedule.1"]


@pytest.mark.parametrize("kind", ["serverles", "realtime", 3, None])
def test_a_kind_that_does_not_exist(kind: object) -> None:
    (found,) = refused(Environment, environment(e={"kind": kind}))
    assert found.path == "x.endpoints.e.kind"
    assert "serverless" in found.rule


@pytest.mark.parametrize("region", sorted(regions_of("sagemaker")))
def test_a_serverless_endpoint_is_refused_where_the_service_is_not(region: str) -> None:
    image = f"{registry_host('111122223333', region)}/serving:1"
    here = {"region": region, "image": image, "artifact": "a", "bucket": "b"}
    declared = {"region": region, "endpoints": {"e": {"artifact": "a", "image": image}}}
    if region in SERVERLESS_REGIONS:
        assert parse(ServerlessEndpointSettings, here, "x").region == region
        assert parse(Environment, declared, "x").region == region
        return
    (found,) = refused(ServerlessEndpointSettings, here)
    assert (found.path, found.got) == ("x.region", region)
    (found,) = refused(Environment, declared)
    assert (found.path, found.got) == ("x.endpoints.e.kind", region)
    assert "write `kind: asynchronous`" in found.fix


def test_the_regions_of_serverless_endpoints_are_regions_of_the_service() -> None:
    assert set(regions_of("sagemaker")) > SERVERLESS_REGIONS
    # The developer guide names them twice: as the 21 regions of the service, and by their quota of 1000 or 500.
    with_500 = {
        "us-west-1", "af-south-1", "ap-east-1", "ap-south-1", "ap-northeast-3", "ap-northeast-2", "ca-central-1",
        "eu-west-2", "eu-south-1", "eu-west-3", "eu-north-1", "me-south-1", "sa-east-1",
    }  # fmt: skip
    assert len(SERVERLESS_REGIONS) == 21
    assert len(LARGE_REGIONS) == 8
    assert {*LARGE_REGIONS, *with_500} == SERVERLESS_REGIONS


def test_a_number_that_yaml_1_1_would_read_as_a_time_is_no_number() -> None:
    (found,) = refused(
        ServerlessEndpointSettings,
        {"region": REGION, "image": IMAGE, "artifact": "a", "bucket": "b", "memory_mb": "34:08"},
    )
    assert (found.path, found.rule, found.got) == ("x.memory_mb", "must be a whole number", "34:08")
