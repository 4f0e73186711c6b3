"""The estimate of an environment: every kind, to the cent; what cannot be priced; what the stack keeps."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pulumi
import pytest
from gpu_environment import environment as gpu_environment
from small_artifact import small_artifact
from small_checkpoint import small_checkpoint

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.estimate import estimate_environment, stack_estimate
from scaletozero.environment.read import read_environment
from scaletozero.environment.settings import Environment
from scaletozero.spending.api_models import token_price
from scaletozero.spending.estimate import Estimate
from scaletozero.spending.prices import shipped
from scaletozero.spending.traffic import Assumptions

US = "us-east-1"
IMAGE = f"123456789012.dkr.ecr.{US}.amazonaws.com/serving:1"


def read(root: Path, region: str = US, **endpoints: Any) -> Environment:
    image = IMAGE.replace(US, region)
    declared = {name: {"artifact": "model", "image": image, **each} for name, each in endpoints.items()}
    return read_environment({"region": region, "endpoints": declared, "sandbox": {}}, root)


def estimated(environment: Environment, **assumed: Any) -> Estimate:
    return estimate_environment(environment, Assumptions(**assumed), shipped())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_artifact(tmp_path, "model", content=b"w" * 2_000_000, recommended_mb=2048)
    return tmp_path


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def test_serverless(root: Path) -> None:
    found = estimated(read(root, a={"scaling": {"max": 5}}), requests_per_month=1_000_000, seconds=0.5)
    (each,) = found.endpoints
    # 1,000,000 x 0.5 s x 2 GB x $0.00002 = $20.00, and 5 GB x $0.016 = $0.08.
    assert cents(each.expected) == Decimal("20.08")
    assert cents(each.per_thousand) == Decimal("0.02")
    assert (each.kind, each.size) == ("serverless", "2048 MB x 5")
    # 5 x 2 GB x 3,600 s x $0.00002 = $0.72, and 36,000 requests of 5,000 B.
    assert cents(each.worst_per_hour) == Decimal("0.72")
    # The archive in S3 is the only thing that costs without a request.
    assert 0 < each.fixed < Decimal("0.0001")
    assert [other.alternative for other in each.break_even] == ["asynchronous, ml.t2.medium"]


def test_provisioned_alarms_and_warm_calls(root: Path) -> None:
    office = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 1}
    found = estimated(
        read(
            root,
            provisioned={"scaling": {"min": 1, "max": 5}},
            alarmed={"alarms": {}},
            called={"scaling": {"warm_by": "calls"}, "schedule": [office]},
        ),
        requests_per_month=0,
    )
    provisioned, alarmed, called = found.endpoints
    assert cents(provisioned.fixed) == Decimal("26.28")  # 730 h x 3,600 x 2 GB x $0.000005
    assert alarmed.fixed > Decimal("0.3")
    assert (alarmed.fixed * 10).quantize(Decimal("0.01")) % 1 == 0  # ten cents for each metric
    assert {item.what for item in called.cost.items} == {  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        "storage of the model",
        "calls that keep it warm",
        "the function that calls",
        "its invocations",
    }
    assert Decimal(0) < called.fixed < Decimal("0.05")
    assert called.expected == called.fixed


def test_asynchronous(root: Path) -> None:
    declared = {"kind": "asynchronous", "instance_type": "ml.g5.xlarge", "scaling": {"max": 3}}
    (each,) = estimated(read(root, a=declared), requests_per_month=100_000, seconds=2).endpoints
    # A request every 26 s never leaves an instance idle for 600 s: 730 x $1.408 = $1,027.84; its alarm is $0.10.
    assert cents(each.expected) == Decimal("1027.94")
    assert cents(each.worst_per_hour) == Decimal("4.22")
    assert {other.alternative for other in each.break_even} == {"gpu, g5.xlarge"}


def test_gpu(tmp_path: Path) -> None:
    small_checkpoint(tmp_path / "artifact")
    declared = gpu_environment(
        tmp_path / "artifact", llm__gpu={"types": ["g6.xlarge"]}, llm__scaling={"max": 2, "buffer": 1}
    )
    environment = read_environment(declared, tmp_path)
    (each,) = estimated(environment, requests_per_month=100_000).endpoints
    # The node of the buffer, always: 730 x $1.0064 = $734.67; the other is never idle: as much again.
    assert cents(each.fixed) == Decimal("734.67")
    assert cents(each.expected) == Decimal("1469.34")
    assert each.worst_per_hour == 3 * Decimal("1.0064") == Decimal(str(opened_usd(environment)))
    assert [str(finding.path) for finding in each.unpriced] == ["price of s3 storage-gb-month"]


def opened_usd(environment: Environment) -> float:
    """What the endpoint's own output `usd_per_hour` says."""
    return environment.opened["llm"].plan.derived.usd_per_hour


