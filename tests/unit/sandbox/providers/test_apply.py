"""Every row of the table, applied to the embedded AWS: made, read back without drift, changed, taken away."""

import io
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from resource_samples import REGION, ROLE, TARGET, samples

from scaletozero.sandbox.inventory import Inventory
from scaletozero.sandbox.providers.apply import Applier, Incomplete
from scaletozero.sandbox.providers.check import Settings, check
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.diff import changes
from scaletozero.sandbox.providers.leftovers import delete_leftovers
from scaletozero.sandbox.providers.resources import TABLE
from scaletozero.sandbox.providers.table import ResourceType
from scaletozero.sandbox.providers.values import Secret, plain

CASES = [
    pytest.param(row, inputs, change, id=f"{kind.split(':')[-1]}-{number}")
    for kind, row in TABLE.items()
    for number, (inputs, change) in enumerate(samples(kind))
]


@pytest.fixture
def applier(world: Any) -> Applier:
    """An applier, and everything in the embedded AWS that the samples refer to."""
    settings = Settings(region=REGION, default_tags={"owner": "me"})
    world.client("s3").create_bucket(Bucket="there", CreateBucketConfiguration={"LocationConstraint": REGION})
    world.client("s3").put_object(Bucket="there", Key="model.tar.gz", Body=b"x")
    world.client("s3").create_bucket(
        Bucket="access-logs", CreateBucketConfiguration={"LocationConstraint": REGION}, ACL="log-delivery-write"
    )
    return Applier(Clients(world.servers.aws_url, world.servers.credentials), settings, threading.Event())


