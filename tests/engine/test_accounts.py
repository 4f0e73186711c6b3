"""The command on an environment without a sandbox: the engine's own words, and nothing is changed unasked."""

import os
import pty
import subprocess
from pathlib import Path

import pytest
from workbench import COMMAND, Workbench

PROGRAM = """
import pulumi
pulumi.ComponentResource("own:index:Thing", "thing")
pulumi.export("endpoints", ["of its own"])
"""


@pytest.fixture
def account(workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """An environment `dev` whose program needs no cloud, with its state in a folder."""
    for name in ("CI", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "backend").mkdir()
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "backend").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the team")
    (workbench.root / "stacks" / "__main__.py").write_text(PROGRAM)
    workbench.declare("dev", sandbox=None)
    return workbench


@pytest.mark.parametrize(
    ("variable", "value", "words", "fix"),
    [
        ("PULUMI_BACKEND_URL", "file:///nowhere/at/all", "no such file or directory", "a folder that exists"),
        ("PULUMI_CONFIG_PASSPHRASE", None, "passphrase must be set", "set PULUMI_CONFIG_PASSPHRASE"),
    ],
)
def test_the_engines_own_words_and_what_to_do(
    account: Workbench, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, words: str, fix: str
) -> None:
    monkeypatch.delenv(variable) if value is None else monkeypatch.setenv(variable, value)
    result = account.run("preview", "-e", "dev")
    assert result.returncode == 1
    assert result.stderr.count(words) == 1
    assert "preview of dev did not start. Fix: " in result.stderr
    assert fix in result.stderr


@pytest.mark.parametrize(
    "command", [("preview",), ("down", "--yes"), ("status",), ("invoke", "a", "{}"), ("bench", "a")]
)
def test_no_login(account: Workbench, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    result = account.run(*command, "-e", "dev")
    assert result.returncode == 1
    assert result.stderr.count("PULUMI_ACCESS_TOKEN must be set") == 1
    assert f"{command[0]} of dev did not start. Fix: run `" in result.stderr
    assert "Traceback" not in result.stderr


def test_another_passphrase_than_the_stack_s(account: Workbench) -> None:
    account.done("up", "-e", "dev", "--yes")
    result = account.run("up", "-e", "dev", "--yes", PULUMI_CONFIG_PASSPHRASE="another")
    assert result.returncode == 1
    assert result.stderr.count("incorrect passphrase") == 1
    assert "the passphrase that the stack was created with" in result.stderr


def test_a_state_whose_attributes_a_killed_run_left_empty(account: Workbench) -> None:
    account.done("up", "-e", "dev", "--yes")
    (attributes,) = account.root.rglob("stacks/**/dev.json.attrs")
    attributes.write_text("")
    result = account.run("up", "-e", "dev", "--yes")
    assert result.returncode == 1
    assert "failed to load checkpoint: EOF" in result.stderr
    assert "delete the empty `.attrs` files in the folder of PULUMI_BACKEND_URL" in result.stderr
    attributes.unlink()
    account.done("up", "-e", "dev", "--yes")


def test_an_error_of_the_program_is_printed_once_and_the_hint_names_the_command(account: Workbench) -> None:
    (account.root / "stacks" / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('one\\ntwo')\n")
    result = account.run("preview", "-e", "dev")
    assert result.returncode == 1
    assert [line.strip() for line in result.stderr.splitlines()].count("two") == 1
    assert result.stderr.count("error: one") == 2  # in the row of the stack, and under Diagnostics
    assert "an unhandled error" not in result.stderr
    assert "1 errored" in result.stderr
    assert "preview failed; the lines above say why.\n" in result.stderr


def test_up_and_down_ask_for_yes_without_a_terminal(account: Workbench) -> None:
    result = account.run("up", "-e", "dev")
    assert result.returncode == 2
    assert "--yes: is required without a terminal" in result.stderr
    assert "Previewing" not in result.stderr
    assert "2 created" in account.done("up", "-e", "dev", "--yes")
    assert "nothing changes" in account.done("up", "-e", "dev", "--yes")
    assert account.run("down", "-e", "dev").returncode == 2
    result = account.run("down", "-e", "dev", CI="true")
    assert result.returncode == 0
    assert "everything is deleted" in result.stderr


def at_a_terminal(workbench: Workbench, typed: str, *arguments: str) -> tuple[int, str]:
    """Runs `scaletozero` with a terminal on stdin, on which something is typed; its exit code and what it said."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [COMMAND, *arguments],
        cwd=workbench.root,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        os.write(ours, f"{typed}\n".encode())
        said, _ = process.communicate(timeout=600)
    for end in (ours, theirs):
        os.close(end)
    return process.returncode, said


def test_at_a_terminal_the_preview_is_shown_and_a_question_asked(account: Workbench) -> None:
    code, said = at_a_terminal(account, "n", "up", "-e", "dev")
    assert code == 1
    assert "own:index:Thing thing create" in " ".join(said.split())
    assert "2 to create in us-east-1. Deploy dev? [y/N]" in said
    assert "nothing was changed" in said
    code, said = at_a_terminal(account, "y", "up", "-e", "dev")
    assert (code, "2 created" in said) == (0, True)
    code, said = at_a_terminal(account, "n", "down", "-e", "dev")
    assert code == 1
    assert "2 to delete in us-east-1. Delete dev? [y/N]" in said
    assert "nothing changes, 2 resources" in account.done("up", "-e", "dev", "--yes")
    assert at_a_terminal(account, "y", "down", "-e", "dev")[0] == 0


def test_a_protected_environment_is_deleted_only_by_its_name(account: Workbench) -> None:
    account.declare("dev", sandbox=None, protect=True)
    account.done("up", "-e", "dev", "--yes")
    for more in ((), ("--yes",), ("--confirm", "prod")):
        result = account.run("down", "-e", "dev", *more, CI="true")
        assert result.returncode == 2, result.stderr
        assert "--confirm" in result.stderr
    code, said = at_a_terminal(account, "yes", "down", "-e", "dev", "--yes")
    assert (code, "nothing was changed" in said) == (1, True)
    assert "nothing changes, 2 resources" in account.done("up", "-e", "dev", "--yes")
    code, said = at_a_terminal(account, "dev", "down", "-e", "dev")
    assert code == 0, said
    account.done("up", "-e", "dev", "--yes")
    account.done("down", "-e", "dev", "--confirm", "dev")
