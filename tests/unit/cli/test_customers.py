"""`scaletozero customers`: what is written to the settings file, read back, and refused."""

import json
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scaletozero.cli import app
from scaletozero.environment import customers
from scaletozero.environment.project import find_project
from scaletozero.gateway.keys import KeyRing, RefusedKeyError, key_hash
from scaletozero.settings.gateway import Customer

FILE = """\
# Who may ask.
config:
  demo:environment:
    region: us-east-1
    sandbox: {}  # embedded
    endpoints:
      sentences: {artifact: artifacts/a, image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/serve:1"}
    gateway:
      models:
        sentences: {endpoint: sentences}
      customers:
        # Signed in March.
        globex:
          cap_usd_per_month: 10.50   # as agreed
          models: [sentences]
          keys:
            - sha256:1111111111111111111111111111111111111111111111111111111111111111  # the first
            - sha256:2222222222222222222222222222222222222222222222222222222222222222
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    path = tmp_path / "Pulumi.local.yaml"
    path.write_text(FILE)
    return path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["customers", *arguments])


def declared() -> dict[str, Customer]:
    gateway = find_project().environment("local", with_artifacts=False).gateway
    assert gateway
    return dict(gateway.customers)


def refused(*arguments: str) -> str:
    before = Path("Pulumi.local.yaml").read_text()
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert Path("Pulumi.local.yaml").read_text() == before
    return done.stderr


def test_a_customer_is_added_and_its_key_is_shown_once(path: Path) -> None:
    done = run(
        "add", "acme", "--cap-usd-per-month", "50", "--cap-usd-per-day", "0.000003", "--model", "sentences",
        "--endpoint", "sentences", "--requests-per-minute", "60", "--concurrency", "4", "--expires", "2027-06-30",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    key = done.stdout.strip()
    assert "acme: active, $50 a month, $0.000003 a day, 1 key. Written to Pulumi.local.yaml" in done.stderr
    acme = declared()["acme"]
    assert (acme.requests_per_minute, acme.concurrency, acme.endpoints) == (60, 4, ("sentences",))
    assert KeyRing(declared()).customer(key, date(2027, 6, 30)) == "acme"
    with pytest.raises(RefusedKeyError, match="expired"):
        KeyRing(declared()).customer(key, date(2027, 7, 1))
    assert key not in path.read_text()
    assert key_hash(key) in path.read_text()


def test_what_else_is_in_the_file_stays_as_it_was(path: Path) -> None:
    run("caps", "globex", "--cap-usd-per-month", "12.25")
    changed = FILE.replace("10.50", "12.25")
    assert path.read_text() == changed
    run("add", "acme", "--cap-usd-per-month", "50", "--model", "sentences")
    assert path.read_text().startswith(changed + "        acme:\n          cap_usd_per_month: 50\n")


def test_of_keys_the_newest_stays_valid_until_the_next_rotation() -> None:
    first = run("rotate", "globex").stdout.strip()
    assert declared()["globex"].keys == ("sha256:" + 64 * "2", key_hash(first))
    second = run("rotate", "globex").stdout.strip()
    assert declared()["globex"].keys == (key_hash(first), key_hash(second))


def test_a_key_that_leaked_is_revoked() -> None:
    made = json.loads(run("rotate", "globex", "--revoke", "--json").stdout)
    assert declared()["globex"].keys == (key_hash(made["key"]),)
    assert made["keys"] == 1


def test_a_customer_is_disabled_and_enabled_again(path: Path) -> None:
    assert json.loads(run("disable", "globex", "--json").stdout)["state"] == "disabled"
    assert declared()["globex"].disabled
    assert "globex: active" in run("enable", "globex").stderr
    assert path.read_text() == FILE


def test_caps_are_changed_and_read_back() -> None:
    shown = json.loads(run("caps", "globex", "--cap-usd-per-month", "80", "--cap-usd-per-day", "2", "--json").stdout)
    assert (shown["cap_usd_per_month"], shown["cap_usd_per_day"], "key" in shown) == (80, 2, False)
    assert json.loads(run("caps", "globex", "--no-day", "--json").stdout)["cap_usd_per_day"] is None
    assert declared()["globex"].cap_usd_per_day is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "globex", "--cap-usd-per-month", "5", "--model", "sentences"), "must be a name that is not taken"),
        (("add", "acme", "--cap-usd-per-month", "5"), "customers.acme.models: or `endpoints` is required"),
        (("add", "acme", "--cap-usd-per-month", "-5", "--model", "sentences"), "acme.cap_usd_per_month"),
        (("add", "acme", "--cap-usd-per-month", "nan", "--model", "sentences"), "acme.cap_usd_per_month"),
        (("add", "acme", "--cap-usd-per-month", "5", "--model", "sentence"), "write `sentences`"),
        (("add", "Acme!", "--cap-usd-per-month", "5", "--model", "sentences"), "must begin with a lower-case letter"),
        (("add", "acme", "--cap-usd-per-month", "5", "--model", "sentences", "--expires", "soon"), "acme.expires"),
        (("rotate", "globx"), "write `globex`"),
        (("disable", "nobody"), "must be a customer of the environment"),
        (("caps", "globex"), "or --cap-usd-per-day or --no-day is required"),
        (("caps", "globex", "--cap-usd-per-day", "11"), "must be at most `cap_usd_per_month`"),
        (("caps", "globex", "--cap-usd-per-day", "1", "--no-day"), "must not be given with --no-day"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(*arguments)


def test_an_environment_without_a_gateway_is_refused(path: Path) -> None:
    path.write_text(FILE.partition("    gateway:")[0])
    assert "must have a `gateway`" in refused("add", "acme", "--cap-usd-per-month", "5", "--model", "sentences")


def test_a_mapping_that_others_share_is_not_changed(path: Path) -> None:
    path.write_text(FILE + "        initech: &same {cap_usd_per_month: 5, models: [sentences]}\n        hooli: *same\n")
    assert "change it by hand" in refused("caps", "hooli", "--cap-usd-per-month", "9")


def test_the_file_keeps_its_permissions_and_a_link_stays_a_link(path: Path) -> None:
    real = path.with_name("elsewhere.yaml")
    path.rename(real)
    real.chmod(0o640)
    path.symlink_to(real)
    assert run("disable", "globex").exit_code == 0
    assert path.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert declared()["globex"].disabled


def test_a_write_that_another_program_undoes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    replace: Callable[..., None] = customers._replace  # pyright: ignore[reportPrivateUsage]

    def undone(path: Path, text: str) -> None:
        replace(path, text)
        path.write_text(FILE)

    monkeypatch.setattr(customers, "_replace", undone)
    assert "must have what was written" in refused("disable", "globex")
