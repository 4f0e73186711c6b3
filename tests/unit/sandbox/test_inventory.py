"""What an environment has created, as written down: lines that a kill may end anywhere."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.inventory import Created, Inventory, deployed, forget_all, inventory_file

ROLE = Created("aws:iam/role:Role", None, "serve", {"name": "serve"})
KEY = Created("aws:kms/key:Key", "eu-central-1", None, {"tagsAll": {"stack": "acme/dev"}})


def test_what_is_created_is_live_until_it_is_deleted_or_has_failed(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "deployed" / "dev.jsonl")
    assert inventory.live() == []
    inventory.begin(ROLE)
    key = inventory.begin(KEY)
    failed = inventory.begin(ROLE)
    inventory.failed(failed)
    assert inventory.live() == [ROLE, KEY]
    inventory.made(key, "k-1")
    made = Created(KEY.kind, KEY.region, "k-1", KEY.properties)
    assert inventory.live() == [ROLE, made]
    inventory.gone(Created(KEY.kind, "us-east-1", "k-1"))
    assert inventory.live() == [ROLE, made]
    inventory.gone(Created(KEY.kind, KEY.region, "k-1"))
    assert inventory.live() == [ROLE]


def test_objects_of_one_key_in_two_buckets_are_two(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "dev.jsonl")
    for bucket in ("a", "b"):
        inventory.begin(Created("object", "x", "key", {"bucket": bucket}))
    inventory.gone(Created("object", "x", "key", {"bucket": "a"}))
    assert [each.properties for each in inventory.live()] == [{"bucket": "b"}]


@given(st.integers(0, 400))
def test_a_line_that_a_kill_has_cut_off_counts_for_nothing(tmp_path_factory, cut: int) -> None:
    path = tmp_path_factory.mktemp("inventory") / "dev.jsonl"
    inventory = Inventory(path)
    inventory.begin(ROLE)
    whole = path.read_bytes()
    inventory.begin(KEY)
    path.write_bytes(path.read_bytes()[: len(whole) + cut])
    assert inventory.live() in ([ROLE], [ROLE, KEY])
    inventory.begin(KEY)
    assert inventory.live()[-1] == KEY


def test_environments_are_deployed_from_the_first_word_to_the_last(tmp_path: Path) -> None:
    assert deployed(tmp_path) == []
    for name in ("dev", "a.b"):
        Inventory(inventory_file(tmp_path, name)).open()
    Inventory(inventory_file(tmp_path, "preview")).attach().close()
    assert deployed(tmp_path) == ["a.b", "dev"]
    Inventory(inventory_file(tmp_path, "dev")).close()
    assert deployed(tmp_path) == ["a.b"]
    forget_all(tmp_path)
    assert deployed(tmp_path) == []
