"""Every rule of a declaration: what is right passes, one step outside is refused, with the words that help."""

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import nearest, parse, show
from scaletozero.environment.settings import Environment
from scaletozero.settings.common import ArtifactStoreSettings
from scaletozero.settings.regions import regions_of
from scaletozero.settings.serverless import ServerlessEndpointSettings, image_repository_arn

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3"
SOLD = (1024, 2048, 3072, 4096, 5120, 6144)
"""MB, as the SageMaker developer guide lists them under Serverless Inference."""


def endpoint(**changes: object) -> dict[str, object]:
    return {"artifact": "a", "image": IMAGE, "region": "eu-central-1", "bucket": "b", **changes}


def environment(**changes: object) -> dict[str, object]:
    return {"region": "eu-central-1", "endpoints": {"e": {"artifact": "a", "image": IMAGE}}, **changes}


def refused(model: type, data: object, path: str = "x") -> list[Finding]:
    with pytest.raises(FindingsError) as error:
        parse(model, data, path)
    return list(error.value.findings)


def only(model: type, data: object, path: str = "x") -> Finding:
    findings = refused(model, data, path)
    assert len(findings) == 1, findings
    return findings[0]


def test_an_endpoint_with_its_defaults() -> None:
    settings = parse(ServerlessEndpointSettings, endpoint())
    assert (settings.memory_mb, settings.scaling.max, settings.tags, settings.kms_key_arn) == (None, 10, {}, None)


@pytest.mark.parametrize("memory", SOLD)
def test_every_size_of_memory_that_is_sold(memory: int) -> None:
    assert parse(ServerlessEndpointSettings, endpoint(memory_mb=memory)).memory_mb == memory


@given(st.integers().filter(lambda value: value not in SOLD))
def test_no_other_size_of_memory(memory: int) -> None:
    found = only(ServerlessEndpointSettings, endpoint(memory_mb=memory))
    assert (found.path, found.got) == ("x.memory_mb", show(memory))
    assert int(found.fix.removeprefix("write ")) in SOLD


def test_memory_1500_is_told_the_next_size() -> None:
    found = only(ServerlessEndpointSettings, endpoint(memory_mb=1500))
    assert (found.got, found.fix) == ("1500", "write 2048")


@pytest.mark.parametrize("value", [1, 200, 20.0])
def test_concurrency_within_the_limits(value: float) -> None:
    assert parse(ServerlessEndpointSettings, endpoint(scaling={"max": value})).scaling.max == int(value)


@pytest.mark.parametrize("value", [0, 201, 500, -1])
def test_concurrency_outside_the_limits(value: int) -> None:
    found = only(ServerlessEndpointSettings, endpoint(scaling={"max": value}))
    assert (found.path, found.rule, found.got) == ("x.scaling.max", "must be from 1 to 200", str(value))


@pytest.mark.parametrize("value", [True, "20", 1.5, None, [1]])
def test_concurrency_that_is_no_whole_number(value: object) -> None:
    found = only(ServerlessEndpointSettings, endpoint(scaling={"max": value}))
    assert (found.path, found.rule) == ("x.scaling.max", "must be a whole number")


def test_idle_seconds_cannot_be_set_and_the_finding_says_why() -> None:
    found = only(ServerlessEndpointSettings, endpoint(scaling={"idle_seconds": 60}))
    assert (found.path, found.got) == ("x.scaling.idle_seconds", "60")
    assert "SageMaker Serverless" in found.rule


@pytest.mark.parametrize("written, meant", [("memory", "memory_mb"), ("regoin", "region"), ("scalling", "scaling")])
def test_an_unknown_key_is_told_the_nearest(written: str, meant: str) -> None:
    found = next(f for f in refused(ServerlessEndpointSettings, endpoint(**{written: 1})) if f.path == f"x.{written}")
    assert found.fix == f"write `{meant}`"


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("us-esat-1", ["us-east-1", "us-west-1", "us-west-2"], "us-east-1"),
        ("us-wast-1", ["us-east-1", "us-west-1"], ""),
        ("us-east-3", ["us-east-1", "us-east-2"], ""),
        ("ca-west", ["ca-west-1"], ""),
        ("ml.t2.medium", ["ml.m5.12xlarge", "ml.m5.xlarge", "ml.c5.xlarge"], ""),
        ("ml.g5.3xlarge", ["ml.g5.2xlarge"], ""),
        ("ml.m5.1xlarge", ["ml.m5.xlarge", "ml.m5.2xlarge", "ml.m5.12xlarge"], ""),
        ("ml.g5.xlagre", ["ml.g5.xlarge", "ml.g4dn.xlarge"], "ml.g5.xlarge"),
        ("maximum", ["min", "max"], "max"),
        ("", ["a", "b"], ""),
    ],
)
def test_a_suggestion_is_a_misspelling_and_no_other_choice(written: str, known: list[str], meant: str) -> None:
    assert nearest(written, known) == meant


