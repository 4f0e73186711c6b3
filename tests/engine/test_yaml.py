"""A settings file means to the command what it means to the engine."""

import json
import re
import subprocess
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from small_artifact import small_artifact
from workbench import IMAGE, ROOT, Workbench

from model_packaging.findings import FindingsError
from scaletozero.engine.find import find_engine
from scaletozero.environment.project import find_project
from scaletozero.environment.yaml_file import read_yaml

SCALARS = """
017|0o17|0O17|0b11|-0b11|0b2|0x1F|0X1f|0x_1F|-017|-0o17|+12|08|1_000|1__0|_1|99999999999999999999|18446744073709551615
-9223372036854775808|-9223372036854775809|1e3|12e03|.5|-.5|.5_0|1.|0.1e|.e5|1e400|.|+|1.2.3|17:04|190:20:30|1:30
on|off|yes|no|y|n|On|true|True|TRUE|tRUE|false|null|Null|NULL|nULL|~|=|'on'|"017"|'2026-11-27'|''
2026-11-27|2026-1-7|2026-02-30|2026-13-01|2026-11-27T10:00:00Z|2026-11-27T10:00:00+02:00|2026-11-27T10:00:00+00:00
2026-11-27 10:00:00.50|2026-1-7t1:2:3Z|2026-11-27T10:00:00|2026-11-27 10:00|26-11-27|0001-01-01|9999-12-31
!!str 5|!!str 2026-11-27|!!int "5"|!!float 3|!!bool "true"|!!binary aGk=|!!timestamp 2026-11-27
!<tag:yaml.org,2002:int> 4
[a, {b: c}]|{a: 1, b: [2]}|{b,}|[]|{}|"x\\ty"|a#b|{<<: {b: 1}, b: 2}|{<<: [{b: 1}, {b: 2}]}|[&x 1, *x]
"""

REFUSED = [
    "{a: 1, a: 2}", "{a: {b: 1}, a: {b: 2}}", "&a [*a]", "*nowhere", "!!int x", "!!float x", "!!bool yes", "!!null x",
    ".nan", "-.inf", "b: c", "@x", "`x", "[1,,2]", "[", "'", "{1: b, \"1\": c}", "- b",
]  # fmt: skip
"""What both refuse."""

