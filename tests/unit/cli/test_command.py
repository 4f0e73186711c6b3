"""The command's edges: its streams, its folder, its input. Each ends in words and an exit code."""

import errno
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import shellingham
import typer
from hypothesis import given
from hypothesis import strategies as st
from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error
from typer.testing import CliRunner

from model_packaging.artifact.reader import Artifact
from scaletozero.cli import app, engine, output
from scaletozero.cli.engine import EngineOutput
from scaletozero.cli.output import printable
from scaletozero.engine.command import EngineCommand

COMMAND = str(Path(sys.executable).with_name("scaletozero"))


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=600, **options)


def project(folder: Path, environment: object = None, **changes: Any) -> Path:
    """A project with one environment, `local`."""
    settings = {"name": "own", "runtime": "python", "main": "program", "stackConfigDir": "stacks", **changes}
    (folder / "Pulumi.yaml").write_text(
        json.dumps({key: value for key, value in settings.items() if value is not None})
    )
    (folder / "stacks").mkdir()
    declared = {"region": "us-east-1", "endpoints": {}, "sandbox": {}} if environment is None else environment
    (folder / "stacks" / "Pulumi.local.yaml").write_text(json.dumps({"config": {"own:environment": declared}}))
    return folder


def test_the_version() -> None:
    assert run("--version").stdout == "scaletozero 0.1.0\n"


def test_completion_of_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whichever shell started the tests, if any did.
    monkeypatch.setattr(shellingham, "detect_shell", lambda *_: ("bash", "/bin/bash"))
    result = CliRunner().invoke(app, ["--show-completion", "bash"])
    assert "complete" in result.stdout


@pytest.mark.parametrize("command", ["package", "inspect", "publish", "status", "bench", "advise", "cluster"])
def test_every_command_that_prints_a_table_prints_json(command: str) -> None:
    assert "--json" in CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout


def test_a_full_stdout() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=600)
    assert (result.returncode, result.stderr) == (1, "error: stdout: No space left on device\n")


def test_a_stdout_that_nobody_reads() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as pipe:
        result = subprocess.run([COMMAND, "--version"], stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=600)
    assert (result.returncode, result.stderr) == (1, "")


def test_streams_that_are_closed_are_not_taken_by_the_next_file(tmp_path: Path) -> None:
    script = f"exec {COMMAND} inspect {tmp_path} <&- >&-"
    result = subprocess.run(["/bin/sh", "-c", script], stderr=subprocess.PIPE, text=True, timeout=600)
    assert result.returncode == 2
    assert "manifest.json" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("up",), ("status",), ("invoke", "a", "{}"), ("inspect", "a")])
def test_a_working_folder_that_is_gone(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "gone").mkdir()
    script = f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {COMMAND} {' '.join(command)}"
    result = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=600)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runtime": "nodejs"}, "runtime: must be python, got nodejs"),
        ({"runtime": {"name": "yaml"}}, "runtime: must be python, got yaml"),
        ({"runtime": None}, "runtime: must be python"),
        ({"main": "/etc"}, "main: must be a path relative to this file, got /etc"),
        ({"main": 3}, "main: must be a path relative to this file, got 3"),
        ({"stackConfigDir": "/etc"}, "stackConfigDir: must be a path relative to this file"),
        ({"main": "a\0b"}, "main: must be a path relative to this file"),
        ({"main": "nowhere"}, "main: must lead to a __main__.py"),
        ({"name": 3}, "name: is required"),
    ],
)
def test_a_project_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str) -> None:
    monkeypatch.chdir(project(tmp_path, **changes))
    result = CliRunner().invoke(app, ["preview"])
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_key_s_former_name_is_a_warning_in_words(tmp_path: Path, make_artifact: Callable[..., Artifact]) -> None:
    window = {"on": "2090-11-27", "start": "08:00", "end": "18:00", "timezone": "UTC", "min": 2}
    endpoint = {
        "artifact": str(make_artifact().path),
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1",
        "scaling": {"min": 1, "max": 5},
        "schedule": [window],
    }
    project(tmp_path, {"region": "us-east-1", "endpoints": {"a": endpoint}, "sandbox": {}})
    result = run("status", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("warning: the key `on` of a window is now `date`") == 1
    assert "FutureWarning" not in result.stderr


@pytest.mark.parametrize("name", ["stacks/Pulumi.local.yaml", "Pulumi.yaml"])
def test_a_settings_file_that_is_a_named_pipe(tmp_path: Path, name: str) -> None:
    project(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    result = run("status", cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_a_spec_that_is_a_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "spec.yaml")
    result = run("package", str(tmp_path / "spec.yaml"))
    assert (result.returncode, "got a named pipe" in result.stderr) == (2, True)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"[" * 5000, b"\x00", b"3", b"a: b: c"])
def test_a_kubeconfig_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (tmp_path / "kubeconfig").write_bytes(content)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    result = CliRunner().invoke(app, ["cluster"])
    assert result.exit_code == 2
    assert "error: " in result.stderr


@pytest.mark.parametrize("payload", ["[" * 100_000, '{"a": ' * 5000, "9" * 5000 + "x", "{"])
def test_json_that_is_none(payload: str) -> None:
    result = CliRunner().invoke(app, ["invoke", "a", "-"], input=payload)
    assert (result.exit_code, "JSON: must be JSON" in result.stderr) == (2, True)


def test_a_number_of_five_thousand_digits_is_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path))
    result = CliRunner().invoke(app, ["invoke", "a", "-"], input="9" * 5000)
    assert "must be JSON" not in result.stderr
    assert (result.exit_code, "must be deployed and running" in result.stderr) == (2, True)


