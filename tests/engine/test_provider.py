"""The unmodified engine applies programs to the embedded AWS through the sandbox's plugin."""

import asyncio
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import fake_containers
import pulumi
import pulumi_aws as aws
import pytest
from clusters import eventually
from pulumi import automation as auto
from pulumi.automation.errors import CommandError

from scaletozero.engine.find import find_engine
from scaletozero.sandbox.aws.server import Servers
from scaletozero.sandbox.inline import inline
from scaletozero.sandbox.inventory import VARIABLE, Inventory
from scaletozero.sandbox.providers.install import install_plugins
from scaletozero.sandbox.providers.leftovers import delete_leftovers

REGION = "eu-central-1"
IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/serve:1"


def archive(folder: Path, **behaviour: Any) -> Path:
    """The file of an artifact for the container in fake_container.py."""
    path = folder / f"{behaviour['version']}.tar.gz"
    path.write_bytes(fake_containers.archive(**behaviour))
    return path


@dataclass
class World:
    """One embedded AWS and one stack; `settings` is what the program reads."""

    folder: Path
    servers: Servers
    settings: dict[str, Any] = field(default_factory=dict)

    def stack(self, program: Callable[[], Any], **config: str) -> auto.Stack:
        home, work, backend = (self.folder / name for name in ("home", "work", "backend"))
        for path in (work, backend):
            path.mkdir(exist_ok=True)
        install_plugins(home)
        environment = {
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_HOME": str(home),
            VARIABLE: str(self.folder / "deployed" / "dev.jsonl"),
            "AWS_ENDPOINT_URL": self.servers.aws_url,
            "AWS_ACCESS_KEY_ID": self.servers.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.servers.credentials.secret_key,
        }
        options = auto.LocalWorkspaceOptions(
            work_dir=str(work), pulumi_home=str(home), env_vars=environment, pulumi_command=find_engine()
        )
        stack = auto.create_or_select_stack("dev", "sandbox", program=inline(program), opts=options)
        for key, value in ({"aws:region": REGION} | config).items():
            if value:
                stack.set_config(key, auto.ConfigValue(value))
        return stack

    def client(self, service: str) -> Any:
        url = self.servers.runtime_url if service == "sagemaker-runtime" else self.servers.aws_url
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=self.servers.credentials.access_key,
            aws_secret_access_key=self.servers.credentials.secret_key,
        )

    def version(self) -> int:
        answer = self.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="sentences", Body=b"{}", ContentType="application/json"
        )
        return json.load(answer["Body"])["version"]

    def left(self) -> dict[str, list[Any]]:
        """Everything in the embedded AWS."""
        sagemaker = self.client("sagemaker")
        return {
            "buckets": self.client("s3").list_buckets()["Buckets"],
            "models": sagemaker.list_models()["Models"],
            "configs": sagemaker.list_endpoint_configs()["EndpointConfigs"],
            "endpoints": sagemaker.list_endpoints()["Endpoints"],
            "roles": self.client("iam").list_roles()["Roles"],
            "log groups": self.client("logs").describe_log_groups()["logGroups"],
        }

    def nothing(self) -> dict[str, list[Any]]:
        return {kind: [] for kind in self.left()}

    def program(self) -> None:
        """An endpoint with everything that it needs."""
        settings = self.settings
        bucket = aws.s3.Bucket("store", force_destroy=True, tags={"team": settings.get("team", "search")})
        aws.s3.BucketVersioning("store", bucket=bucket.id, versioning_configuration={"status": "Enabled"})
        blocks: dict[str, Any] = {
            f"{verb}_public_{what}": True for verb, what in (("block", "acls"), ("block", "policy"), ("ignore", "acls"))
        }
        aws.s3.BucketPublicAccessBlock("store", bucket=bucket.id, restrict_public_buckets=True, **blocks)
        aws.s3.BucketPolicy("store", bucket=bucket.id, policy=bucket.arn.apply(tls_only))
        path = archive(self.folder, version=settings.get("version", 1), **settings.get("behaviour", {}))
        artifact = aws.s3.BucketObjectv2(
            "artifact", bucket=bucket.id, key=path.name, source=pulumi.FileAsset(str(path)), source_hash=path.name
        )
        trust = statement(Action="sts:AssumeRole", Principal={"Service": "sagemaker.amazonaws.com"})
        role = aws.iam.Role("serve", assume_role_policy=trust)
        may = statement(Action=["s3:GetObject", "ecr:*"], Resource="*")
        policy = aws.iam.RolePolicy("serve", role=role.name, policy=may)
        aws.cloudwatch.LogGroup("logs", retention_in_days=settings.get("retention", 14))
        model = aws.sagemaker.Model(
            "model",
            execution_role_arn=role.arn,
            primary_container={
                "image": IMAGE,
                "model_data_url": pulumi.Output.format("s3://{}/{}", artifact.bucket, artifact.key),
                "environment": {"TOKEN": pulumi.Output.secret("swordfish")},
            },
            opts=pulumi.ResourceOptions(depends_on=[policy]),
        )
        serverless = {"max_concurrency": 4, "memory_size_in_mb": settings.get("memory", 1024)}
        variant: Any = {"variant_name": "main", "model_name": model.name, "serverless_config": serverless}
        config = aws.sagemaker.EndpointConfiguration("config", production_variants=[variant])
        endpoint = aws.sagemaker.Endpoint("endpoint", name="sentences", endpoint_config_name=config.name)
        pulumi.export("arn", endpoint.arn)
        pulumi.export("tags", bucket.tags_all)
        pulumi.export("region", aws.get_region_output().region)
        pulumi.export("account", aws.get_caller_identity_output().account_id)


