"""The comment on a merge request, printed by the command on the real engine; the guide shows these."""

import pytest
from small_artifact import small_artifact
from snippets import snippets_of
from workbench import IMAGE, ROOT, Workbench

PRINTED = [
    each.text for each in snippets_of(ROOT / "docs" / "ci.md") if each.text.startswith("<!-- scaletozero preview")
]
FORK = ("preview", "-e", "prod", "--sandbox", "--format", "markdown", "--against", "before.json")


@pytest.fixture
def fork(workbench: Workbench) -> Workbench:
    """A merge request of a fork: what the target branch costs is known, and no account is."""
    small_artifact(workbench.root, "sentences", recommended_mb=2048)
    declare(workbench, {"max": 5})
    (workbench.root / "before.json").write_text(workbench.run("estimate", "-e", "prod", "--json").stdout)
    return workbench


def declare(workbench: Workbench, scaling: dict[str, int], cap: int = 3000) -> None:
    endpoint = {"artifact": "sentences", "image": IMAGE, "scaling": scaling}
    spending = {"cap_usd_per_month": cap}
    workbench.declare("prod", sandbox=None, endpoints={"sentences": endpoint}, spending=spending)


def test_a_change_that_costs_more(fork: Workbench) -> None:
    declare(fork, {"min": 1, "max": 5})
    found = fork.run(*FORK)
    assert found.returncode == 0, found.stderr
    assert found.stdout == PRINTED[0]
    assert not (fork.root / ".scaletozero" / "sandbox.json").exists()


def test_a_change_that_is_refused(fork: Workbench) -> None:
    declare(fork, {"min": 1, "max": 20})
    found = fork.run(*FORK)
    assert found.returncode == 2
    assert found.stdout == PRINTED[1]
    assert "error: environment.spending.cap_usd_per_month" in found.stderr


def test_an_error_of_the_program_is_in_the_comment(fork: Workbench) -> None:
    program = "import pulumi\npulumi.log.warn('an `old` <b>')\nraise pulumi.RunError('``` @all <!-- x')\n"
    (fork.root / "stacks" / "__main__.py").write_text(program)
    found = fork.run(*FORK)
    assert found.returncode == 1
    assert "#### Errors\n\n````text\n" in found.stdout
    assert found.stdout.count("@all") == 1
    assert "- an `old` `<b>`\n" in found.stdout
    assert "to create" not in found.stdout
