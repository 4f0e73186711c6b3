"""The first week of a company's platform team with its own stack: from the wheel, outside of this repository.

Wrap, rename, a second environment, protect, rotate a key, move between stacks, take down; in Python and in YAML. The
steps are those of docs/own-stack.md.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from first_week import KEYS, SANDBOX, PythonTeam, YamlTeam, held, install_wheels_plugin, keys_of, outside
from languages import YAML_HOST, find_host
from wheel import Installed, build_wheel, install

from model_packaging import Artifact
from scaletozero.sandbox import daemon

pytestmark = pytest.mark.long

SERVED = "aws:sagemaker/endpoint:Endpoint"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    return install(build_wheel(folder), folder / "environment", "sandbox", "packaging")


@pytest.fixture
def python_team(installed: Installed, encoder: Artifact, tmp_path: Path) -> Iterator[PythonTeam]:
    team = PythonTeam(tmp_path, installed, encoder.path)
    team.write_program()
    yield team
    daemon.stop(tmp_path / ".scaletozero")


def test_in_python(python_team: PythonTeam) -> None:
    team, state = python_team, python_team.backend
    # Wrap: the company's own component, in its own program.
    team.settings("dev", search="search", endpoint="acme-dev-search", key=KEYS[0])
    assert "created" in team.up("dev")
    first = held(state, "dev")
    assert first[f"{SERVED} vectors"] == "acme-dev-search"
    assert team.dimensions("dev") == 384

    # Rename: with an alias nothing is made anew.
    team.settings("dev", search="retrieval", former="search", endpoint="acme-dev-search", key=KEYS[0])
    team.up("dev")
    assert held(state, "dev") == first

    # A second environment, protected: it shares nothing with the first.
    team.settings("prod", protect=True, search="retrieval", endpoint="acme-prod-search", key=KEYS[0])
    team.up("prod")
    second = held(state, "prod")
    named = {each for each in first if each.split()[0].endswith((":Endpoint", ":Bucket", ":Role", ":Model"))}
    assert len(named) == 4
    assert not {first[each] for each in named} & {second[each] for each in named}

    # Rotate a key: in place, and without the alias, which the first `up` after it needed.
    team.settings("dev", search="retrieval", endpoint="acme-dev-search", key=KEYS[1])
    team.up("dev")
    assert held(state, "dev") == first
    assert (keys_of(state, "dev"), keys_of(state, "prod")) == ({KEYS[1]}, {KEYS[0]})

    # Move the component to the stack of another team; neither stack then deletes or makes anything.
    team.engine("stack", "init", "search-team")
    (component,) = [
        each["urn"]
        for each in json.loads(team.engine("stack", "export", "--stack", "dev"))["deployment"]["resources"]
        if each["type"] == "acme:index:Search"
    ]
    team.engine("state", "move", "--source", "dev", "--dest", "search-team", "--yes", component)
    team.settings("search-team", search="retrieval", endpoint="acme-dev-search", key=KEYS[1])
    team.settings("dev")
    team.up("search-team")
    team.up("dev")
    assert (held(state, "search-team"), held(state, "dev")) == (first, {})
    assert team.dimensions("search-team") == 384

    # Take down: the protected one by its name only.
    team.done("down", "-e", "dev")
    team.done("down", "-e", "search-team")
    refused = team.run("down", "-e", "prod")
    assert (refused.returncode, "--confirm prod" in refused.stderr) == (2, True)
    assert held(state, "prod") == second
    assert team.dimensions("prod") == 384
    team.done("down", "-e", "prod", "--confirm", "prod")
    assert daemon.running(team.root / ".scaletozero") is None


@pytest.fixture
def yaml_team(installed: Installed, encoder: Artifact, tmp_path: Path) -> Iterator[YamlTeam]:
    host = find_host(YAML_HOST)
    with subprocess.Popen(
        [installed.python, "-c", SANDBOX, str(tmp_path)],
        env=outside(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sandbox:
        assert sandbox.stdin
        assert sandbox.stdout
        told = json.loads(sandbox.stdout.readline())
        install_wheels_plugin(installed, tmp_path / "home")
        (tmp_path / "program").mkdir()
        path = os.pathsep.join([str(host), os.environ["PATH"]])
        variables = outside(**told["variables"], PULUMI_HOME=str(tmp_path / "home"), PATH=path)
        # What is empty is to be unset, which the Automation API does by itself.
        variables = {key: value for key, value in variables.items() if value or not key.startswith("AWS_")}
        yield YamlTeam(tmp_path / "program", variables, told["runtime"], encoder.path)
        sandbox.stdin.close()
        sandbox.wait(timeout=120)


def test_in_yaml(yaml_team: YamlTeam) -> None:
    team, state = yaml_team, yaml_team.backend
    # Wrap.
    team.program("search")
    team.settings("dev", endpoint="acme-dev-search", key=KEYS[0])
    team.up("dev")
    first = held(state, "dev")
    assert first[f"{SERVED} search"] == "acme-dev-search"
    assert team.dimensions("dev") == 384

    # Rename: the components inside are named after it, and keep what they made.
    team.program("retrieval", "search")
    changes = team.up("dev")
    assert not {"create", "delete", "replace"} & changes.keys(), changes
    renamed = held(state, "dev")
    assert sorted(renamed.values()) == sorted(first.values())
    assert renamed[f"{SERVED} retrieval"] == "acme-dev-search"

    # A second environment, protected.
    team.program("retrieval", protect=True)
    team.settings("prod", endpoint="acme-prod-search", key=KEYS[0])
    team.up("prod")
    second = held(state, "prod")
    assert second[f"{SERVED} retrieval"] == "acme-prod-search"

    # Move everything to the stack of another team, and rotate its key.
    team.program("retrieval")
    team.settings("search-team", endpoint="acme-dev-search", key=KEYS[1])
    resources = json.loads(team.done("stack", "export", "--stack", "dev"))["deployment"]["resources"]
    moved = [each["urn"] for each in resources if each["type"].startswith("scaletozero:")]
    team.done("state", "move", "--source", "dev", "--dest", "search-team", "--yes", *moved)
    changes = team.up("search-team")
    assert not {"delete", "replace"} & changes.keys(), changes
    assert (held(state, "search-team"), held(state, "dev")) == (renamed, {})
    assert (keys_of(state, "search-team"), keys_of(state, "prod")) == ({KEYS[1]}, {KEYS[0]})
    assert team.dimensions("search-team") == 384

    # Take down: the protected one only after its protection is taken off.
    team.done("destroy", "--yes", "--skip-preview", "--stack", "search-team")
    refused = team.run("destroy", "--yes", "--skip-preview", "--stack", "prod")
    assert refused.returncode != 0
    assert "protected" in refused.stdout + refused.stderr
    assert held(state, "prod") == second
    team.done("state", "unprotect", "--all", "--yes", "--stack", "prod")
    team.done("destroy", "--yes", "--skip-preview", "--stack", "prod")
    assert held(state, "prod") == {}