def zipped(name: str) -> bytes:
    """An archive with one empty file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "")
    return content.getvalue()


def prerequisites(world: Any, row: ResourceType) -> dict[str, str]:
    """What the row's samples refer to."""
    if row.service == "sagemaker" or row.service == "application-autoscaling":
        world.endpoint("there", warm=1)
        world.config("there-2", "there")
    if row.service == "sns":
        world.client("sns").create_topic(Name="there")
    if row.service == "scheduler":
        world.client("scheduler").create_schedule_group(Name="there")
    if row.service == "ecr":
        world.client("ecr").create_repository(repositoryName="there")
    if row.kind.endswith("appautoscaling/policy:Policy") or row.kind.endswith(":ScheduledAction"):
        world.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="sagemaker",
            ResourceId=TARGET["resourceId"],
            ScalableDimension=TARGET["scalableDimension"],
            MinCapacity=1,
            MaxCapacity=5,
        )
    if row.service == "cloudwatch":
        for name in ("one", "two"):
            world.client("cloudwatch").put_metric_alarm(
                AlarmName=name,
                ComparisonOperator="GreaterThanThreshold",
                EvaluationPeriods=1,
                MetricName="M",
                Namespace="N",
                Period=60,
                Statistic="Sum",
                Threshold=1,
            )
    if row.service == "events":
        world.client("events").put_rule(Name="there", ScheduleExpression="rate(5 minutes)")
    if row.kind.endswith((":FunctionEventInvokeConfig", ":FunctionUrl", ":Permission")):
        world.client("lambda").create_function(
            FunctionName="there", Role=ROLE, Runtime="python3.12", Handler="a.b", Code={"ZipFile": zipped("a.py")}
        )
    if row.kind.endswith(":Alias"):
        keys = [world.client("kms").create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
        return {"@key": keys[0], "@other": keys[1]}
    return {}


def checked(row: ResourceType, inputs: dict[str, Any], olds: dict[str, Any], settings: Settings) -> dict[str, Any]:
    found, failures = check(row, inputs, olds, logical="Logical", seed=b"seed", settings=settings)
    assert failures == []
    return found


@pytest.mark.parametrize(("row", "inputs", "change"), CASES)
def test_a_resources_life(
    world: Any, applier: Applier, row: ResourceType, inputs: dict[str, Any], change: dict[str, Any]
) -> None:
    names = prerequisites(world, row)
    inputs = {key: names.get(str(value), value) for key, value in inputs.items()}
    change = {key: names.get(str(value), value) for key, value in change.items()}
    news = checked(row, inputs, {}, applier.settings)
    id_, state = applier.create(row, news)
    assert id_
    for prop, value in news.items():
        assert prop.startswith("__") or state[prop] == value
    assert changes(row, state, news, []) == []
    learnt = {prop for read in row.reads for prop in read.gives} | set(row.outputs)
    if "arn" in learnt:
        assert str(state["arn"]).startswith("arn:aws:")
    if row.id:
        assert id_ == row.id(applier.state(row, plain(news), None))

    found = applier.read(row, id_, state, news)
    assert found is not None
    assert changes(row, found[0], news, []) == [], "what was read differs from what was made"
    assert plain(found[0]) == plain(state)
    if row.tagging:
        assert found[0]["tagsAll"] == {"owner": "me", **inputs.get("tags", {})}

    next_news = checked(row, inputs | change, news, applier.settings)
    differences = changes(row, state, next_news, [])
    assert {d.prop for d in differences} >= set(change)
    if not any(difference.replaces for difference in differences):
        state = applier.update(row, id_, state, next_news, differences)
        assert changes(row, state, next_news, []) == []
        found = applier.read(row, id_, state, next_news)
        assert found is not None
        assert changes(row, found[0], next_news, []) == [], "what was read differs from what was changed"

    if row.from_id(id_) and row.kind != "aws:appautoscaling/target:Target":  # an import names the dimension, too
        assert applier.read(row, id_, {}, {}) is not None

    applier.delete(row, id_, state)
    applier.delete(row, id_, state)
    if not row.kind.endswith(("TopicPolicy", "BucketVersioning")):  # these have no absence, only another value
        assert applier.read(row, id_, state, next_news) is None


def test_a_secret_keeps_its_mark(world: Any, applier: Applier) -> None:
    row = TABLE["aws:cloudwatch/logGroup:LogGroup"]
    news = checked(row, {"name": "n", "tags": {"t": Secret("s")}}, {}, applier.settings)
    id_, state = applier.create(row, news)
    assert state["tags"] == {"t": Secret("s")}
    assert isinstance(state["tagsAll"], Secret)
    found = applier.read(row, id_, state, news)
    assert found is not None
    assert found[0]["tags"] == {"t": Secret("s")}
    assert isinstance(found[0]["tagsAll"], Secret)


def test_an_interrupt_keeps_what_was_made_and_the_next_update_finishes_it(world: Any, applier: Applier) -> None:
    row = TABLE["aws:sagemaker/endpoint:Endpoint"]
    start = world.state / "start"
    world.model("slow", start_when=str(start))
    world.config("slow", "slow")
    news = checked(row, {"name": "e", "endpointConfigName": "slow"}, {}, applier.settings)
    applier.cancelled.set()
    with pytest.raises(Incomplete, match="interrupted while") as caught:
        applier.create(row, news)
    assert caught.value.id == "e"
    applier.cancelled.clear()
    start.touch()
    state = applier.update(row, "e", caught.value.outputs, news, [])
    assert world.client("sagemaker").describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService"
    assert changes(row, state, news, []) == []
    applier.delete(row, "e", state)


def test_a_service_account_has_one_role(world: Any) -> None:
    eks = world.client("eks")
    given = {"clusterName": "prod", "namespace": "models", "serviceAccount": "llm", "roleArn": ROLE}
    made = eks.create_pod_identity_association(**given)["association"]
    with pytest.raises(ClientError, match="ResourceInUseException"):
        eks.create_pod_identity_association(**given)
    eks.create_pod_identity_association(**{**given, "clusterName": "other"})
    eks.create_pod_identity_association(**{**given, "serviceAccount": "other"})
    found = eks.list_pod_identity_associations(clusterName="prod", serviceAccount="llm")["associations"]
    assert [each["associationId"] for each in found] == [made["associationId"]]
    assert len(eks.list_pod_identity_associations(clusterName="prod")["associations"]) == 2
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        eks.describe_pod_identity_association(clusterName="other", associationId=made["associationId"])
    # What the embedded AWS does not answer itself is moto's, as before.
    assert eks.list_clusters()["clusters"] == []


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return Inventory(tmp_path / "deployed" / "dev.jsonl")


def in_state(row: ResourceType, id_: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    """A resource as the engine exports it."""
    return {"type": row.kind, "id": id_, "inputs": plain(inputs), "outputs": plain(outputs)}


@pytest.mark.parametrize(("row", "inputs", "change"), CASES)
def test_what_the_state_does_not_know_is_deleted_and_nothing_else(
    world: Any,
    applier: Applier,
    inventory: Inventory,
    row: ResourceType,
    inputs: dict[str, Any],
    change: dict[str, Any],
) -> None:
    applier.inventory = inventory
    names = prerequisites(world, row)
    inputs, change = ({key: names.get(str(value), value) for key, value in each.items()} for each in (inputs, change))
    news = checked(row, inputs, {}, applier.settings)
    id_, outputs = applier.create(row, news)
    where = world.servers.aws_url, world.servers.credentials, inventory
    (live,) = inventory.live()
    assert (live.kind, live.id) == (row.kind, id_)

    assert delete_leftovers(*where, [in_state(row, id_, news, outputs)]) == []
    next_news = checked(row, inputs | change, news, applier.settings)
    differences = changes(row, outputs, next_news, [])
    if not any(difference.replaces for difference in differences):
        outputs, news = applier.update(row, id_, outputs, next_news, differences), next_news
    assert delete_leftovers(*where, [in_state(row, id_, news, outputs)]) == []
    assert applier.read(row, id_, outputs, news) is not None

    deleted = delete_leftovers(*where, [])
    if "targetKeyId" not in change:  # an alias is found by the key that it had at first
        assert deleted == [f"{row.kind} {id_}"]
    assert inventory.live() == []
    if not row.kind.endswith(("TopicPolicy", "BucketVersioning")):  # these have no absence, only another value
        assert applier.read(row, id_, outputs, news) is None


@pytest.mark.parametrize("row", [pytest.param(row, id=kind) for kind, row in TABLE.items() if row.id is None])
def test_a_resource_whose_id_nobody_heard_is_found(
    world: Any, applier: Applier, inventory: Inventory, row: ResourceType
) -> None:
    sample = samples(row.kind)[0][0]
    tagged = [{"tags": {"stack": f"acme/{stack}"}} if row.tagging else {} for stack in ("dev", "prod")]
    news, other = (checked(row, {**sample, **tags}, {}, applier.settings) for tags in tagged)
    for prop in {"serviceAccount", "layerName"} & set(other):
        other[prop] = "another"
    kept, outputs = applier.create(row, other)
    applier.inventory = inventory
    id_, _ = applier.create(row, news)
    (heard,) = inventory.live()
    inventory.close()
    inventory.begin(replace(heard, id=None))
    deleted = delete_leftovers(world.servers.aws_url, world.servers.credentials, inventory, [])
    assert deleted == [f"{row.kind} {id_}"]
    assert applier.read(row, kept, outputs, other) is not None


OWN = {"managed-by": "scaletozero", "stack": "acme/dev"}
NAMED = [
    (kind, samples(kind)[0][0])
    for kind, row in TABLE.items()
    if row.tagging and row.id and row.naming and row.kind != "aws:s3/bucket:Bucket"
]


@pytest.mark.parametrize(("kind", "sample"), NAMED, ids=[kind for kind, _ in NAMED])
def test_what_an_interrupted_run_created_is_adopted_by_its_name_and_its_tags(
    world: Any, applier: Applier, kind: str, sample: dict[str, Any]
) -> None:
    row = TABLE[kind]
    prerequisites(world, row)
    assert row.naming
    inputs = {**sample, row.naming.prop: sample.get(row.naming.prop, "mine"), "tags": OWN}
    news = checked(row, inputs, {}, applier.settings)
    first = applier.create(row, news)
    changed = checked(row, {**inputs, "tags": {**OWN, "endpoint": "a"}}, {}, applier.settings)
    id_, outputs = applier.create(row, changed)
    assert id_ == first[0]
    assert outputs["tagsAll"] == {"owner": "me", **OWN, "endpoint": "a"}
    assert changes(row, outputs, changed, []) == []


@pytest.mark.parametrize("tags", [{}, {**OWN, "stack": "acme/prod"}, {"stack": "acme/dev"}])
def test_what_belongs_to_somebody_else_is_not_adopted(world: Any, applier: Applier, tags: dict[str, str]) -> None:
    row = TABLE["aws:sagemaker/endpoint:Endpoint"]
    world.endpoint("there")
    inputs = {"name": "theirs", "endpointConfigName": "there"}
    applier.create(row, checked(row, {**inputs, "tags": tags}, {}, applier.settings))
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        applier.create(row, checked(row, {**inputs, "tags": OWN}, {}, applier.settings))
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        applier.create(row, checked(row, inputs, {}, applier.settings))


def test_what_is_adopted_is_changed_to_what_is_declared_even_where_that_takes_a_new_one(
    world: Any, applier: Applier
) -> None:
    world.endpoint("there")
    model = TABLE["aws:sagemaker/model:Model"]
    container = {"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serve:1"}
    for tag in ("1", "2"):
        image = {"image": container["image"].replace(":1", f":{tag}")}
        inputs = {"name": "m", "primaryContainer": image, "executionRoleArn": ROLE, "tags": OWN}
        applier.create(model, checked(model, inputs, {}, applier.settings))
    found = world.client("sagemaker").describe_model(ModelName="m")
    assert found["PrimaryContainer"]["Image"].endswith(":2")