def test_a_disk_that_is_full_while_packaging_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from model_packaging.pipeline import run

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run, "package_folder", full)
    (tmp_path / "spec.yaml").write_text("{name: a, target: gpu-vllm, source: model, out: out}")
    result = CliRunner().invoke(app, ["package", str(tmp_path / "spec.yaml")])
    assert (result.exit_code, "No space left" in result.stderr) == (1, True)


def test_an_artifact_that_is_corrupt_is_a_failure_and_a_path_that_is_wrong_is_wrong_use(
    make_artifact: Callable[..., Artifact],
) -> None:
    artifact = make_artifact()
    artifact.archive.write_bytes(artifact.archive.read_bytes()[:-1])
    assert CliRunner().invoke(app, ["verify", str(artifact.path)]).exit_code == 1
    shutil.rmtree(artifact.path)
    assert CliRunner().invoke(app, ["verify", str(artifact.path)]).exit_code == 2


def test_no_credentials_are_a_failure(make_artifact: Callable[..., Artifact], monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    result = CliRunner().invoke(app, ["publish", str(make_artifact().path), "--bucket", "b", "--region", "eu-west-1"])
    assert (result.exit_code, "credentials" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\rb\bc\x9bd", "a\\rb\\x08c\\x9bd"),
        ("\u202eevil", "\\u202eevil"),
        ("[bold]x[/bold] ünïcode 漢\n\t", "[bold]x[/bold] ünïcode 漢\n\t"),
    ],
)
def test_what_would_act_on_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_engines_colours_are_let_through_and_nothing_else_is() -> None:
    line = "\x1b[38;5;2m+ \x1b[0m\x1b[1Gname\x1b]0;x\x07"
    assert printable(line, colour=True) == "\x1b[38;5;2m+ \x1b[0m\\x1b[1Gname\\x1b]0;x\\x07"


@given(st.text())
def test_nothing_that_is_printed_has_an_escape_in_it(text: str) -> None:
    assert not {"\x1b", "\x9b", "\r", "\x07", "\u202e"} & set(printable(text))


def test_names_with_escapes_in_them_reach_the_terminal_escaped(tmp_path: Path) -> None:
    bad = "\x1b[31m[bold]x\x07"
    project(tmp_path, {"region": bad, "endpoints": {bad: {"artifact": bad, "image": bad, bad: 1}}, bad: bad})
    for command in (("status", "-e", bad), ("status",), ("inspect", bad), ("invoke", bad, "{}"), (bad,), (f"--{bad}",)):
        result = run(*command, cwd=tmp_path)
        assert result.returncode == 2
        assert "\x1b" not in result.stderr + result.stdout
        assert "\x07" not in result.stderr + result.stdout
        assert "\\x1b[31m" in result.stderr, command


@pytest.mark.parametrize("command", [("--help",), ("up", "--help"), ("status",)])
def test_no_color_on_a_terminal(tmp_path: Path, command: tuple[str, ...]) -> None:
    project(tmp_path)
    variables = {**os.environ, "TERM": "xterm-256color"}
    assert b"\x1b[" in at_a_terminal(tmp_path, variables, *command)
    assert b"\x1b" not in at_a_terminal(tmp_path, {**variables, "NO_COLOR": "1"}, *command)


def at_a_terminal(folder: Path, variables: dict[str, str], *command: str) -> bytes:
    ours, theirs = pty.openpty()
    with subprocess.Popen([COMMAND, *command], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=variables):
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:
                break
            if not part:
                break
            said += part
    os.close(ours)
    return said


def test_the_engine_gets_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "COLOUR", False)
    assert engine.color() == "never"


def test_an_error_of_the_program_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    show = EngineOutput()
    lines = [
        " +  pulumi:pulumi:Stack a-b create error: first",
        " +  pulumi:pulumi:Stack a-b create error: an unhandled error occurred: first",
        "Diagnostics:",
        "  pulumi:pulumi:Stack (a-b):",
        "    error: first",
        "    second",
        "    error: an unhandled error occurred: first",
        "    second",
        "",
        "Resources:",
    ]
    for line in lines:
        show(line)
    shown = capsys.readouterr().err.splitlines()
    assert shown == [*lines[:1], *lines[2:6], *lines[8:]]


def test_an_unhandled_error_that_stands_nowhere_else_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    EngineOutput()("    error: an unhandled error occurred: only")
    assert "only" in capsys.readouterr().err


def test_an_answer_that_is_no_text_reaches_a_program_as_it_is(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output.write(b"\xff\x1b[31m")
    assert capfdbinary.readouterr().out == b"\xff\x1b[31m\n"


@pytest.mark.parametrize(
    "said",
    [
        'ValidationException: Cannot create already existing endpoint "arn:aws:sagemaker:us-east-1:1:endpoint/a".',
        "ResourceAlreadyExistsException: The specified log group already exists",
    ],
)
def test_what_exists_already_is_said_to_be_adopted(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    last = last_line("up", said, capsys)
    assert "`scaletozero up -e dev --adopt`" in last


def test_any_other_failure_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--adopt" not in last_line("up", "BucketAlreadyExists: choose another name", capsys)
    assert "--adopt" not in last_line("down", "The specified log group already exists", capsys)


def last_line(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of a command whose engine fails with these words."""
    unused: Any = SimpleNamespace(command="pulumi", version=None)
    failure = create_command_error(CommandResult(stdout=said, stderr="", code=255))
    with pytest.raises(typer.Exit), engine.engine_errors(command, "dev", EngineCommand(unused)):
        raise failure
    return capsys.readouterr().err.splitlines()[-1]
