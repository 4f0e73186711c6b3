"""A settings file means to the command what it means to the engine."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from model_packaging.findings import FindingsError
from scaletozero.engine.find import find_engine
from scaletozero.yaml_file import read_yaml

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
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)


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