@pytest.mark.parametrize("name", ["sentences", "gpu", "serverless"])
def test_the_keys_that_are_listed_are_those_of_the_kind_that_was_written_each_once(name: str) -> None:
    written = {"kind": "asynchronous", "zzzzzz": 1}
    found = refused(Environment, {"region": "us-east-1", "endpoints": {name: written}})
    (fix,) = (each.fix for each in found if each.path.endswith(".zzzzzz"))
    known = fix.removeprefix("remove it; known here: ").split(", ")
    assert "instance_type" in known
    assert not {"memory_mb", "gpu", "on_cold"} & set(known)
    assert len(known) == len(set(known))


def test_an_empty_sandbox_is_refused_and_does_not_mean_an_account() -> None:
    found = only(Environment, environment(sandbox=None))
    assert found.path == "x.sandbox"
    assert "write `sandbox: {}`" in found.fix
    assert parse(Environment, environment(sandbox={})).sandbox
    assert parse(Environment, environment()).sandbox is None


def test_an_unknown_key_that_is_near_nothing_is_told_what_exists() -> None:
    found = only(ServerlessEndpointSettings, endpoint(zzzzzz=1))
    assert "artifact" in found.fix
    assert "memory_mb" in found.fix


@pytest.mark.parametrize(
    ("delays", "path", "rule"),
    [
        ({"instance": {"seconds": -1}}, "instance.seconds", "must be from 0 to 600 seconds"),
        ({"container": {"seconds": 601}}, "container.seconds", "must be from 0 to 600 seconds"),
        ({"container": {"seconds": float("nan")}}, "container.seconds", "must be from 0 to 600 seconds"),
        ({"container": {"seconds": 5, "spread": 2}}, "container.spread", "must be from 0 to 1"),
        ({"container": {}}, "container.seconds", "is required"),
        ({"engine": {"seconds": 5}}, "engine", "is not a setting"),
    ],
)
def test_a_delay_that_is_none_is_refused(delays: dict[str, object], path: str, rule: str) -> None:
    found = only(Environment, environment(sandbox={"delays": delays}))
    assert found.path == f"x.sandbox.delays.{path}"
    assert rule in found.rule


def test_an_unknown_key_inside_a_group_is_told_the_group_s_keys() -> None:
    found = only(Environment, environment(sandbox={"idle_second": 3}))
    assert (found.path, found.fix) == ("x.sandbox.idle_second", "write `idle_seconds`")


@pytest.mark.parametrize("key", ["artifact", "image", "region", "bucket"])
def test_what_is_required(key: str) -> None:
    found = only(ServerlessEndpointSettings, {k: v for k, v in endpoint().items() if k != key})
    assert (found.path, found.rule) == (f"x.{key}", "is required")


def test_everything_wrong_is_said_at_once() -> None:
    found = refused(ServerlessEndpointSettings, {"image": "nginx", "region": "eu-centrl-1", "memory_mb": 1})
    assert {f.path for f in found} == {"x.artifact", "x.bucket", "x.image", "x.region", "x.memory_mb"}


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "docker.io/library/nginx:1",
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving",
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:latest",
        "11112222333.dkr.ecr.eu-central-1.amazonaws.com/serving:1",
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com/Serving:1",
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving@sha256:abc",
        "111122223333.dkr.ecr.eu-central-1.evil.com/serving:1",
    ],
)
def test_images_that_the_service_or_a_rollback_could_not_use(image: str) -> None:
    assert only(ServerlessEndpointSettings, endpoint(image=image)).path == "x.image"


@pytest.mark.parametrize("suffix", [":1.0", "@sha256:" + "a" * 64, ":1.0@sha256:" + "0" * 64])
def test_pinned_images(suffix: str) -> None:
    image = f"111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/serving{suffix}"
    assert parse(ServerlessEndpointSettings, endpoint(image=image)).image == image
    assert image_repository_arn(image) == "arn:aws:ecr:eu-central-1:111122223333:repository/team/serving"


def test_an_image_from_another_region_is_refused_with_the_near_one() -> None:
    found = only(ServerlessEndpointSettings, endpoint(region="us-east-1"))
    assert found.path == "x.image"
    assert "111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:1.2.3" in found.fix