STRICTER = ["{1: b}", "{true: b}", "{~: b}", "!own 3", "!!set {b, c}", "!!omap [b: c]", "!!str [1]"]
"""What this command refuses, because hardly anybody means what the engine makes of it."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yaml")
    (folder / "Pulumi.yaml").write_text("name: own\nruntime: python\n")
    (folder / "backend").mkdir()
    engine(folder, "stack", "init", "dev")
    return folder


def engine(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": (folder / "backend").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    command = [find_engine().command, *arguments, "--non-interactive"]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "Pulumi.dev.yaml"
    path.write_text("\n".join(["config:", "  own:data:", *(f"    {line}" for line in lines), ""]))
    return path


def ours(path: Path) -> Any:
    return read_yaml(path)["config"]["own:data"]


def test_every_value_that_both_accept_is_the_same(project: Path) -> None:
    values = [each for line in SCALARS.strip().splitlines() for each in line.split("|")]
    path = written(project, *(f"k{index}: {value}" for index, value in enumerate(values)))
    result = engine(project, "config", "--json", "--stack", "dev")
    assert result.returncode == 0, result.stderr
    theirs = json.loads(json.loads(result.stdout)["own:data"]["value"])
    # The engine's JSON writes a large number of floating point out in full.
    theirs = {key: float(each) if type(each) is int and abs(each) > 2**63 else each for key, each in theirs.items()}
    differing = {
        values[int(key[1:])]: (mine, theirs.get(key)) for key, mine in ours(path).items() if mine != theirs.get(key)
    }
    assert differing == {}
    assert len(theirs) == len(values) > 80


@pytest.mark.parametrize("value", REFUSED)
def test_what_the_engine_refuses_is_refused(project: Path, value: str) -> None:
    path = written(project, f"a: {value}")
    assert engine(project, "config", "--json", "--stack", "dev").returncode != 0
    with pytest.raises(FindingsError):
        ours(path)


@pytest.mark.parametrize("value", STRICTER)
def test_what_is_refused_here_alone(project: Path, value: str) -> None:
    path = written(project, f"a: {value}")
    assert engine(project, "config", "--json", "--stack", "dev").returncode == 0
    with pytest.raises(FindingsError):
        ours(path)


MARKS = "---\nconfig: {own:data: {a: 017, on: yes}}\n...\n"
FILES = {
    "comments and a mark": "\ufeff# first\nconfig: # second\n  own:data: {a: 1} # third\n",
    "lines that end in both": "config:\r\n  own:data:\r\n    a: |\r\n      one\r\n      two\r\n    b: c\r\n",
    "blocks": "config:\n  own:data:\n    a: |+\n      one\n\n    b: >2\n        two\n      one\n    c: |-\n      #\n",
    "an anchor of another key": "x: &x {a: 1, b: [2]}\nconfig:\n  own:data: {<<: *x, a: 3, c: *x}\n",
    "text over lines": "config:\n  own:data:\n    a: one\n      two\n\n      three\n    b: 'one\n      two'\n",
    "text with escapes": 'config:\n  own:data:\n    a: "one\\\n      two\\u00e9\\x41"\n',
    "a document's marks": MARKS,
    "an older version": f"%YAML 1.1\n{MARKS}",
    "keys in every style": "config:\n  own:data:\n    'a b': 1\n    \"c\\td\": 2\n    ? e\n    : 3\n    ? f\n",
    "lists at their key": "config:\n  own:data:\n    a:\n    - 1\n    - - 2\n      - 3\n    - b: 4\n      c: 5\n",
    "tags": "config:\n  own:data: !!map\n    a: !!seq [!!str 1, !!str true]\n    b: !!str\n",
    "nothing": "config:\n  own:data:\n    a:\n    b: {}\n    c: []\n    d: ''\n",
}  # fmt: skip
"""Whole files, in the odder of the ways in which YAML can be written."""


@pytest.mark.parametrize("name", FILES)
def test_an_odd_file_means_the_same(project: Path, name: str) -> None:
    path = project / "Pulumi.dev.yaml"
    path.write_bytes(FILES[name].encode())
    result = engine(project, "config", "--json", "--stack", "dev")
    assert result.returncode == 0, result.stderr
    assert ours(path) == json.loads(json.loads(result.stdout)["own:data"]["value"])


def test_a_version_of_yaml_that_the_engine_refuses(project: Path) -> None:
    path = project / "Pulumi.dev.yaml"
    path.write_text(f"%YAML 1.2\n{MARKS}")
    assert "incompatible" in engine(project, "config", "--json", "--stack", "dev").stderr
    with pytest.raises(FindingsError, match="%YAML"):
        ours(path)


PROGRAM = """
import pulumi
from scaletozero.environment.read import read_environment
found = read_environment(pulumi.Config().require_object("environment"), None)
print("windows:", "; ".join(map(str, found.endpoints["sentences"].schedule)))
"""


def test_the_guide_s_schedule_is_what_the_engine_hands_to_the_program(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (guide,) = re.findall(r"```yaml\n(scaling: .*?)```", (ROOT / "docs" / "warm-pools.md").read_text(), re.DOTALL)
    artifact = small_artifact(tmp_path, "small").path
    endpoint = f"artifact: {artifact}\nimage: {IMAGE}\n{guide}"
    settings = f"region: us-east-1\nendpoints:\n  sentences:\n{indent(endpoint, '    ')}"
    file = workbench.root / "stacks" / "environments" / "Pulumi.dev.yaml"
    file.write_text(f"config:\n  scaletozero:environment:\n{indent(settings, '    ')}")
    (workbench.root / "stacks" / "__main__.py").write_text(PROGRAM)
    (tmp_path / "backend").mkdir()
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "backend").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")

    ours = find_project(workbench.root).environment("dev", with_artifacts=False).endpoints["sentences"]
    windows = "; ".join(map(str, ours.schedule))
    assert "2027-11-27 06:00-23:00 Europe/Berlin" in windows
    # Without a sandbox the engine itself reads the file, and hands an unquoted date on as a time.
    assert f"windows: {windows}" in workbench.run("preview", "-e", "dev").stdout
