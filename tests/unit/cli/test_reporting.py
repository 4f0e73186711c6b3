"""`scaletozero residency`: the table, JSON with its digest, CSV with DORA's columns, the documents, and wrong use."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scaletozero.cli import app
from scaletozero.residency.report import DORA, IDENTITY, Row, as_csv, digest_of
from scaletozero.settings.residency import Residency

IMAGE = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/serving:1"
ENVIRONMENT = f"""
    region: eu-central-1
    residency:
      regions: [eu-central-1]
      exceptions:
        - {{allow: alerts-mail, reason: on call, approver: dpo, expires: 2027-01-31}}
    artifacts: {{kms_key_arn: "arn:aws:kms:eu-central-1:444455556666:key/abc"}}
    endpoints:
      sentences: {{artifact: a, image: "{IMAGE}"}}
      queue: {{kind: asynchronous, artifact: a, image: "{IMAGE}", instance_type: ml.g5.xlarge}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: own\nruntime: python\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config:\n  own:environment:{ENVIRONMENT}")
    plain = "config:\n  own:environment:\n    region: eu-central-1\n    endpoints: {}\n"
    (tmp_path / "Pulumi.plain.yaml").write_text(plain)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["residency", "-e", "prod", *arguments])


def test_the_table_says_where_what_is_and_what_holds_it(project: Path) -> None:
    done = run()
    assert done.exit_code == 0
    assert "eu-central-1 (DE)" in done.output
    assert "alerts-mail" in done.output
    assert "sha256" in done.output


def test_json_has_a_digest_of_its_canonical_form(project: Path) -> None:
    report = json.loads(run("--json").stdout)
    assert report["digest"] == digest_of(report)
    assert digest_of({**report, "environment": "other"}) != report["digest"]
    rests = {(row["endpoint"], row["data"]): row["rests_in"] for row in report["rows"]}
    assert rests["sentences", "prompts and responses"] == ""
    assert rests["queue", "prompts and responses"] == "eu-central-1"
    assert all(row["verify"] and row["enforced_by"] for row in report["rows"])
    assert json.loads(run("--json").stdout) == report


def test_csv_has_the_location_columns_of_doras_register(project: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("--csv").stdout)))
    assert {row[DORA["processing"]] for row in rows} == {"DE"}
    assert {row[DORA["storage"]] for row in rows} == {"DE", ""}


def test_csv_and_json_have_what_identifies_a_row_of_the_register(project: Path) -> None:
    empty = list(csv.DictReader(io.StringIO(run("--csv").stdout)))
    assert {row[column] for row in empty for column in IDENTITY.values()} == {""}
    assert not [row for row in json.loads(run("--json").stdout)["rows"] if IDENTITY["entity"] in row]
    register = '{contract: 2026-118, entity_lei: 213800WSGIIZCXF1P572, provider_lei: "5493000IBP32UQZ0KL24"}'
    with_register = ENVIRONMENT.replace("residency:\n", f"residency:\n      dora_register: {register}\n")
    (project / "Pulumi.prod.yaml").write_text(f"config:\n  own:environment:{with_register}")
    wanted = dict(
        zip(IDENTITY.values(), ("2026-118", "213800WSGIIZCXF1P572", "5493000IBP32UQZ0KL24", "LEI"), strict=True)
    )
    rows = list(csv.DictReader(io.StringIO(run("--csv").stdout)))
    assert len(rows) == len(empty)
    assert all(row.items() >= wanted.items() for row in [*rows, *json.loads(run("--json").stdout)["rows"]])
    assert [*rows[0]][-7:] == [*IDENTITY.values(), *DORA.values()]


def test_a_cell_is_no_formula() -> None:
    row = Row("=1+1", "logs", "eu-west-1", "eu-west-1", "", "", "", "", "", "")
    assert "'=1+1" in as_csv(Residency(regions=("eu-west-1",)), [row])


@pytest.mark.parametrize("guard", ["boundary", "scp"])
def test_a_document_for_aws_is_printed(project: Path, guard: str) -> None:
    document = json.loads(run("--guard", guard).stdout)
    assert document["Version"] == "2012-10-17"


def test_wrong_use_exits_with_2(project: Path) -> None:
    assert run("--json", "--csv").exit_code == 2
    assert run("--guard", "wall").exit_code != 0
    without = CliRunner().invoke(app, ["residency", "-e", "plain"])
    assert without.exit_code == 2
    assert "must have a `residency`" in without.output


def test_the_map_is_written_beside_the_table(project: Path) -> None:
    done = run("--svg", "map.svg")
    assert done.exit_code == 0
    assert "eu-central-1 (DE)" in done.output
    drawn = (project / "map.svg").read_text()
    assert drawn.startswith("<svg ")
    assert "alerts-mail: may leave until 2027-01-31 (dpo)" in drawn


def test_a_map_that_cannot_be_written_is_refused(project: Path) -> None:
    done = run("--svg", "nowhere/map.svg")
    assert done.exit_code == 2
    assert "--svg" in done.output
