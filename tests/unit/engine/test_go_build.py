import subprocess
import threading

import pytest

from scaletozero.engine import go_build
from scaletozero.engine.go_build import GoModule, build, one_at_a_time, reason

MODULE = GoModule("example.org/tool", "v1.2.3", {"tool": "cmd/tool"})


def describe(*replaces: tuple[str, str, str], **requires: str) -> dict:
    return {
        "Require": [{"Path": path, "Version": version} for path, version in requires.items()],
        "Replace": [{"Old": {"Path": old}, "New": {"Path": new, "Version": v}} for old, new, v in replaces],
    }


def test_a_fork_stays_a_fork():
    described = describe(("a", "b", "v1.0.0"), a="v0.9.0")
    assert [*go_build._replacements(described, "")] == [("a", "b@v1.0.0")]


def test_a_replacement_of_one_version_stays_one_of_that_version():
    described = {"Replace": [{"Old": {"Path": "a", "Version": "v0.1.0"}, "New": {"Path": "a", "Version": "v0.2.0"}}]}
    assert [*go_build._replacements(described, "")] == [("a@v0.1.0", "a@v0.2.0")]


def test_a_sibling_that_is_published_is_left_to_its_own_version():
    assert [*go_build._replacements(describe(("a", "../a", ""), a="v3.6.14"), "v0.1.0")] == []


def test_a_sibling_without_a_version_gets_the_one_that_it_was_published_at():
    assert [*go_build._replacements(describe(("a", "./staging/a", ""), a="v0.0.0"), "v0.34.2")] == [("a", "a@v0.34.2")]


def test_a_module_that_replaces_nothing():
    assert [*go_build._replacements({"Require": None, "Replace": None}, "v0.34.2")] == []


def test_without_go_nothing_is_built_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="go is not installed"):
        build(MODULE, tmp_path / "bin", lambda line: None)
    assert not (tmp_path / "bin").exists()


def test_what_is_there_is_not_built_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").touch()
    build(MODULE, tmp_path / "bin", lambda line: pytest.fail(line))


def test_a_build_that_fails_leaves_no_program(tmp_path, monkeypatch):
    (tmp_path / "go").write_text("#!/bin/sh\necho 'go: no such module' >&2\nexit 1\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        build(MODULE, tmp_path / "bin", lambda line: None)
    assert reason(caught.value) == "go: no such module"
    assert not (tmp_path / "bin").exists()


GO = """#!/bin/sh
case "$1 $2" in
    "mod download") echo '{"GoMod": "go.mod"}' ;;
    "mod edit") echo '{}' ;;
    "list -deps") for i in 1 2 3 4 5 6 7 8 9 10; do echo package; done ;;
    "build -v")
        for i in 1 2 3 4 5; do echo package >&2; done
        while [ "$1" != -o ]; do shift; done
        echo program > "$2" ;;
esac
"""


def test_progress_goes_on_from_program_to_program(tmp_path, monkeypatch):
    (tmp_path / "go").write_text(GO)
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    said: list[str] = []
    build(GoModule("example.org/tools", "v1.2.3", {"a": "cmd/a", "b": "cmd/b"}), tmp_path / "bin", said.append)
    told = [int(line.split("compiled ")[1].split()[0]) for line in said if "compiled" in line]
    assert told == [*range(1, 11)]
    assert sorted(path.name for path in (tmp_path / "bin").iterdir()) == ["a", "b"]


def test_the_second_waits_for_the_first(tmp_path):
    said: list[str] = []
    order: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        waiting.set()

    def second() -> None:
        with one_at_a_time(tmp_path / "lock", say, "tool"):
            order.append("second")

    waiting = threading.Event()
    with one_at_a_time(tmp_path / "lock", lambda line: None, "tool"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(300)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert said == ["tool: waiting for another run, which is fetching it"]
