"""The guard of an environment: which endpoints are closed at their caps, what the estimate says, what is refused."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from gpu_environment import environment as gpu_environment
from small_artifact import small_artifact
from small_checkpoint import small_checkpoint

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment
from scaletozero.spending.prices import shipped
from scaletozero.spending.traffic import Assumptions

US = "us-east-1"
IMAGE = f"123456789012.dkr.ecr.{US}.amazonaws.com/serving:1"
ROLE = "arn:aws:iam::123456789012:role/gateway"
GUARD: dict[str, Any] = {"callers": [ROLE], "emails": ["team@example.com"]}
ENDPOINTS: dict[str, Any] = {
    "sentences": {"artifact": "model", "image": IMAGE},
    "documents": {"artifact": "model", "image": IMAGE, "kind": "asynchronous", "instance_type": "ml.g5.xlarge"},
}
SPENDING: dict[str, Any] = {
    "cap_usd_per_month": 100,
    "endpoints": {"sentences": 30, "documents": 70},
    "guard": GUARD,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_artifact(tmp_path, "model", content=b"w" * 2_000, recommended_mb=2048)
    return tmp_path


def written(spending: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    return {"region": US, "endpoints": ENDPOINTS, **({"spending": spending} if spending else {}), **changes}


def findings(spending: dict[str, Any], root: Path | None = None) -> list[str]:
    with pytest.raises(FindingsError) as caught:
        read_environment(written(spending), root)
    return [str(each) for each in caught.value.findings]


def test_caps_far_below_the_worst_case_hold_where_the_guard_closes_at_them(root: Path, run) -> None:
    environment = read_environment(written(SPENDING), root)
    found = {each.name: each for each in estimate_environment(environment, Assumptions(), shipped()).endpoints}
    assert float(found["sentences"].detector_seconds or 0) == 545
    assert float(found["documents"].detector_seconds or 0) == 4385
    for each in found.values():
        assert each.overshoot == each.worst_per_hour / 3600 * (each.detector_seconds or 0)
        assert each.as_json()["stopped_by"] == "the spending guard"
    done = run(lambda: declare_environment(environment, root))
    guarded = json.loads(done.one("lambda/function:Function")["environment"]["variables"]["ENDPOINTS"])
    assert {each["endpoint"] for each in guarded.values()} == {"acme-dev-sentences", "acme-dev-documents-async"}
    assert len(done.of("budgets/budget:Budget")) == 3
    limits = sorted(each.inputs["threshold"] for each in done.of(":MetricAlarm") if "metricQueries" in each.inputs)
    assert all(0 < limit <= cap / 31 for limit, cap in zip(limits, (30, 70), strict=True))


def test_the_sandbox_has_the_guard_without_budgets(root: Path, run) -> None:
    spending = {**SPENDING, "guard": {**GUARD, "anomalies_above_usd": 10}}
    on_account = read_environment(written(spending), root)
    assert len(run(lambda: declare_environment(on_account, root)).service("costexplorer")) == 2
    environment = read_environment(written(spending, sandbox={}), root)
    done = run(lambda: declare_environment(environment, root))
    assert done.service("budgets") == done.service("costexplorer") == []
    assert len(done.of(":EventRule")) == 2


def test_an_environment_without_one_declares_nothing_more(root: Path, run) -> None:
    def types(spending: dict[str, Any] | None) -> list[str]:
        done = run(lambda: declare_environment(read_environment(written(spending), root), root))
        return sorted(each.typ for each in done.registered)

    assert types(None) == types({"cap_usd_per_month": 10**6, "endpoints": {"sentences": 10**6}})


def test_an_endpoint_without_a_cap_of_its_own_is_not_kept(root: Path) -> None:
    (text,) = findings({**SPENDING, "endpoints": {"sentences": 30}}, root)
    assert text.startswith("environment.spending.cap_usd_per_month: must be at least the caps of the endpoints under")


def test_nothing_stops_a_gpu_endpoint_but_its_maximum(tmp_path: Path) -> None:
    """No guard closes it by itself, so that its cap has to hold its worst case, a guard or not."""
    small_checkpoint(tmp_path / "artifact")
    types = {"llm__gpu": {"types": ["g6.xlarge"]}, "llm__scaling": {"max": 2}}
    worst = 2 * Decimal("1.0064") * 24 * 31
    guard = {"emails": ["team@example.com"]}
    for cap, refused in ((1497, True), (1498, False)):
        assert (cap < worst) is refused
        spending = {"cap_usd_per_month": 5000, "endpoints": {"llm": cap}, "guard": guard}
        declared = gpu_environment(tmp_path / "artifact", **types, spending=spending)
        found: list[str] = []
        try:
            assert read_environment(declared, tmp_path).guarded == ()
        except FindingsError as error:
            found = [str(each) for each in error.findings]
        assert [each.partition(":")[0] for each in found] == ["environment.spending.endpoints.llm"] * refused
        assert all("nothing would stop it" in each and "lower `scaling.max`" in each for each in found)


def test_a_cap_below_what_is_paid_anyway_is_refused_once(root: Path) -> None:
    provisioned = {**ENDPOINTS["sentences"], "scaling": {"min": 1, "max": 5}}
    environment = written({**SPENDING, "cap_usd_per_month": 5000, "endpoints": {"sentences": 20}})
    with pytest.raises(FindingsError) as caught:
        read_environment({**environment, "endpoints": {"sentences": provisioned}}, root)
    (found,) = caught.value.findings
    assert found.path == "environment.spending.endpoints.sentences"
    assert "must be at least what is paid without a request" in found.rule


@pytest.mark.parametrize(
    ("guard", "path", "rule"),
    [
        ({"emails": ["team@example.com"]}, "guard.callers", "requires `callers`"),
        ({"callers": [ROLE]}, "guard.emails", "must tell somebody"),
        ({**GUARD, "emails": ["team@"]}, "guard.emails.0", "must be an address"),
        ({**GUARD, "window_hours": 7}, "guard.window_hours", "must be a whole part of a day"),
        ({**GUARD, "topic_arn": "arn:aws:sns:eu-west-1:123456789012:a"}, "guard.topic_arn", "must be a topic in"),
        ({**GUARD, "budget": 5}, "guard.budget", "is not a setting"),
        (None, "guard", "must not be empty"),
    ],
)
def test_a_guard_that_would_keep_nothing_is_refused(guard: Any, path: str, rule: str) -> None:
    (text,) = findings({**SPENDING, "guard": guard})
    assert text.startswith(f"environment.spending.{path}: ")
    assert rule in text


def test_a_guard_without_the_cap_of_an_endpoint_is_refused() -> None:
    (text,) = findings({"cap_usd_per_month": 100, "guard": GUARD})
    assert text.startswith("environment.spending.guard: requires `endpoints`")


def test_more_endpoints_than_a_role_can_be_denied() -> None:
    many = {f"e{n}": ENDPOINTS["sentences"] for n in range(11)}
    spending = {**SPENDING, "endpoints": dict.fromkeys(many, 1)}
    with pytest.raises(FindingsError) as caught:
        parse(Environment, {"region": US, "endpoints": many, "spending": spending}, "")
    assert [found.path for found in caught.value.findings if "under the guard" in found.rule] == ["spending.endpoints"]
