"""Every block of code in the README and the guides is run, or validated, or says to its reader that it is not."""

import io
import os
import re
import subprocess
import warnings
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from generator.commands import COMMAND
from small_artifact import small_artifact
from snippets import LANGUAGES, NOT_RUN, Snippet, accept, all_snippets, commands, documents
from workbench import ROOT

from model_packaging.spec import spec_of
from model_packaging.validation import parse
from scaletozero.endpoints.async_client import MAX_BYTES
from scaletozero.environment.importing.litellm import import_litellm
from scaletozero.environment.settings import Environment
from scaletozero.environment.yaml_file import parse_yaml, read_yaml
from scaletozero.gateway.opening import EXTRA
from scaletozero.kubernetes.manifests.pods import USER
from scaletozero.plugin import NAME, schema
from scaletozero.settings.gateway import Gateway
from scaletozero.settings.kubernetes import Kubernetes
from scaletozero.settings.serverless import ServerlessEndpoint
from scaletozero.spending.api_models import known_price

SNIPPETS = all_snippets()
NOT_RUN_NOW = 5
"""How many blocks say that they are not run. A change of this number is a decision, not an accident."""

IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/serving:1.2.3"


def of(*languages: str) -> list[Any]:
    chosen = [each for each in SNIPPETS if each.language in languages and not each.reason]
    return [pytest.param(each, id=each.name) for each in chosen]


def test_every_block_says_what_it_is() -> None:
    assert {each.name: each.language for each in SNIPPETS if each.language not in LANGUAGES} == {}
    assert len(SNIPPETS) > 20


def test_what_is_not_run_is_marked_and_counted() -> None:
    assert {each.name: each.title for each in SNIPPETS if "run by the tests" in each.title and not each.reason} == {}
    assert [each.name for each in SNIPPETS if each.reason and each.language in ("text", "yaml")] == []
    assert len([each for each in SNIPPETS if each.reason]) == NOT_RUN_NOW


def test_the_yaml_program_of_the_guide_is_the_example_that_the_engine_runs() -> None:
    (shown,) = [each.text for each in SNIPPETS if each.path.name == "languages.md" and each.language == "yaml"]
    example = (ROOT / "examples" / "yaml" / "Pulumi.yaml").read_text().splitlines(keepends=True)
    assert shown == "".join(line for line in example if not line.startswith("#"))


def test_the_typescript_program_of_the_guide_is_the_example_that_is_compiled() -> None:
    (shown,) = [each.text for each in SNIPPETS if each.language == "typescript"]
    example = (ROOT / "examples" / "typescript" / "index.ts").read_text()
    assert shown == example[example.index("import ") :]


def test_the_image_of_the_guide_is_the_example_and_what_pods_run() -> None:
    (shown,) = [each.text for each in SNIPPETS if each.language == "dockerfile"]
    assert shown == (ROOT / "examples" / "gateway" / "Dockerfile").read_text()
    assert f'"scaletozero[{EXTRA}]=={metadata.version("scaletozero")}"' in shown
    assert f"USER {USER}\n" in shown


def test_a_block_of_output_holds_no_program() -> None:
    for each in SNIPPETS:
        if each.language == "text":
            assert not re.search(rf"^(import |from \w+ import |\$ |{COMMAND} \w+ )", each.text, re.MULTILINE), each.name


def test_what_the_guide_says_that_a_configuration_becomes_is_what_it_becomes() -> None:
    blocks = [each.text for each in SNIPPETS if each.path.name == "migrate.md" and each.language == "yaml"]
    foreign, ours = (parse_yaml(text, "migrate.md") for text in blocks)
    assert import_litellm(foreign, known_price).gateway == ours["gateway"]