def test_every_endpoint_with_an_image_from_elsewhere_is_named() -> None:
    two = {"endpoints": {name: {"artifact": "a", "image": IMAGE} for name in ("a", "b")}, "region": "us-east-1"}
    assert [f.path for f in refused(Environment, two)] == ["x.endpoints.a.image", "x.endpoints.b.image"]


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a-", "a--b", "1a", "", "a" * 101, "a b"])
def test_names_of_endpoints_that_services_would_refuse(name: str) -> None:
    found = only(Environment, environment(endpoints={name: {"artifact": "a", "image": IMAGE}}))
    assert found.path == f"x.endpoints.{name}"


@pytest.mark.parametrize("region", ["eu-centrl-1", "europe-west1", "", "US-EAST-1", 3])
def test_regions_that_do_not_exist(region: object) -> None:
    assert refused(ArtifactStoreSettings, {"region": region})[0].path == "x.region"


@pytest.mark.parametrize("key", ["alias/mine", "arn:aws:kms:eu-central-1:1:key/x", "1b2c3d4e"])
def test_keys_that_are_no_key_arns(key: str) -> None:
    assert only(ArtifactStoreSettings, {"region": "eu-central-1", "kms_key_arn": key}).path == "x.kms_key_arn"


def test_a_key_of_another_region() -> None:
    key = "arn:aws:kms:us-east-1:111122223333:key/abc"
    assert only(ArtifactStoreSettings, {"region": "eu-central-1", "kms_key_arn": key}).path == "x.kms_key_arn"
    assert only(Environment, environment(artifacts={"kms_key_arn": key})).path == "x.artifacts.kms_key_arn"


@pytest.mark.parametrize(
    "tags", [{"aws:x": "1"}, {"AWS:x": "1"}, {"a#": "1"}, {"": "1"}, {"k" * 129: "v"}, {"k": "v" * 257}]
)
def test_tags_that_aws_refuses(tags: dict[str, str]) -> None:
    assert refused(ArtifactStoreSettings, {"region": "eu-central-1", "tags": tags})


@pytest.mark.parametrize("tags", [{"Stack": "1"}, {"team": "a", "Team": "b"}, {"ENDPOINT": "1"}])
def test_tags_that_differ_by_capitals_only(tags: dict[str, str]) -> None:
    found = only(ArtifactStoreSettings, {"region": "eu-central-1", "tags": tags})
    assert "by more than upper and lower case" in found.rule
    assert "IAM" in found.consequence


def test_more_tags_than_a_resource_takes() -> None:
    tags = {f"k{i}": "v" for i in range(41)}
    assert "40" in only(ArtifactStoreSettings, {"region": "eu-central-1", "tags": tags}).rule
    tags.popitem()
    assert len(parse(ArtifactStoreSettings, {"region": "eu-central-1", "tags": tags}).tags) == 40


@pytest.mark.parametrize("days, right", [(0, False), (1, True), (3650, True), (3651, False)])
def test_how_long_old_versions_may_be_kept(days: int, right: bool) -> None:
    data = {"region": "eu-central-1", "keep_old_versions_days": days}
    if right:
        assert parse(ArtifactStoreSettings, data).keep_old_versions_days == days
    else:
        refused(ArtifactStoreSettings, data)


@pytest.mark.parametrize(
    "key, value",
    [
        ("aws_port", 65536),
        ("runtime_port", -1),
        ("idle_seconds", 0),
        ("idle_seconds", 3601),
        ("speed", 0),
        ("speed", 3601),
    ],
)
def test_what_a_sandbox_cannot_be(key: str, value: int) -> None:
    assert only(Environment, environment(sandbox={key: value})).path == f"x.sandbox.{key}"


@pytest.mark.parametrize("data", [None, 3, "x", [], [{}]])
def test_what_is_no_environment_at_all(data: object) -> None:
    assert refused(Environment, data)


def test_a_group_of_the_wrong_kind() -> None:
    assert only(Environment, environment(endpoints=3)).rule == "must be a mapping of names to values"
    assert only(Environment, environment(sandbox=3)).rule == "must be a mapping of settings"


def test_settings_cannot_be_changed() -> None:
    settings = parse(Environment, environment())
    with pytest.raises(ValueError, match="frozen"):
        settings.region = "us-east-1"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_whatever_is_written_ends_in_settings_or_findings(data: object) -> None:
    try:
        parse(Environment, data, "environment")
    except FindingsError as error:
        assert all(finding.path.startswith("environment") and finding.rule for finding in error.findings)


@pytest.mark.parametrize("service", ["sagemaker", "ec2"])
def test_the_table_of_regions_is_botocore_s(service: str) -> None:
    session = botocore.session.Session()
    theirs = {
        region: partition
        for partition in session.get_available_partitions()
        for region in session.get_available_regions(service, partition)
    }
    assert regions_of(service) == theirs
