"""The table of the seeded leaks: what catches each at preview, and what holds it without Pulumi.

`python tests/unit/residency/test_leak_table.py` writes it to docs/residency-leaks.md, with `tests/support` on the path.
"""

import textwrap
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from residency_constructors import CONSTRUCTORS, INSIDE, build
from residency_holds import ADMISSION, AT_UPDATE, CALLS, REASONS
from residency_leaks import ACCOUNT, HERE, LEAKS, LOCATIONS, THERE

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.plugin import COMPONENTS
from scaletozero.residency import guard
from scaletozero.residency.catalogue import ROWS
from scaletozero.residency.closure import leaks
from scaletozero.sandbox.aws.iam.document import read_policy
from scaletozero.sandbox.aws.iam.evaluate import Policies, Principal, Request, decide
from scaletozero.settings.residency import Coverage, Residency

TODAY = date(2026, 11, 28)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "residency-leaks.md"
HELD = parse(Residency, {"regions": [HERE], "locations": LOCATIONS})
ROLE = Principal(f"arn:aws:iam::{ACCOUNT}:role/r", f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s")
EVERYTHING = read_policy({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
BOUNDARY = read_policy(guard.boundary(HELD))
CONTROLS = (EVERYTHING, read_policy(guard.service_control_policy(HELD)))

every_leak = pytest.mark.parametrize("case", LEAKS)


def policy_pack(case: str) -> str:
    """Which policies report it: one of resources sees it alone, or only the one of stacks does."""
    resources, _ = LEAKS[case]
    alone = any(leaks([each], HELD, TODAY, partial=True) for each in resources)
    return "resource" if alone else "stack" if leaks(resources, HELD, TODAY) else ""


def denied(case: str) -> bool:
    call = CALLS[case]
    request = Request(call.action, "*", ROLE, {"aws:requestedregion": call.region, **call.context})
    assert decide(request, Policies((EVERYTHING,))).allowed
    bounded = decide(request, Policies((EVERYTHING,), boundary=BOUNDARY)).allowed
    controlled = decide(request, Policies((EVERYTHING,), controls=(CONTROLS,))).allowed
    assert bounded == controlled
    return not bounded


def test_every_leak_has_one_row() -> None:
    rows = [*CALLS, *ADMISSION, *REASONS]
    assert sorted(rows) == sorted(LEAKS)
    assert set(CONSTRUCTORS) | set(AT_UPDATE) <= set(LEAKS)
    covered = {leak.covers for case in AT_UPDATE for leak in leaks(LEAKS[case][0], HELD, TODAY)}
    assert covered == set(Coverage)


@every_leak
def test_it_is_caught_at_preview(case: str) -> None:
    assert leaks(LEAKS[case][0], HELD, TODAY)
    assert policy_pack(case)


@pytest.mark.parametrize("case", CALLS)
def test_the_call_that_makes_it_is_denied_without_pulumi(case: str) -> None:
    assert denied(case)


REFUSED = [(case, component) for case, components in CONSTRUCTORS.items() for component in components]


@pytest.mark.parametrize(("case", "component"), REFUSED)
def test_a_constructor_refuses_it_before_anything_is_registered(
    case: str, component: str, run: Any, make_artifact: Any
) -> None:
    def program() -> None:
        with pytest.raises(FindingsError) as caught:
            build(component, CONSTRUCTORS[case][component], make_artifact)
        assert [found.path for found in caught.value.findings if found.path.startswith("it.")]
        # Each names the Region that it leads to, or the one that alone is allowed.
        assert all(THERE in str(found) for found in caught.value.findings)

    assert [each.typ for each in run(program).registered if not each.typ.startswith("pulumi:")] == []


@pytest.mark.parametrize("component", sorted(INSIDE))
def test_what_the_constructors_refuse_is_declared_inside(component: str, run: Any, make_artifact: Any) -> None:
    done = run(lambda: build(component, {}, make_artifact))
    assert len([each for each in done.registered if not each.typ.startswith("pulumi:")]) > 1


def test_every_component_that_declares_what_can_leak_has_its_case() -> None:
    # The prerequisites of a cluster and the guard declare what holds, and take their Regions as what they are for.
    others = {"ClusterPrerequisites", "ResidencyGuard"}
    assert {component for _, component in REFUSED} == set(INSIDE) == {each.__name__ for each in COMPONENTS} - others


INTRODUCTION = (
    f"The tests seed {len(LEAKS)} ways out of a residency of one Region. {len(CONSTRUCTORS)} of them can be written as "
    "arguments of a component, whose constructor refuses them before anything is registered. The closure finds each at "
    "preview, and so does the policy pack, called directly and through the engine at a preview of all of them at once. "
    f"An update ends at the first violation, so {len(AT_UPDATE)} of them, some of each coverage and of each kind of "
    "endpoint, are tried one by one, and all with `SCALETOZERO_LEAKS=all`. "
    "`resource` is a leak that the pack sees in the resource by itself, and denies at "
    "an update before it exists; `stack` is one that it sees only in the stack as a whole, at an update after it was "
    f"created. {len(CALLS)} are denied by the permissions boundary and by the organisation's policy, as the sandbox's "
    f"evaluator decides; {len(ADMISSION)} are refused by the API server of a cluster; for {len(REASONS)} the table "
    "says why nothing here holds them without Pulumi. This page is generated."
)


def table() -> str:
    """The page, as Markdown."""
    lines = [
        "# Where each leak is caught",
        "",
        textwrap.fill(INTRODUCTION, 120),
        "",
        "| leak | constructor | closure | policy pack | engine | held without Pulumi by | what is not held |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in LEAKS:
        if case in CALLS:
            call = CALLS[case]
            where = {HERE: "inside", THERE: "elsewhere"}.get(call.region, "with no Region")
            held, rest = f"IAM: `{call.action}` {where}", call.note or "-"
        elif case in ADMISSION:
            held, rest = "the API server", "-"
        else:
            held, rest = "nothing", REASONS[case]
        constructor = ", ".join(f"`{each}`" for each in CONSTRUCTORS.get(case, ())) or "-"
        found = "yes" if leaks(LEAKS[case][0], HELD, TODAY) else "no"
        engine = "preview, update" if case in AT_UPDATE else "preview"
        lines.append(f"| {case} | {constructor} | {found} | {policy_pack(case)} | {engine} | {held} | {rest} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == table()


def test_the_guide_has_the_same_figures() -> None:
    guide = " ".join(PAGE.with_name("residency.md").read_text(encoding="utf-8").split())
    packs = [policy_pack(case) for case in LEAKS]
    assert f"One table of {len(ROWS)} rows over {len({row.type for row in ROWS})} resource types" in guide
    assert f"The tests seed {len(LEAKS)} ways out" in guide
    assert f"reports {packs.count('resource')} for the resource by itself and one, " in guide
    assert packs.count("stack") == 1


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