@pytest.mark.parametrize("snippet", of("yaml"))
def test_yaml_is_valid(snippet: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(snippet.text)
    validate(read_yaml(path))


def validate(written: Mapping[str, Any]) -> None:
    """Validates a block of YAML as what its keys say that it is."""
    keys = set(written)
    if "resources" in keys:
        program(written)
    elif "config" in keys:
        parse(Environment, written["config"]["scaletozero:environment"], "environment")
    elif keys == {"scaletozero:environment"}:
        parse(Environment, written["scaletozero:environment"], "environment")
    elif "source" in keys:
        spec_of(written)
    elif "model_list" in keys:
        assert import_litellm(written, known_price).gateway
    elif keys == {"gateway"}:
        parse(Gateway, written["gateway"], "gateway")
    elif keys <= set(Environment.model_fields):
        region = re.search(r"\.ecr\.([a-z0-9-]+)\.", yaml.safe_dump(dict(written)))
        parse(Environment, {"region": region[1] if region else "eu-central-1", "endpoints": {}, **written}, "")
    elif keys <= set(Kubernetes.model_fields):
        parse(Kubernetes, {"namespace": "models", **written}, "kubernetes")
    else:
        parse(ServerlessEndpoint, {"artifact": "artifacts/model", "image": IMAGE, **written}, "endpoint")


def program(written: Mapping[str, Any]) -> None:
    """Holds a Pulumi program in YAML to the plugin's schema; the engine's tests run one."""
    resources = schema()["resources"]
    ours = [each for each in written["resources"].values() if each["type"].startswith(f"{NAME}:")]
    assert ours
    for each in ours:
        token = each["type"] if each["type"].count(":") == 2 else each["type"].replace(":", ":index:")
        known = resources[token]
        assert set(each["properties"]) <= set(known["inputProperties"])
        assert set(known.get("requiredInputs", ())) <= set(each["properties"])


class Store:
    """What the callers of an asynchronous endpoint meet, in outline."""

    class exceptions:  # noqa: N801 - boto3's name
        NoSuchKey = KeyError

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        assert len(Body) < MAX_BYTES
        self.objects[Key] = Body

    def invoke_endpoint_async(self, InputLocation: str, **_: Any) -> dict[str, str]:  # noqa: N803
        self.objects["answer"] = b"response to " + self.objects[InputLocation.split("/", 3)[3]]
        return {"InferenceId": "1", "OutputLocation": "s3://models/answer", "FailureLocation": "s3://models/failure"}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(self.objects[Key])}


CALLED: dict[str, Callable[[Any], object]] = {
    "transcribe": lambda function: function("speech", "s3://models/requests", b"sound") == b"response to sound",
    "CloudMocks": lambda mocks: mocks().call(None) == {},
}
"""The functions that blocks define, and how they are called."""


@pytest.mark.parametrize("snippet", [each for each in of("python") if not each.values[0].is_a_test])
def test_python_runs(snippet: Snippet, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_artifact(tmp_path / "artifacts", "paraphrase-minilm")
    monkeypatch.chdir(tmp_path)
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 27.0\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    store = Store()
    monkeypatch.setattr(boto3, "client", lambda service: store)
    code = compile(snippet.text, snippet.name, "exec")
    names: dict[str, Any] = {"__name__": "snippet"}
    done = run(lambda: exec(code, names))
    defined = {name: value for name, value in names.items() if getattr(value, "__module__", "") == "snippet"}
    for name, value in defined.items():
        assert CALLED[name](value), name
    assert done.registered or defined


@pytest.mark.parametrize("snippet", of("sh", "console"))
def test_shell_is_parsed_and_our_commands_are_those_that_exist(snippet: Snippet) -> None:
    lines = snippet.commands()
    assert lines
    subprocess.run(["bash", "-n"], input="\n".join(lines), text=True, check=True)
    for line in lines:
        for words in commands(line):
            accept(words)


@pytest.mark.parametrize(
    "line, error",
    [
        ("scaletozero up --now", "now"),
        ("scaletozero uo", "uo"),
        ("scaletozero invoke", "endpoint"),
        ("true | make everything", "everything"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line: str, error: str) -> None:
    (words,) = [words for words in commands(line) if words != ["true"]]
    with pytest.raises(Exception, match=error):
        accept(words)


def test_yaml_that_is_wrong_is_noticed() -> None:
    with pytest.raises(ValueError, match="memroy"):
        validate({"endpoints": {"a": {"artifact": "x", "image": IMAGE, "memroy": 1024}}})
    with pytest.raises(AssertionError):
        validate({"name": "x", "resources": {"a": {"type": f"{NAME}:ArtifactStore", "properties": {"regoin": "x"}}}})


@pytest.mark.parametrize("path", [pytest.param(each, id=str(each.relative_to(ROOT))) for each in documents()[:2]])
def test_links_from_outside_the_site_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", path.read_text()):
        if "://" in target:
            continue
        found = path.parent / target if target else path
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor[1:] in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, anchor


def test_the_mark_is_what_the_guides_say() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(each.title == NOT_RUN + each.reason for each in SNIPPETS if each.reason)
