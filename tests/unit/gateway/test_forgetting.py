"""Deleting a customer: nothing that names it is left, and what it used still adds up."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from scaletozero.cli import app
from scaletozero.cli import customers as commands
from scaletozero.environment.project import find_project
from scaletozero.environment.request_files import RequestFiles, erase
from scaletozero.environment.usage import read_works
from scaletozero.gateway.cache.store import CacheStore, Kept
from scaletozero.gateway.ledger.accounts import ConflictError, accounts_of
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.forgetting import AT_ONCE, OF_THE_DELETED, OpenError
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.usage import line_of

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
FIRST = date(2026, 11, 1)
SETTINGS = """\
config:
  demo:environment:
    region: us-east-1
    sandbox: {}
    endpoints:
      sentences: {artifact: artifacts/a, image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/serve:1"}
    gateway:
      models: {sentences: {endpoint: sentences}}
      customers:
        acme: {cap_usd_per_month: 10, models: [sentences]} # leaves
        globex: {cap_usd_per_month: 10, models: [sentences]}
"""


def fill(store: DynamoStore, customer: str, requests: int) -> None:
    """Requests at an endpoint, at an API, answered from the cache, and refused, on two days."""
    for index in range(requests):
        at = NOON + timedelta(days=index % 2, seconds=index)
        ledger = Ledger(store, clock=at.timestamp)
        lease = ledger.reserve(f"{customer}{index}".rjust(32, "0"), accounts_of(customer, None, 10**7, at), 100, 60)
        match index % 4:
            case 0:
                ledger.settle(lease, 3, target="sentences", asked="acme-sentences", milliseconds=20 + index)
            case 1:
                ledger.settle(
                    lease, 50, target="small", asked="api/m", priced_as="x/m", input_tokens=7, output_tokens=2
                )
            case 2:
                ledger.settle(lease, 1, target="small", cache="hit", cache_age=9)
            case _:
                ledger.release(lease, target="small", asked="api/m")


def used(store: DynamoStore) -> dict[Any, tuple[int, Decimal, int, int]]:
    """What was used of each target on each day, whoever it was."""
    found: dict[Any, tuple[int, Decimal, int, int]] = defaultdict(lambda: (0, Decimal(0), 0, 0))
    for each in read_works(store, FIRST):
        requests, seconds, tokens, micros = found[each.target, each.day]
        sums = requests + each.requests, seconds + each.seconds, tokens + each.tokens, micros + each.micros
        found[each.target, each.day] = sums
    return dict(found)


def everything(store: DynamoStore) -> str:
    client: Any = store._client  # pyright: ignore[reportPrivateUsage]
    return json.dumps(client.scan(TableName="ledger")["Items"])


def test_nothing_names_the_customer_and_the_sums_are_the_same(store: DynamoStore) -> None:
    fill(store, "acme", 2 * AT_ONCE + 20)
    fill(store, "globex", 8)
    before, of_globex = used(store), store.records("globex")
    assert store.forget("acme") == 2 * AT_ONCE + 20
    assert "acme" not in everything(store).replace("acme-sentences", "")
    assert used(store) == before
    assert store.records("globex") == of_globex
    assert {each.customer for each in read_works(store, FIRST)} == {"globex", OF_THE_DELETED}
    assert store.balance("acme", "M#2026-11") is None
    # A second one is added to the same sums.
    assert store.forget("globex") == 8
    assert used(store) == before
    assert store.forget("globex") == 0


def test_what_was_interrupted_goes_on(store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "acme", AT_ONCE + 10)
    before, transact, calls = used(store), store._transact, []  # pyright: ignore[reportPrivateUsage]

    def second_fails(items: Any, token: Any) -> Any:
        calls.append(items)
        if len(calls) == 2:
            raise ConflictError("throttled")
        return transact(items, token)

    monkeypatch.setattr(store, "_transact", second_fails)
    with pytest.raises(ConflictError):
        store.forget("acme")
    assert used(store) == before
    assert store.forget("acme") == 10
    assert used(store) == before


def test_open_requests_are_waited_for(store: DynamoStore) -> None:
    fill(store, "acme", 4)
    Ledger(store, clock=NOON.timestamp).reserve("f" * 32, accounts_of("acme", None, 10**7, NOON), 100, 60)
    with pytest.raises(OpenError):
        store.forget("acme")
    assert len(store.records("acme")) == 4


@pytest.fixture
def answers(store: DynamoStore) -> CacheStore:
    found = CacheStore(boto3.client("dynamodb", region_name="eu-central-1"), "answers")
    found.create_table()
    for key, customer in {"1": "acme", "2": "acme", "3": "globex"}.items():
        found.put(key, Kept(b"{}", "application/json", 100), 60, customer)
    return found


def test_only_the_customers_answers_are_erased(answers: CacheStore) -> None:
    assert answers.forget("acme") == 2
    assert [answers.get(each) is None for each in "123"] == [True, True, False]
    assert answers.forget("acme") == 0


@pytest.fixture
def project(tmp_path: Path, store: DynamoStore, answers: CacheStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").write_text(SETTINGS)
    monkeypatch.setattr(commands, "stores", lambda *_: (store, answers))
    s3 = boto3.client("s3", region_name="eu-central-1")
    where: Any = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket="own", CreateBucketConfiguration=where)
    s3.put_bucket_versioning(Bucket="own", VersioningConfiguration={"Status": "Enabled"})
    monkeypatch.setattr(commands, "erase_files", lambda _, name, __, customer: erase(s3, "own", name, customer))
    return tmp_path / "Pulumi.local.yaml"


def delete(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["customers", "delete", *arguments])


def customers() -> list[str]:
    gateway = find_project().environment("local", with_artifacts=False).gateway
    assert gateway
    return list(gateway.customers)


def test_the_command_deletes_it_everywhere(project: Path, store: DynamoStore) -> None:
    fill(store, "acme", 8)
    fill(store, "acme-two", 1)
    s3 = boto3.client("s3", region_name="eu-central-1")
    keys = [f"usage/local/requests/{each}/d.jsonl" for each in ("acme", "acme-two")]
    for _ in range(2):  # a day's file is written again, and its earlier version has the same content
        files = RequestFiles()
        for customer, record in store.usage(0):
            files.note(customer, record)
        assert files.upload(s3, "own", "local", "d") == keys
    now = int(datetime.now(UTC).timestamp())
    for customer in ("acme", "globex"):
        store.bodies().put(customer, "1" * 32, now - 60, 2**40, {"asked": "a"})
    shown = CliRunner().invoke(app, ["customers", "bodies", "acme", "--since", "2d"])
    assert [json.loads(each)["asked"] for each in shown.stdout.splitlines()] == ["a"]
    done = delete("acme", "--yes", "--json")
    assert len(list(store.bodies().read("globex", 0, now))) == 1
    assert list(store.bodies().read("acme", 0, now)) == []
    assert json.loads(done.stdout) == {"customer": "acme", "records": 8, "kept_answers": 2, "bodies": 1, "files": 1}
    assert customers() == ["globex"]
    assert store.records("acme") == []
    left = s3.list_object_versions(Bucket="own")
    assert {each.get("Key") for each in left["Versions"]} == {"usage/local/requests/acme-two/d.jsonl"}
    assert "DeleteMarkers" not in left


def test_an_exported_request_is_one_line_whatever_is_in_it(store: DynamoStore) -> None:
    fill(store, "acme", 1)
    ((customer, record),) = store.usage(0)
    line = line_of(customer, {**record, "target": 'x\n{"customer": "globex"}\u2028'})
    assert line.splitlines() == [line.removesuffix("\n")]
    found = json.loads(line)
    assert (found["customer"], found["id"], found["used"]) == ("acme", record["sk"], record["used"])
    assert found["at"].startswith("20")
    assert not {"pk", "sk", "ttl"} & found.keys()


def test_one_that_is_declared_no_more_can_still_be_deleted(project: Path, store: DynamoStore) -> None:
    fill(store, "initech", 4)
    assert (
        "initech: deleted 0 kept answers, bodies of 0 requests, 4 records, 0 files" in delete("initech", "--yes").stderr
    )


def test_of_a_customer_that_stays_only_the_answers_are_erased(project: Path, store: DynamoStore) -> None:
    fill(store, "acme", 8)
    assert "acme: deleted 2 kept answers, bodies of 0 requests." in delete("acme", "--kept-answers", "--yes").stderr
    assert (customers(), len(store.records("acme"))) == (["acme", "globex"], 8)


@pytest.mark.parametrize(
    ("arguments", "said"), [(("acm", "--yes"), "write `acme`"), (("acme",), "is required without a terminal")]
)
def test_what_is_refused_deletes_nothing(
    project: Path, store: DynamoStore, arguments: tuple[str, ...], said: str
) -> None:
    fill(store, "acme", 4)
    done = delete(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(store.records("acme")) == 4
    assert project.read_text() == SETTINGS


def test_an_open_request_is_said_and_the_settings_stay(project: Path, store: DynamoStore) -> None:
    Ledger(store).reserve("f" * 32, accounts_of("acme", None, 10**7, datetime.now(UTC)), 100, 60)
    done = delete("acme", "--yes")
    assert done.exit_code == 1
    assert "customers disable acme" in done.stderr
    assert project.read_text() == SETTINGS
