"""The price table: what it holds, what it refuses, and whose rows count."""

import json
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from scaletozero.settings.regions import regions_of
from scaletozero.spending.price_rows import OUTLIER, Price, as_table, read_rows
from scaletozero.spending.prices import (
    BY_HAND,
    HOSTING,
    SERVERLESS,
    VARIABLE,
    own_file,
    price,
    prices,
    shipped,
    stale,
    stale_warning,
)

ROW = {
    "service": "ec2",
    "sku": "g5.xlarge",
    "region": "us-east-1",
    "unit": "h",
    "amount": "1.006",
    "source": "somebody",
    "date": "2026-11-01",
    "confidence": "published",
}


def file_of(*rows: dict[str, Any], **changed: Any) -> str:
    return json.dumps({"schema": 2, "currency": "USD", "rows": list(rows), **changed})


def refused(text: str) -> list[str]:
    with pytest.raises(FindingsError) as caught:
        read_rows(text, "prices.json")
    return [str(each) for each in caught.value.findings]


def test_the_shipped_table_is_as_it_would_be_written() -> None:
    text = resources.files("scaletozero.spending").joinpath("prices.json").read_text(encoding="utf-8")
    assert as_table(read_rows(text, "prices.json")) == text
    assert len(text) < 200_000


def test_every_region_of_the_table_is_one_of_sagemaker() -> None:
    assert {region for _, _, region in shipped().rows} <= set(regions_of("sagemaker"))


def test_a_missing_row_is_a_finding_that_names_it() -> None:
    with pytest.raises(FindingsError) as caught:
        price("sagemaker.serverless", "gb-second", "eu-central-1")
    (found,) = caught.value.findings
    assert found.path == "price of sagemaker.serverless gb-second"
    assert found.rule == "must have a row for eu-central-1"
    assert found.fix.startswith("`scaletozero prices refresh --region eu-central-1`")
    assert found.fix.endswith("priced so far: us-east-1")


@pytest.mark.parametrize("region", sorted(regions_of("sagemaker")))
def test_every_region_of_sagemaker_has_each_price_or_a_finding_that_says_how_to_get_it(region: str) -> None:
    table = shipped()
    for service, sku in {(service, sku) for service, sku, _ in table.rows if service in (SERVERLESS, HOSTING)}:
        if (row := table.find(service, sku, region)) is not None:
            assert row.region == region
            assert row.amount > 0
            continue
        with pytest.raises(FindingsError) as caught:
            table.price(service, sku, region)
        (found,) = caught.value.findings
        assert str(found).startswith(f"price of {service} {sku}: must have a row for {region}")
        refreshed = (service, sku) not in BY_HAND
        assert found.fix.startswith(f"`scaletozero prices refresh --region {region}`") is refreshed
        assert "add the row to prices.json" in found.fix


def test_amounts_are_exact() -> None:
    (row,) = read_rows(file_of({**ROW, "amount": "0.00001170"}), "prices.json")
    assert row.amount == Decimal("0.0000117")
    (row,) = read_rows(file_of(ROW).replace('"1.006"', "0.1"), "prices.json")
    assert row.amount * 3 == Decimal("0.3")


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity", "-Infinity", "10001", "1e9", "one", True, None])
def test_an_amount_that_is_no_price_is_refused(amount: Any) -> None:
    (found,) = refused(file_of({**ROW, "amount": amount}))
    assert found.startswith("prices.json.rows.0.amount: must ")


def test_a_number_that_is_none_in_json_is_refused() -> None:
    (found,) = refused(file_of(ROW).replace('"1.006"', "NaN"))
    assert found.startswith("prices.json.rows.0.amount: must be more than 0")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no json", "prices.json: must be a price table in JSON"),
        ("[]", "prices.json"),
        ("[" * 100_000, "prices.json: must be a price table in JSON"),
        (file_of(ROW, currency="EUR"), "prices.json.currency: must be 'USD', got EUR"),
        (file_of(ROW, schema=1), "prices.json.schema: must be 2, got 1"),
        (file_of({**ROW, "confidence": "guess"}), "prices.json.rows.0.confidence: must be 'api', 'published' or"),
        (file_of({**ROW, "date": "yesterday"}), "prices.json.rows.0.date: "),
        (file_of({**ROW, "usd": 1}), "prices.json.rows.0.usd: is not a setting that exists here"),
        (file_of({**ROW, "source": ""}), "prices.json.rows.0.source: must not be empty"),
        (file_of(ROW, ROW), "prices.json: ec2 g5.xlarge us-east-1: must be there once, got 2 rows"),
    ],
)
def test_what_is_no_table_is_refused(text: str, wanted: str) -> None:
    assert refused(text)[0].startswith(wanted)