def statement(**parts: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | parts]})


def tls_only(arn: str) -> str:
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    return statement(Effect="Deny", Principal="*", Action="s3:*", Resource=[arn, f"{arn}/*"], Condition=insecure)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    servers = Servers(tmp_path / "state", 0, 0, 30, program=fake_containers.PROGRAM)
    reset_moto()  # what another test left in this process
    boto3.client("s3")  # imported before the engine's own event loop is
    yield World(tmp_path, servers)
    servers.stop()
    reset_moto()


def reset_moto() -> None:
    from moto.backends import get_backend
    from moto.core.models import MockAWS  # noqa: F401

    for service in ("s3", "sagemaker", "iam", "logs", "cloudwatch"):
        for account in get_backend(service).values():
            for backend in account.values():
                backend.reset()


def declared_group(world: World) -> dict[str, Any]:
    """The program's log group; the containers of the endpoint have one that nobody declared."""
    (group,) = [each for each in world.left()["log groups"] if not each["logGroupName"].startswith("/aws/sagemaker/")]
    return group


def changes(result: Any) -> dict[str, int]:
    """What a run did, less what stayed."""
    summary = getattr(result, "change_summary", None) or result.summary.resource_changes or {}
    return {str(getattr(kind, "value", kind)): count for kind, count in summary.items() if count and kind != "same"}


def test_a_stacks_whole_life(world: World) -> None:
    stack = world.stack(world.program)
    assert changes(stack.preview()) == {"create": 12}
    assert world.left() == world.nothing()

    up = stack.up()
    assert changes(up) == {"create": 12}
    assert up.outputs["arn"].value == f"arn:aws:sagemaker:{REGION}:123456789012:endpoint/sentences"
    assert (up.outputs["region"].value, up.outputs["account"].value) == (REGION, "123456789012")
    assert world.version() == 1

    assert changes(stack.up(refresh=True)) == {}

    # drift: a log group and an object are gone, a bucket's tags and an endpoint's configuration are not as declared
    world.client("logs").delete_log_group(logGroupName=declared_group(world)["logGroupName"])
    bucket = world.left()["buckets"][0]["Name"]
    world.client("s3").put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "other"}]})
    assert changes(stack.refresh()) == {"delete": 1, "update": 1}
    assert changes(stack.up()) == {"create": 1, "update": 1}
    tags = world.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert tags == [{"Key": "team", "Value": "search"}]

    # in place
    world.settings |= {"retention": 30, "team": "ranking"}
    assert changes(stack.up()) == {"update": 2}
    assert declared_group(world)["retentionInDays"] == 30

    # a new model: everything new comes before anything old goes, and the endpoint stays the same one
    world.settings |= {"version": 2}
    events: list[tuple[str, str]] = []

    def keep(event: auto.EngineEvent) -> None:
        if event.resource_pre_event:
            step = event.resource_pre_event.metadata
            events.append((step.op.value, step.urn.split("::")[-1]))

    assert changes(stack.up(on_event=keep)) == {"replace": 3, "update": 1}
    order = [step for step in events if step[0] in ("create-replacement", "update", "delete-replaced")]
    assert order.index(("create-replacement", "config")) < order.index(("update", "endpoint"))
    assert order.index(("update", "endpoint")) < order.index(("delete-replaced", "config"))
    assert world.version() == 2
    assert len(world.left()["configs"]) == 1

    assert changes(stack.destroy()) == {"delete": 12}
    assert world.left() == world.nothing()


