"""The table of the seeded leaks: what catches each at preview, and what holds it without Pulumi.

`python tests/unit/residency/test_leak_table.py` writes it to docs/residency-leaks.md, with `tests/support` on the path.
"""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from residency_holds import ADMISSION, CALLS, REASONS
from residency_leaks import ACCOUNT, HERE, LEAKS, LOCATIONS, THERE, at, ecr

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.residency import guard
from scaletozero.residency.closure import leaks
from scaletozero.sandbox.aws.iam.document import read_policy
from scaletozero.sandbox.aws.iam.evaluate import Policies, Principal, Request, decide
from scaletozero.settings.common import ArtifactStoreSettings
from scaletozero.settings.residency import Residency
from scaletozero.settings.serverless import ServerlessEndpointSettings

TODAY = date(2026, 11, 28)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "residency-leaks.md"
HELD = parse(Residency, {"regions": [HERE], "locations": LOCATIONS})
ROLE = Principal(f"arn:aws:iam::{ACCOUNT}:role/r", f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s")
EVERYTHING = read_policy({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
BOUNDARY = read_policy(guard.boundary(HELD))
CONTROLS = (EVERYTHING, read_policy(guard.service_control_policy(HELD)))

ENDPOINT: dict[str, Any] = {"artifact": "a", "image": ecr(HERE), "bucket": "models", "region": HERE}
CONSTRUCTORS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a provider in another Region": (ArtifactStoreSettings, {"region": THERE, "residency": [HERE]}),
    "a resource with a Region of its own": (ArtifactStoreSettings, {"region": THERE, "residency": [HERE]}),
    "serverless: an image of another Region": (ServerlessEndpointSettings, {**ENDPOINT, "image": ecr(THERE)}),
    "serverless: an alarm's topic": (
        ServerlessEndpointSettings,
        {**ENDPOINT, "alarms": {"notify": [at("sns", THERE, "ops")]}},
    ),
    "serverless: a key of another Region": (
        ServerlessEndpointSettings,
        {**ENDPOINT, "kms_key_arn": at("kms", THERE, "key/12345678-1234-1234-1234-123456789012")},
    ),
}
"""Case -> arguments of a component that declare the same, which its constructor refuses."""

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
    assert set(CONSTRUCTORS) <= set(LEAKS)


@every_leak
def test_it_is_caught_at_preview(case: str) -> None:
    assert leaks(LEAKS[case][0], HELD, TODAY)
    assert policy_pack(case)


@pytest.mark.parametrize("case", CALLS)
def test_the_call_that_makes_it_is_denied_without_pulumi(case: str) -> None:
    assert denied(case)


@pytest.mark.parametrize("case", CONSTRUCTORS)
def test_a_constructor_refuses_it(case: str) -> None:
    model, data = CONSTRUCTORS[case]
    with pytest.raises(FindingsError, match=THERE):
        parse(model, data, "it")


@pytest.mark.parametrize("case", ["a provider in another Region", "serverless: an image of another Region"])
def test_what_a_constructor_refuses_is_accepted_inside(case: str) -> None:
    model, data = CONSTRUCTORS[case]
    parse(model, {key: ecr(HERE) if key == "image" else HERE if key == "region" else data[key] for key in data}, "it")


def table() -> str:
    """The page, as Markdown."""
    lines = [
        "# Where each leak is caught",
        "",
        f"The tests seed {len(LEAKS)} ways out of a residency of one Region. The closure finds each at preview, and so",
        f"does the policy pack. {len(CALLS)} are denied by the permissions boundary and by the organisation's policy,",
        f"as the sandbox's evaluator decides; {len(ADMISSION)} are refused by the API server of a cluster; for",
        f"{len(REASONS)} the table says why nothing here holds them without Pulumi. This page is generated.",
        "",
        "| leak | constructor | closure | policy pack | held without Pulumi by | what is not held |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for case in LEAKS:
        if case in CALLS:
            call = CALLS[case]
            where = {HERE: "inside", THERE: "elsewhere"}.get(call.region, "with no Region")
            held, rest = f"IAM: `{call.action}` {where}", call.note or "-"
        elif case in ADMISSION:
            held, rest = "the API server", "-"
        else:
            held, rest = "nothing", REASONS[case]
        constructor = "yes" if case in CONSTRUCTORS else "-"
        found = "yes" if leaks(LEAKS[case][0], HELD, TODAY) else "no"
        lines.append(f"| {case} | {constructor} | {found} | {policy_pack(case)} | {held} | {rest} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == table()


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