@given(factor=st.decimals("0.02", "50", places=4))
def test_a_price_near_its_neighbours_is_taken(factor: Decimal) -> None:
    other = {**ROW, "region": "eu-west-1", "amount": str(Decimal("1.006") * factor)}
    assert len(read_rows(file_of(ROW, other), "prices.json")) == 2


@given(factor=st.decimals(OUTLIER, 9000, places=2), by_family=st.booleans(), below=st.booleans())
def test_a_price_a_hundred_times_its_neighbours_is_refused(factor: Decimal, by_family: bool, below: bool) -> None:
    amount = Decimal("1.006") / factor if below else Decimal("1.006") * factor
    changed = [{"sku": f"g5.{size}xlarge"} if by_family else {"region": f"eu-west-{size}"} for size in (1, 2)]
    others = [ROW, {**ROW, **changed[0]}]
    (found,) = refused(file_of(*others, {**ROW, **changed[1], "amount": f"{amount:f}"}))
    assert "must be less than 100 times its neighbours" in found


def test_another_unit_or_service_is_no_neighbour() -> None:
    rows = (
        ROW,
        {**ROW, "region": "eu-west-1", "unit": "s", "amount": "0.0003"},
        {**ROW, "service": "x", "amount": "9"},
    )
    assert len(read_rows(file_of(*rows), "prices.json")) == 3


class TestOwnTable:
    """A project's own rows."""

    @pytest.fixture
    def project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv(VARIABLE, raising=False)
        (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
        (tmp_path / "deeper").mkdir()
        monkeypatch.chdir(tmp_path / "deeper")
        return tmp_path

    def test_without_one_it_is_the_shipped_one(self, project: Path) -> None:
        assert own_file() is None
        assert prices() is shipped()

    def test_it_replaces_row_by_row_and_a_change_counts_at_once(self, project: Path) -> None:
        new = {**ROW, "service": "sagemaker.serverless", "sku": "gb-second", "region": "eu-central-1", "unit": "GB-s"}
        (project / "prices.json").write_text(file_of({**new, "amount": "0.000023"}, {**ROW, "amount": "1.1"}))
        assert price("sagemaker.serverless", "gb-second", "eu-central-1").amount == Decimal("0.000023")
        assert price("ec2", "g5.xlarge", "us-east-1").amount == Decimal("1.1")
        assert price("ec2", "g6.xlarge", "us-east-1") == shipped().price("ec2", "g6.xlarge", "us-east-1")
        (project / "prices.json").write_text(file_of({**ROW, "amount": "1.25", "source": "somebody else"}))
        assert price("ec2", "g5.xlarge", "us-east-1").amount == Decimal("1.25")

    def test_the_variable_comes_first(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (project / "prices.json").write_text("no table")
        (project / "other.json").write_text(file_of({**ROW, "amount": "1.3"}))
        monkeypatch.setenv(VARIABLE, str(project / "other.json"))
        assert price("ec2", "g5.xlarge", "us-east-1").amount == Decimal("1.3")

    def test_a_row_far_from_the_shipped_ones_is_refused(self, project: Path) -> None:
        (project / "prices.json").write_text(file_of({**ROW, "amount": "130"}))
        with pytest.raises(FindingsError, match=r"ec2 g5.xlarge us-east-1: must be less than 100 times"):
            prices()

    def test_a_file_that_is_not_there_is_refused(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, "nowhere.json")
        with pytest.raises(FindingsError, match=r"nowhere.json"):
            prices()


def test_rows_over_ninety_days_are_stale_and_the_oldest_is_named() -> None:
    rows = [Price.model_validate({**ROW, "region": region}) for region in ("us-east-1", "us-west-2")]
    old = rows[1].model_copy(update={"date": date(2026, 10, 1)})
    at = rows[0].date + timedelta(days=90)
    assert stale([rows[0], old], at) == [old]
    assert stale_warning([rows[0]], at) == ""
    assert stale_warning([old], at) == (
        "1 price is older than 90 days (the oldest: ec2 g5.xlarge us-west-2, 2026-10-01): `scaletozero prices refresh`"
    )
    assert stale_warning([*rows, old], at + timedelta(days=1)).startswith("3 prices are older")
