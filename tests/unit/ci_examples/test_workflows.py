"""The pipelines of `examples/ci`: each is what its host accepts, and gives nothing to whom it does not know."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from snippets import accept, commands
from workbench import ROOT

FOLDER = ROOT / "examples" / "ci"
GITHUB = sorted((FOLDER / "github").glob("*.yml"))
GITLAB = sorted((FOLDER / "gitlab").glob("*.yml"))
SCHEMAS = {**dict.fromkeys(GITHUB, "vendor.github-workflows"), **dict.fromkeys(GITLAB, "vendor.gitlab-ci")}


def named(paths: list[Path]) -> list[Any]:
    return [pytest.param(path, id=path.name) for path in paths]


def checked(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "--data-transform", "gitlab-ci"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True)


def read(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text())


def scripts(path: Path) -> list[str]:
    """What the jobs of a file run."""
    content = read(path)
    if path in GITHUB:
        return [step["run"] for job in content["jobs"].values() for step in job["steps"] if "run" in step]
    jobs = [job for job in content.values() if isinstance(job, dict) and "script" in job]
    return ["\n".join(job["script"]) for job in jobs]


def test_there_are_some() -> None:
    assert [path.name for path in GITHUB] == ["cold-starts.yml", "comment.yml", "deploy.yml", "preview.yml"]
    assert [path.name for path in GITLAB] == ["gitlab-ci.yml"]


@pytest.mark.parametrize("path", named([*GITHUB, *GITLAB]))
def test_its_host_s_schema_accepts_it(path: Path) -> None:
    found = checked(path, SCHEMAS[path])
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("path", named([*GITHUB, *GITLAB]))
def test_the_schema_refuses_a_key_that_does_not_exist(path: Path, tmp_path: Path) -> None:
    wrong = tmp_path / path.name
    text = path.read_text()
    wrong.write_text(
        text.replace("    runs-on:", "    runs_on:") if path in GITHUB else text.replace("rules:", "rulse:")
    )
    assert checked(wrong, SCHEMAS[path]).returncode == 1


@pytest.mark.parametrize("path", named([*GITHUB, *GITLAB]))
def test_the_shell_parses_what_it_runs_and_the_commands_exist(path: Path) -> None:
    for script in scripts(path):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        for line in re.findall(r"scaletozero [^\n()]*", script.replace("\\\n", " ")):
            for words in commands(re.sub(r'"\$\{arguments\[@\]\}"', "", line)):
                accept(words)


@pytest.mark.parametrize("path", named([*GITHUB, *GITLAB]))
def test_no_key_is_kept(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"secrets\.|AWS_ACCESS_KEY|AWS_SECRET|PULUMI_ACCESS_TOKEN|aws-access-key", text)


@pytest.mark.parametrize("path", named(GITHUB))
def test_every_action_is_pinned_to_a_commit_and_says_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    for each in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)


def test_an_action_is_pinned_to_the_same_commit_everywhere() -> None:
    used = {each for path in GITHUB for each in re.findall(r"uses: (.*)", path.read_text())}
    assert len({each.partition("@")[0] for each in used}) == len(used)


@pytest.mark.parametrize("path", named(GITHUB))
def test_nothing_is_granted_that_a_job_does_not_name(path: Path) -> None:
    content = read(path)
    assert content["permissions"] == {}
    for job in content["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 60


@pytest.mark.parametrize("path", named(GITHUB))
def test_no_text_of_a_stranger_becomes_a_part_of_a_script(path: Path) -> None:
    assert not [script for script in scripts(path) if "${{" in script]


def test_a_token_goes_to_the_right_jobs_only() -> None:
    granted = {path.stem: next(iter(read(path)["jobs"].values()))["permissions"] for path in GITHUB}
    assert granted["preview"] == {"contents": "read", "id-token": "write"}
    assert granted["deploy"] == granted["cold-starts"] == {"contents": "read", "id-token": "write"}
    assert granted["comment"] == {"actions": "read", "contents": "read", "pull-requests": "write"}


def test_the_one_that_may_write_runs_nothing_of_the_pull_request() -> None:
    content = read(FOLDER / "github" / "comment.yml")
    # YAML 1.1 reads `on` as true.
    assert content[True] == {"workflow_run": {"workflows": ["preview"], "types": ["completed"]}}
    checkout = next(step for step in content["jobs"]["comment"]["steps"] if "checkout" in step.get("uses", ""))
    assert checkout["with"] == {"persist-credentials": False}
    assert "pull_request_target" not in "".join(path.read_text() for path in GITHUB)


def test_a_fork_is_previewed_on_the_sandbox_and_takes_no_role() -> None:
    steps = read(FOLDER / "github" / "preview.yml")["jobs"]["preview"]["steps"]
    (role,) = [step for step in steps if "configure-aws-credentials" in step.get("uses", "")]
    assert role["if"] == "env.FORK != 'true'"
    (preview,) = [step["run"] for step in steps if step.get("name") == "Preview"]
    assert 'if [ "$FORK" = true ]; then arguments+=(--sandbox); fi' in preview
    assert "--sandbox" in read(GITLAB[0])["preview"]["script"][-1]


def test_the_exit_status_of_the_preview_is_the_job_s() -> None:
    for path in (FOLDER / "github" / "preview.yml", GITLAB[0]):
        (script,) = [each for each in scripts(path) if "--format markdown" in each]
        assert script.strip().splitlines()[-1].strip().startswith("scaletozero preview")


def test_only_the_main_branch_deploys_and_one_at_a_time() -> None:
    github = read(FOLDER / "github" / "deploy.yml")
    assert github[True] == {"push": {"branches": ["main"]}}
    assert github["concurrency"] == {"group": "deploy", "cancel-in-progress": False}
    gitlab = read(GITLAB[0])["deploy"]
    assert gitlab["rules"] == [{"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}]
    assert gitlab["resource_group"]