def with_gateway(root: Path, region: str = US, spending: dict[str, Any] | None = None, **function: Any) -> Environment:
    image = IMAGE.replace(US, region)
    openai = {"base_url": "https://api.openai.com/v1", "model": "m", "secret": "key", "price": "openai/gpt-5-mini"}
    declared = {
        "region": region,
        "endpoints": {"a": {"artifact": "model", "image": image, "scaling": {"max": 2}}},
        "gateway": {
            "models": {"a": {"endpoint": "a"}, "b": {"provider": openai}},
            "customers": {"acme": {"cap_usd_per_month": 5, "models": ["a"]}},
            "function": function,
        },
        **({"spending": spending} if spending else {}),
    }
    return read_environment(declared, root)


def test_a_gateway_as_a_function(root: Path) -> None:
    found = estimated(with_gateway(root, concurrency=4), requests_per_month=1_000_000, seconds=0.5)
    gateway = found.gateway
    assert gateway
    # Of the endpoint and of the model behind an API: 2,000,000 requests x 0.5 s x 1 GB x $0.00001667 = $16.67; each is
    # an invocation ($0.40), 10 writes ($12.50), 2 kB of logs ($2.00), and a record of 1 kB for 400 days ($11.84).
    assert gateway.traffic.requests == 2_000_000
    assert cents(gateway.expected) == Decimal("43.81")
    # Four metrics of alarms: nothing else costs while nobody asks.
    assert gateway.fixed == Decimal("0.4")
    assert (gateway.kind, gateway.size, gateway.unpriced) == ("function", "1024 MB x 4", ())
    # 4 x 3,600 s / 0.5 s = 28,800 requests of $0.0000217.
    assert cents(gateway.worst_per_hour) == Decimal("0.63")
    (endpoint,) = found.endpoints
    assert found.expected == endpoint.expected + gateway.expected
    assert found.worst_per_hour == endpoint.worst_per_hour + gateway.worst_per_hour
    assert found.summary()["gateway"]["fixed_usd_per_month"] == 0.4
    assert set(gateway.rows) <= set(found.rows)


def test_a_gateway_without_prices_is_said(root: Path) -> None:
    found = estimated(with_gateway(root, "eu-central-1"))
    assert found.gateway
    assert "price of dynamodb write-request" in {each.path for each in found.gateway.unpriced}
    assert not found.as_json()["total"]["complete"]


def test_the_worst_case_of_a_gateway_is_held_to_the_cap_by_its_own(root: Path) -> None:
    spending = {"cap_usd_per_month": 3000}
    with pytest.raises(FindingsError) as caught:
        with_gateway(root, spending=spending, concurrency=1000)
    assert "the most of it is gateway's, by its `concurrency`: write a cap as `gateway`" in str(caught.value)
    held = {**spending, "gateway": 50, "guard": {"emails": ["team@example.com"]}}
    found = estimated(with_gateway(root, spending=held, concurrency=1000)).gateway
    assert found
    assert (found.cap, found.detector_seconds) == (50, 485 + 2 * 660)


@pytest.mark.parametrize(
    ("spending", "function", "path"),
    [
        ({"gateway": 5}, None, "spending.gateway"),
        ({"gateway": 5000}, {}, "spending.cap_usd_per_month"),
        ({"gateway": 0}, {}, "spending.gateway"),
        ({"guard": {"emails": ["team@example.com"]}}, {}, "spending.guard"),
    ],
)
def test_a_cap_of_a_gateway_that_would_hold_nothing_is_refused(
    root: Path, spending: dict[str, Any], function: dict[str, Any] | None, path: str
) -> None:
    gateway = {"models": {"a": {"endpoint": "a"}}, **({} if function is None else {"function": function})}
    declared = {
        "region": US,
        "sandbox": {},
        "endpoints": {"a": {"artifact": "model", "image": IMAGE}},
        "gateway": {**gateway, "customers": {"acme": {"cap_usd_per_month": 5, "models": ["a"]}}},
        "spending": {"cap_usd_per_month": 1000, **spending},
    }
    with pytest.raises(FindingsError) as caught:
        parse(Environment, declared, "")
    assert [each.path for each in caught.value.findings] == [path]


def test_a_region_without_a_row_is_not_priced_and_the_row_is_named(root: Path) -> None:
    found = estimated(read(root, "eu-central-1", a={}, b={}))
    assert found.endpoints == ()
    assert [name for name, _ in found.unpriced] == ["a", "b"]
    (finding,) = found.unpriced[0][1]
    assert finding.path == "price of sagemaker.serverless gb-second"
    assert finding.rule == "must have a row for eu-central-1"
    assert found.as_json()["total"]["complete"] is False