def test_what_fails_half_way_is_repaired_by_the_next_up(world: World) -> None:
    stack = world.stack(world.program)
    world.settings |= {"behaviour": {"broken": True}}
    with pytest.raises(CommandError, match="did not pass the ping health check"):
        stack.up()
    assert world.left()["endpoints"][0]["EndpointStatus"] == "Failed"
    world.settings |= {"version": 2, "behaviour": {}}
    stack.up()
    assert world.version() == 2

    # A move that fails leaves the old model serving, and is no failure to the provider: a component has to look.
    world.settings |= {"version": 3, "behaviour": {"broken": True}}
    stack.up()
    assert world.version() == 2
    entries = (stack.export_stack().deployment or {})["resources"]
    (endpoint,) = [each for each in entries if each["type"] == "aws:sagemaker/endpoint:Endpoint"]
    assert endpoint["outputs"]["endpointConfigName"] != endpoint["inputs"]["endpointConfigName"]
    stack.destroy()
    assert world.left() == world.nothing()


def test_an_aws_that_was_lost_is_built_up_again_and_a_secret_stays_one(world: World) -> None:
    stack = world.stack(world.program)
    stack.up()
    states = [path.read_text() for path in (world.folder / "backend").rglob("*.json")]
    assert any("aws:sagemaker/model:Model" in state for state in states)
    assert not any("swordfish" in state for state in states)
    (model,) = world.client("sagemaker").list_models()["Models"]
    found = world.client("sagemaker").describe_model(ModelName=model["ModelName"])
    assert found["PrimaryContainer"]["Environment"]["TOKEN"] == "swordfish"

    world.servers.stop()
    reset_moto()
    world.servers = Servers(world.folder / "state", 0, 0, 30, program=fake_containers.PROGRAM)
    stack = world.stack(world.program)
    assert changes(stack.refresh()) == {"delete": 11}
    assert changes(stack.up()) == {"create": 11}
    assert world.version() == 1


def test_an_engine_killed_in_the_middle_of_a_create(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Far longer than it takes to notice that it has begun, on a machine that is busy.
    world.settings |= {"behaviour": {"start_seconds": 120}}
    stack = world.stack(world.program)
    failure: list[BaseException] = []

    def run() -> None:
        try:
            stack.up()
        except CommandError as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: world.left()["endpoints"], every=0.05)
    for number in engines(world.folder):
        os.kill(number, signal.SIGKILL)
    thread.join()
    assert failure
    shutil.rmtree(world.folder / "backend" / ".pulumi" / "locks", ignore_errors=True)
    state = stack.export_stack()
    deployment = dict(state.deployment or {})
    assert [each["type"] for each in deployment.pop("pending_operations")] == ["creating"]
    state.deployment = deployment
    inventory = Inventory(world.folder / "deployed" / "dev.jsonl")
    with inventory.settled():  # the plugin has ended, too, though nobody told it to
        deleted = delete_leftovers(world.servers.aws_url, world.servers.credentials, inventory, deployment["resources"])
    assert deleted == ["aws:sagemaker/endpoint:Endpoint sentences"]
    stack.import_stack(state)
    world.settings |= {"behaviour": {}, "version": 2}
    stack.up()
    assert world.version() == 2
    stack.destroy()
    assert world.left() == world.nothing()


