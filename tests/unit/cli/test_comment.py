"""The comment on a merge request: what it says, how long it is at most, and that it is found again."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_artifact import small_artifact

from model_packaging.findings import Finding
from scaletozero.cli.comment import LONGEST, Change, PreviewReport, comment, marker
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.read import read_environment
from scaletozero.spending.estimate import Estimate
from scaletozero.spending.prices import prices
from scaletozero.spending.traffic import Assumptions

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    small_artifact(folder, "model", recommended_mb=2048)
    return folder


def estimated(folder: Path, *maxima: int, **settings: Any) -> Estimate:
    """The estimate of an environment with an endpoint for each maximum."""
    endpoints = {
        f"e{at}": {"artifact": "model", "image": IMAGE, "scaling": {"max": most}} for at, most in enumerate(maxima)
    }
    data = {"region": "us-east-1", "endpoints": endpoints, **settings}
    return estimate_environment(read_environment(data, folder, gated=False), Assumptions(), prices())


def test_the_counts_and_a_row_for_each_change() -> None:
    changes = (
        Change("delete", "old", "aws:iam:Role"),
        Change("replace", "b", "aws:sagemaker:Model", ("primaryContainer",)),
        Change("update", "a", "aws:sagemaker:Endpoint", tuple("qwertz")),
        Change("create", "new", "aws:iam:Role"),
        Change("import", "found", "aws:iam:Role"),
    )
    text = comment(PreviewReport("dev", "shop", "eu-central-1", changes=changes, unchanged=12))
    assert "### Preview of `dev` in `eu-central-1`\n" in text
    assert "**1 to create, 1 to update, 1 to replace, 1 to delete, 1 to import**, 12 unchanged." in text
    assert "| update | `a` | `aws:sagemaker:Endpoint` | `q`, `w`, `e`, `r`, `t` and 1 more |" in text
    assert "| replace | `b` | `aws:sagemaker:Model` | `primaryContainer` |" in text
    assert "`scaletozero up -e dev` does it" in text
    assert text.index("| create |") < text.index("| update |") < text.index("| replace |") < text.index("| delete |")


def test_nothing_changes() -> None:
    assert "**Nothing changes**, 18 resources are as declared." in comment(PreviewReport("dev", unchanged=18))


def test_the_cost_before_and_after_and_the_worst_case(folder: Path) -> None:
    before = estimated(folder, 10).summary()
    text = comment(PreviewReport("dev", estimate=estimated(folder, 20, 5), before=before))
    assert "| worst an hour | `$4.32` | `$10.81` | `+$6.49` |" in text
    assert "| worst in a month of 31 days | `$3,214.08` | `$8,035.21` | `+$4,821.13` |" in text
    assert "| without a request, a month | `$0.00` | `$0.00` | none |" in text
    assert "| `e0` | serverless, 2048 MB x 20 |" in text
    assert "<summary>2 endpoints</summary>" in text


def test_what_costs_the_same_is_not_said_to_differ(folder: Path) -> None:
    found = estimated(folder, 10)
    text = comment(PreviewReport("dev", estimate=found, before=found.summary()))
    assert "| worst an hour | `$4.33` | `$4.33` | none |" in text
    assert "(was" not in text


def test_what_is_removed_makes_it_cheaper(folder: Path) -> None:
    before = estimated(folder, 10, 10).summary()
    text = comment(PreviewReport("dev", estimate=estimated(folder, 10), before=before))
    assert re.search(r"worst an hour \| `\$8.64` \| `\$4.33` \| `-\$4.32`", text)
    assert "- no longer: e1, expected `$0.01` a month" in text
    nothing = comment(PreviewReport("dev", estimate=estimated(folder), before=before))
    assert "`-$8.64`" in nothing


def test_before_the_first_deployment_there_is_nothing_before(folder: Path) -> None:
    text = comment(PreviewReport("dev", estimate=estimated(folder, 10)))
    assert "| worst an hour | - | `$4.33` | - |" in text


def test_the_cap_is_among_the_figures(folder: Path) -> None:
    now = estimated(folder, 10, spending={"cap_usd_per_month": 5000})
    text = comment(PreviewReport("dev", estimate=now, before=estimated(folder, 10).summary()))
    assert "| cap a month | none | `$5,000.00` |  |" in text
    text = comment(PreviewReport("dev", estimate=estimated(folder, 10), before=now.summary()))
    assert "| cap a month | `$5,000.00` | none |  |" in text


def test_a_refused_one_shows_every_finding_and_no_changes(folder: Path) -> None:
    findings = (
        Finding("environment.region", "must be a region", "mars", "nothing would be there", "write `eu-central-1`"),
        Finding("environment.endpoints.a.memry", "is not a setting that exists here"),
    )
    report = PreviewReport("dev", findings=findings, failed=True, changes=(Change("create", "a", "b"),))
    text = comment(report)
    assert "### Preview of `dev`: it would fail\n" in text
    assert (
        "- `environment.region`: must be a region, got `mars`; nothing would be there. Fix: write `eu-central-1`\n"
    ) in text
    assert "- `environment.endpoints.a.memry`: is not a setting that exists here\n" in text
    assert "to create" not in text
    assert "Nothing was deployed" in text


def test_errors_and_warnings_of_the_engine_are_shown_once() -> None:
    text = comment(PreviewReport("dev", errors=("no", "no"), warnings=("old", "old"), failed=True))
    assert text.count("```text\nno\n```") == 1
    assert text.count("\n- old") == 1


def test_on_the_embedded_aws_everything_is_new_once() -> None:
    new = PreviewReport("dev", on_sandbox=True, changes=(Change("create", "a", "b"),))
    assert "every resource is new there" in comment(new)
    assert "every resource is new there" not in comment(replace(new, unchanged=1))


def test_each_environment_of_each_project_has_a_comment_of_its_own() -> None:
    named = [
        ("shop", "dev"),
        ("shop", "prod"),
        ("search", "dev"),
        ("", "dev"),
        ("a-", "-b"),
        ("a", "--b"),
        ("x", "\udcff"),
    ]
    markers = [marker(PreviewReport(name, project)) for project, name in named]
    assert markers[0] == "<!-- scaletozero preview: shop/dev -->"
    assert len(set(markers)) == len(named)
    for each in markers:
        assert "--" not in each.removeprefix("<!--").removesuffix("-->")


@given(st.text(), st.text(max_size=100))
def test_a_marker_is_one_comment_of_html(project: str, name: str) -> None:
    made = marker(PreviewReport(name or "x", project))
    assert re.fullmatch(r"<!-- scaletozero preview: [\w.~%/-]+ -->", made)
    assert "--" not in made.removeprefix("<!--").removesuffix("-->")


def test_it_is_never_longer_than_github_accepts(folder: Path) -> None:
    odd = "`|@\u202e" * 3000
    many = Finding(odd, odd, odd, odd, odd)
    report = PreviewReport(
        odd,
        odd,
        odd,
        findings=(many,) * 500,
        errors=tuple(f"{n}{odd}" for n in range(500)),
        warnings=tuple(f"{n}{odd}" for n in range(500)),
        estimate=estimated(folder, *[1] * 300, quotas={"serverless_endpoints": 300, "concurrency": 300}),
        before={"total": {"cap_usd_per_month": 1e15}, "endpoints": {f"{n}{odd}": {} for n in range(500)}},
    )
    changes = tuple(Change("create", f"{n}{odd}", odd, (odd,) * 9) for n in range(5000))
    for each in (replace(report, failed=True), replace(report, changes=changes)):
        text = comment(each)
        assert len(text) <= LONGEST
        assert text.startswith("<!-- scaletozero preview: ")