def test_a_model_behind_an_api_is_compared_where_there_are_tokens(root: Path) -> None:
    environment, model = read(root, a={}), token_price("anthropic/claude-haiku-4-5")
    with_tokens = estimate_environment(
        environment, Assumptions(input_tokens=300, output_tokens=100), shipped(), [model]
    )
    assert "anthropic/claude-haiku-4-5" in [each.alternative for each in with_tokens.endpoints[0].break_even]
    without = estimate_environment(environment, Assumptions(), shipped(), [model])
    assert "anthropic/claude-haiku-4-5" not in [each.alternative for each in without.endpoints[0].break_even]


def test_the_stack_keeps_the_figures(root: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, exported = read(root, a={"scaling": {"max": 5}}), {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    run(lambda: declare_environment(environment, root))
    kept = exported["estimate"]
    assert kept == estimated(environment).summary()
    assert json.loads(json.dumps(kept)) == kept
    assert stack_estimate({"estimate": kept}) == kept
    assert stack_estimate({}) is None


def test_an_own_table_that_is_wrong_is_a_finding_of_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "prices.json").write_text("none")
    monkeypatch.setenv("SCALETOZERO_PRICES", str(root / "prices.json"))
    with pytest.raises(FindingsError, match=r"prices.json: must be a price table in JSON"):
        read(root, a={})


class TestCap:
    """The `spending` of an environment: refused, warned of, or kept."""

    def declared(self, **spending: Any) -> dict[str, Any]:
        endpoints = {"a": {"artifact": "model", "image": IMAGE, "scaling": {"max": 5}}}
        return {"region": US, "endpoints": endpoints, "sandbox": {}, "spending": spending}

    def test_a_worst_case_above_it_fails(self, root: Path) -> None:
        with pytest.raises(FindingsError) as caught:
            read_environment(self.declared(cap_usd_per_month=100, endpoints={"a": 50}), root)
        paths = [each.path for each in caught.value.findings]
        assert paths == ["environment.spending.endpoints.a", "environment.spending.cap_usd_per_month"]

    def test_it_is_left_to_whoever_only_looks(self, root: Path) -> None:
        declared = self.declared(cap_usd_per_month=100)
        assert read_environment(declared, root, gated=False).spending
        assert read_environment(declared, None).spending

    def test_a_high_one_is_kept_and_estimated(self, root: Path) -> None:
        environment = read_environment(self.declared(cap_usd_per_month=5000, endpoints={"a": 4000}), root)
        found = estimated(environment)
        assert (found.cap, found.endpoints[0].cap) == (5000, 4000)
        assert found.summary()["total"]["cap_usd_per_month"] == 5000
        assert found.hours_to_cap == 5000 / found.worst_per_hour

    def test_the_program_refuses_it_too_and_warns_where_it_shall(
        self, root: Path, run: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing = parse(Environment, self.declared(cap_usd_per_month=100))
        with pytest.raises(FindingsError, match=r"must be at least the worst case"):
            declare_environment(failing, root)
        warned: list[str] = []
        monkeypatch.setattr(pulumi.log, "warn", warned.append)
        warning = read_environment(self.declared(cap_usd_per_month=100, enforce="warn"), root)
        run(lambda: declare_environment(warning, root))
        assert len(warned) == 1
        assert "must be at least the worst case" in warned[0]

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"spending": None}, "environment.spending"),
            ({"spending": {"cap_usd_per_month": 9000, "endpoints": {"aa": 5}}}, "environment.spending.endpoints.aa"),
            ({"spending": {"cap_usd_per_month": 1, "endpoints": {"a": 5}}}, "environment.spending.cap_usd_per_month"),
        ],
    )
    def test_what_is_written_wrongly_is_refused_without_a_look_at_artifacts(
        self, changes: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(FindingsError) as caught:
            read_environment({**self.declared(cap_usd_per_month=1), **changes}, None)
        assert [each.path for each in caught.value.findings] == [path]

    def test_a_region_without_prices_cannot_be_capped(self, root: Path) -> None:
        declared = self.declared(cap_usd_per_month=5000)
        image = IMAGE.replace(US, "eu-central-1")
        declared |= {"region": "eu-central-1", "endpoints": {"a": {"artifact": "model", "image": image}}}
        with pytest.raises(FindingsError, match=r"needs every price of a: price of sagemaker.serverless gb-second"):
            read_environment(declared, root)
