"""What every tier shares: a clean environment, small artifacts that are whole, components without an engine."""

import asyncio
import functools
import gc
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import HealthCheck, settings
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.mocks import MockMonitor
from service_models import share_service_models
from small_artifact import small_artifact

from model_packaging.artifact.reader import Artifact

pytest_plugins = ["scaletozero.sandbox.testing"]

share_service_models()

# In the background of a shell it is ignored, here and in what is started here. Tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The tests hold millions of objects that stay (the provider's modules, the collected tests). At Python's defaults,
# looking through them for garbage takes a quarter of the time.
gc.set_threshold(20_000, 20, 20)


def pytest_collection_finish() -> None:
    """What is there now stays until the end."""
    gc.collect()
    gc.freeze()


# A machine that is busy with something else is no failure. The same inputs are drawn on each run, so that a change is
# judged by itself; `HYPOTHESIS_PROFILE=explore` draws others.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

MakeArtifact = Callable[..., Artifact]


@pytest.fixture(autouse=True)
def hermetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may meet a real account or cluster, or miss that an output was used as a string."""
    for name in (
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "KUBECONFIG",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")


@pytest.fixture
def make_artifact(tmp_path: Path) -> MakeArtifact:
    """Makes small artifacts in a temporary folder; see `small_artifact`."""
    return functools.partial(small_artifact, tmp_path)


@dataclass
class Recorded(Mocks):
    """Answers every registration as the cloud would in outline, and keeps what was asked for."""

    registered: list[MockResourceArgs] = field(default_factory=list)
    calls: list[MockCallArgs] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    """The registrations as the engine gets them, with the resources' options."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        name = args.inputs.get("name") or f"{args.name}-0123abc"
        outputs = {"name": name, "arn": f"arn:aws:test:{args.typ}:{name}", "id": name}
        place = f"{args.inputs.get('region')}:111122223333"
        if args.typ == "aws:cloudwatch/logGroup:LogGroup":
            outputs["arn"] = f"arn:aws:logs:{place}:log-group:{name}"
        if args.typ == "aws:sagemaker/endpoint:Endpoint":
            outputs["arn"] = f"arn:aws:sagemaker:{place}:endpoint/{name}"
        if args.typ == "aws:s3/bucket:Bucket":
            outputs["bucket"] = name
        if args.typ == "aws:iam/policy:Policy":
            outputs["arn"] = f"arn:aws:iam::111122223333:policy/{name}"
        if args.typ == "aws:ecr/repository:Repository":
            outputs["repositoryUrl"] = f"111122223333.dkr.ecr.{args.inputs.get('region')}.amazonaws.com/{args.name}"
        if args.typ == "docker-build:index:Image":
            outputs["digest"] = f"sha256:{'0' * 64}"
        return name, {**outputs, **args.inputs}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        self.calls.append(args)
        raise AssertionError(f"no component may ask the cloud at preview: {args.token}")

    def of(self, kind: str) -> list[MockResourceArgs]:
        """The registered resources whose type ends in `kind`."""
        return [args for args in self.registered if args.typ.endswith(kind)]

    def service(self, name: str) -> list[MockResourceArgs]:
        """The registered resources of a service of AWS, such as `budgets`."""
        return [args for args in self.registered if args.typ.startswith(f"aws:{name}/")]

    def one(self, kind: str) -> dict[str, Any]:
        """The inputs of the only resource of that kind."""
        (args,) = self.of(kind)
        return args.inputs

    def request(self, kind: str) -> Any:
        """The registration of the only resource of that kind."""
        (found,) = (request for request in self.requests if request.type.endswith(kind))
        return found

    def types(self) -> list[str]:
        """The types of all that was registered by components, sorted."""
        return sorted(args.typ for args in self.registered if args.typ.startswith("aws:"))


class Monitor(MockMonitor):
    """Keeps every registration beside the recorder's answer to it."""

    def __init__(self, mocks: Recorded) -> None:
        super().__init__(mocks)
        self._requests = mocks.requests

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's name
        self._requests.append(request)
        return super().RegisterResource(request)


Run = Callable[[Callable[[], Any]], Recorded]


@pytest.fixture
def mocks() -> Recorded:
    """A recorder of its own."""
    return Recorded()


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a program under mocks, once as an update and once as a preview, on an event loop of its own."""
    loop = asyncio.new_event_loop()
    # A failed registration fails the run; the engine's own tasks that saw the same failure need not log it again,
    # least of all from a garbage collection in the middle of something else.
    loop.set_exception_handler(lambda *_: None)
    asyncio.set_event_loop(loop)

    def run_program(program: Callable[[], Any]) -> Recorded:
        mocks = Recorded()
        pulumi.runtime.set_mocks(mocks, project="acme", stack="dev", preview=request.param, monitor=Monitor(mocks))

        @pulumi.runtime.test
        def go() -> Any:
            return program()

        go()
        return mocks

    yield run_program
    loop.close()
    asyncio.set_event_loop(None)
