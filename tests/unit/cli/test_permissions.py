"""`status --permissions`: what the sandbox recorded, as a table and as JSON."""

import json

import pytest

from model_packaging.findings import FindingsError
from scaletozero.cli.permissions import show_permissions
from scaletozero.sandbox import daemon
from scaletozero.sandbox.credentials import Credentials

SANDBOX = daemon.Sandbox(1, "http://127.0.0.1:1", "http://127.0.0.1:2", Credentials("key", "secret"))
REPORT = {
    "serve": {
        "arn": "arn:aws:iam::123456789012:role/serve",
        "used": ["s3:GetObject"],
        "statements": [
            {"name": "ReadArtifact", "actions": ["s3:GetObject"], "unused": []},
            {"name": "WriteMetrics", "actions": ["cloudwatch:PutMetricData"], "unused": ["cloudwatch:PutMetricData"]},
        ],
    }
}


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "permissions", lambda _: REPORT)


def test_each_statement_is_a_row_and_the_last_line_counts(capsys: pytest.CaptureFixture[str]) -> None:
    show_permissions("local", SANDBOX, as_json=False)
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert "WriteMetrics" in text
    assert "local: 1 roles; 1 of 2 statements allow something that was never used." in text


def test_as_json_it_is_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    show_permissions("local", SANDBOX, as_json=True)
    assert json.loads(capsys.readouterr().out) == REPORT


def test_without_a_sandbox_it_says_where_to_ask() -> None:
    with pytest.raises(FindingsError, match="IAM Access Analyzer"):
        show_permissions("prod", None, as_json=False)
