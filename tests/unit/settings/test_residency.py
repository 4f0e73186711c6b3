"""Where everything may be: every way to write it wrongly, and the lists that it is made of."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.partitions import SUPPORTED, is_region, partitions
from scaletozero.settings.geographies import COUNTRIES, GEOGRAPHIES, OPT_IN
from scaletozero.settings.residency import Residency, region_findings

EU = {"geography": "eu"}
EXCEPTION = {"allow": "a", "reason": "mail", "approver": "dpo", "expires": "2027-01-31"}


def refused(data: dict[str, Any]) -> str:
    with pytest.raises(FindingsError) as caught:
        parse(Residency, data, "residency")
    return str(caught.value)


@pytest.mark.parametrize(
    "data, path, said",
    [
        ({}, "residency.regions", "is required, or a geography"),
        ({"regions": []}, "residency.regions", "is required, or a geography"),
        ({"regions": ["eu-centrall-1"]}, "residency.regions.0", "write `eu-central-1`"),
        ({"regions": ["atlantis-1"]}, "residency.regions.0", "must be a Region of AWS"),
        ({"geography": "europe"}, "residency.geography", "must be one of eu, uk"),
        ({"geography": "eu-sovereing"}, "residency.geography", "write `eu-sovereign`"),
        ({**EU, "regions": ["eu-west-1"]}, "residency.geography", "must not be given together"),
        ({"regions": ["eu-west-1", "cn-north-1"]}, "residency.regions", "one partition"),
        ({"regions": ["us-iso-east-1"]}, "residency.regions", "one of the partitions aws, aws-us-gov"),
        ({**EU, "covers": []}, "residency.covers", "must not be empty"),
        ({**EU, "covers": ["disks"]}, "residency.covers.0", "must be"),
        ({**EU, "pinned": ["eu-central-1"]}, "residency.pinned", "changed since it was pinned"),
        ({"regions": ["eu-west-1"], "pinned": ["eu-west-1"]}, "residency.pinned", "is for a geography only"),
        ({**EU, "exceptions": [{**EXCEPTION, "reason": " "}]}, "residency.exceptions.0.reason", "must not be empty"),
        ({**EU, "exceptions": [{**EXCEPTION, "expires": "soon"}]}, "residency.exceptions.0.expires", ""),
        ({**EU, "exceptions": [{k: v for k, v in EXCEPTION.items() if k != "approver"}]}, "approver", "is required"),
        ({**EU, "exception": []}, "residency.exception", "write `exceptions`"),
        ({**EU, "dora_register": {}}, "residency.dora_register", "must not be empty"),
        ({**EU, "dora_register": {"lei": "x"}}, "residency.dora_register.lei", "is not a setting that exists here"),
        ({**EU, "dora_register": {"contract": " "}}, "residency.dora_register.contract", "must not be empty"),
        *(
            ({**EU, "dora_register": {"entity_lei": lei}}, "residency.dora_register.entity_lei", said)
            for lei, said in (
                ("213800WSGIIZCXF1P573", "whose check digits match"),
                ("213800WSGIIZCXF1P57", "18 capital letters or digits, and 2 check digits"),
                ("213800wsgiizcxf1p572", "18 capital letters or digits, and 2 check digits"),
                ("213800WSGIIZCXF1P57A", "18 capital letters or digits, and 2 check digits"),
                ("٢13800WSGIIZCXF1P572", "18 capital letters or digits, and 2 check digits"),
            )
        ),
        ({**EU, "locations": {"b": "mars-1"}}, "residency.locations.b", "must be a Region of AWS"),
    ],
)
def test_what_is_wrong_is_said_at_its_path(data: dict[str, Any], path: str, said: str) -> None:
    text = refused(data)
    assert path in text
    assert said in text


def test_a_pinned_list_says_what_changed() -> None:
    then = [*(each for each in GEOGRAPHIES["eu"] if each != "eu-south-2"), "eu-west-2"]
    text = refused({**EU, "pinned": then})
    assert "without eu-south-2 and with eu-west-2" in text
    parse(Residency, {**EU, "pinned": list(reversed(GEOGRAPHIES["eu"]))})


def test_an_exception_without_a_reason_names_what_is_missing() -> None:
    assert "reason: is required" in refused({**EU, "exceptions": [{k: EXCEPTION[k] for k in ("allow", "expires")}]})


def test_a_region_is_held_to_it() -> None:
    eu = parse(Residency, EU)
    assert not list(region_findings(None, "us-east-1", "region"))
    assert not list(region_findings(eu, "eu-central-1", "region"))
    assert "must be within the residency" in str(*region_findings(eu, "us-east-1", "region"))
    opted_out = str(*region_findings(eu, "eu-south-1", "region"))
    assert "that the account has enabled" in opted_out
    assert "opted_in: [eu-south-1]" in opted_out
    assert not list(region_findings(parse(Residency, {**EU, "opted_in": ["eu-south-1"]}), "eu-south-1", "region"))


@given(st.sampled_from([(name, region) for name, regions in GEOGRAPHIES.items() for region in regions]))
def test_a_geography_allows_each_of_its_regions_and_no_other(case: tuple[str, str]) -> None:
    geography, region = case
    residency = parse(Residency, {"geography": geography, "opted_in": [region]})
    assert not list(region_findings(residency, region, "region"))
    outside = [each for each in COUNTRIES if each not in GEOGRAPHIES[geography]]
    assert all(list(region_findings(residency, each, "region")) for each in outside)


def test_the_lists_are_of_regions_that_there_are_and_miss_none() -> None:
    named = {each for regions in GEOGRAPHIES.values() for each in regions} | OPT_IN | set(COUNTRIES)
    assert all(is_region(each) for each in named)
    # Announced in botocore's table with no endpoints yet, so of no geography either.
    announced = {"me-west-1", "sa-west-1"}
    public = {each for name in SUPPORTED for each in partitions()[name].regions}
    assert public - set(COUNTRIES) <= announced
    eu = {"AT", "BE", "DE", "ES", "FI", "FR", "IE", "IT", "NL", "PL", "PT", "SE"}
    assert {COUNTRIES[each] for each in GEOGRAPHIES["eu"]} <= eu
    assert [each for each in COUNTRIES if COUNTRIES[each] in eu and not each.startswith("eusc")] == list(
        GEOGRAPHIES["eu"]
    )


BODY = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=18, max_size=18)


def with_check_digits(body: str) -> str:
    """ISO/IEC 7064, MOD 97-10, as the standard writes it: the remainder of the body with two zeros, taken from 98."""
    return f"{body}{98 - int(''.join(str(int(each, 36)) for each in f'{body}00')) % 97:02}"


@given(BODY, st.integers(0, 19), st.integers(0, 9), st.sampled_from(["entity_lei", "provider_lei"]))
def test_a_wrong_character_of_an_lei_is_refused(body: str, at: int, other: int, key: str) -> None:
    lei = with_check_digits(body)
    assert getattr(parse(Residency, {**EU, "dora_register": {key: lei}}).dora_register, key) == lei
    kind = "0123456789" if lei[at].isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    wrong = f"{lei[:at]}{kind[(kind.index(lei[at]) + 1 + other % (len(kind) - 1)) % len(kind)]}{lei[at + 1 :]}"
    assert "whose check digits match" in refused({**EU, "dora_register": {key: wrong}})


@pytest.mark.parametrize("lei", ["213800WSGIIZCXF1P572", "5493000IBP32UQZ0KL24", "5493001KJTIIGC8Y1R12"])
def test_published_leis_are_accepted(lei: str) -> None:
    parse(Residency, {**EU, "dora_register": {"entity_lei": lei}})


def test_dates_are_dates() -> None:
    residency = parse(Residency, {**EU, "exceptions": [EXCEPTION]})
    assert residency.exceptions[0].expires == date(2027, 1, 31)