def engines(folder: Path) -> list[int]:
    """The engine's processes that work for this test."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")
            environment = (path / "environ").read_bytes()
        except OSError:
            continue
        if command[0].endswith(b"pulumi") and str(folder).encode() in environment:
            found.append(int(path.name))
    return found


def wrong_sizes() -> None:
    serverless = {"memory_size_in_mb": 1500, "max_concurrency": 500}
    variant: Any = {"variant_name": "main", "model_name": "m", "serverless_config": serverless}
    aws.sagemaker.EndpointConfiguration("config", production_variants=[variant])


def wrong_name() -> None:
    aws.s3.Bucket("store", bucket="Not-A-Bucket")


def unlisted() -> None:
    aws.sqs.QueuePolicy("queue", queue_url="q", policy="{}")


def long_name() -> None:
    aws.sagemaker.Endpoint("e" * 60, endpoint_config_name="c")


@pytest.mark.parametrize(
    ("program", "findings"),
    [
        (
            wrong_sizes,
            [
                "must be between 1 and 200, got 500",
                "property productionVariants[0].serverlessConfig.maxConcurrency",
                "must be one of 1024, 2048, 3072, 4096, 5120, 6144, got 1500",
            ],
        ),
        (wrong_name, ["must be 3-63 lowercase letters", "property bucket"]),
        (unlisted, ["aws:sqs/queuePolicy:QueuePolicy is not in the sandbox's table", "add a row"]),
        (long_name, ["plus 7 random chars is longer than maximum length 63"]),
    ],
)
def test_mistakes_are_found_in_the_preview_and_named(
    world: World, program: Callable[[], None], findings: list[str]
) -> None:
    with pytest.raises(CommandError) as caught:
        world.stack(program).preview()
    for finding in findings:
        assert finding in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert world.left() == world.nothing()


def test_a_region_is_never_guessed(world: World) -> None:
    def program() -> None:
        aws.cloudwatch.LogGroup("group")

    with pytest.raises(CommandError, match="is required: set it on the resource or in the configuration `aws:region`"):
        world.stack(program, **{"aws:region": ""}).preview()


def test_regions_default_tags_and_imports(world: World) -> None:
    world.client("logs").create_log_group(logGroupName="/there/already")

    def program() -> None:
        aws.cloudwatch.LogGroup("elsewhere", region="us-west-2")
        there = pulumi.ResourceOptions(import_="/there/already")
        aws.cloudwatch.LogGroup("there", name="/there/already", opts=there)
        provider = aws.Provider("tagged", region=REGION, default_tags={"tags": {"owner": "me", "team": "none"}})
        bucket = aws.s3.Bucket("store", tags={"team": "search"}, opts=pulumi.ResourceOptions(provider=provider))
        pulumi.export("tags", bucket.tags_all)

    stack = world.stack(program)
    assert stack.up().outputs["tags"].value == {"owner": "me", "team": "search"}
    assert [group["logGroupName"] for group in world.left()["log groups"]] == ["/there/already"]
    assert changes(stack.up(refresh=True)) == {}
    stack.destroy()
    assert world.left() == world.nothing()


def test_a_run_that_fails_leaves_no_event_loop_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what waits on one, which Python would complain about at the end, after tests that all passed."""
    loops: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loops.append(make()) or loops[-1])
    world.servers.aws_url = "https://sagemaker.eu-central-1.amazonaws.com"
    with pytest.raises(CommandError):
        world.stack(world.program).preview()
    assert loops
    # The thread that ran the program ends a little later than the engine.
    eventually(lambda: all(loop.is_closed() for loop in loops), why=lambda: str(loops))
    assert not [task for loop in loops for task in asyncio.all_tasks(loop)]


def test_the_plugin_never_starts_against_a_real_account(world: World) -> None:
    world.servers.aws_url = "https://sagemaker.eu-central-1.amazonaws.com"
    with pytest.raises(CommandError, match="talks to the embedded AWS only"):
        world.stack(world.program).preview()
