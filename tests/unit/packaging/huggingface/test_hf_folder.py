"""What a Hugging Face folder may hold, and every way in which one is refused."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.findings import FindingsError
from model_packaging.huggingface import hf_folder

INDEX = "model.safetensors.index.json"
Llama = Callable[..., Path]


def rejected(folder: Path) -> str:
    with pytest.raises(FindingsError) as error:
        hf_folder.read(folder)
    return str(error.value)


def edit(path: Path, change: Callable[[dict], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_folder(llama: Llama) -> None:
    folder = hf_folder.read(llama())
    assert folder.carried == ("LICENSE", "config.json", "tokenizer.json")
    assert folder.parameters == 2 * 96 * 128 + 128 + 2 * (4 * 128 * 128 + 3 * 128 * 256 + 2 * 128)


def test_a_sharded_folder(llama: Llama) -> None:
    folder = hf_folder.read(llama(shards=3))
    assert [name[:13] for name in folder.shards] == ["model-00001-o", "model-00002-o", "model-00003-o"]
    assert INDEX not in folder.carried


def test_a_module_folder_of_sentence_transformers(llama: Llama) -> None:
    path = llama()
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text("{}")
    assert "1_Pooling/config.json" in hf_folder.read(path).carried


def test_code_is_not_carried(llama: Llama) -> None:
    path = llama()
    (path / "modeling_llama.py").write_text("print()")
    assert "modeling_llama.py" not in hf_folder.read(path).carried


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "must be a folder" in rejected(tmp_path / "none")


def test_a_file_for_a_folder(llama: Llama) -> None:
    assert "must be a folder" in rejected(llama() / "config.json")


def test_no_config(llama: Llama) -> None:
    path = llama()
    (path / "config.json").unlink()
    assert "must contain a config.json" in rejected(path)


@pytest.mark.parametrize(
    ("text", "rule"), [("{", "must be JSON"), ("[]", "must be a JSON object"), ("\xff", "must be JSON")]
)
def test_a_config_that_is_none(llama: Llama, text: str, rule: str) -> None:
    path = llama()
    (path / "config.json").write_text(text, encoding="latin-1")
    assert rule in rejected(path)


@pytest.mark.parametrize(
    "settings", [{"auto_map": {"AutoModel": "m.M"}}, {"text_config": {"auto_map": {"AutoModel": "m.M"}}}]
)
def test_code_named_by_the_config(llama: Llama, settings: dict) -> None:
    assert "must not name code to run on load (auto_map), got AutoModel" in rejected(llama(settings=settings))


def test_code_named_by_the_tokenizer(llama: Llama) -> None:
    path = llama()
    (path / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["t.T", null]}}')
    assert "tokenizer_config.json: must not name code" in rejected(path)


def test_pickled_weights_only(llama: Llama) -> None:
    path = llama()
    (path / "model.safetensors").unlink()
    (path / "pytorch_model.bin").write_bytes(b"PK\3\4")
    assert "got pytorch_model.bin; loading a pickle runs any code that it contains" in rejected(path)


def test_no_weights(llama: Llama) -> None:
    path = llama()
    (path / "model.safetensors").unlink()
    assert "got no weights at all" in rejected(path)


def test_a_pickle_under_another_name(llama: Llama) -> None:
    path = llama()
    (path / "special_tokens_map.json").write_bytes(pickle.dumps({"pad": 0}))
    assert "special_tokens_map.json: must not contain code, got pickle" in rejected(path)


def test_a_pickle_under_the_name_of_the_weights(llama: Llama) -> None:
    path = llama()
    (path / "model.safetensors").write_bytes(pickle.dumps([0] * 100))
    assert "model.safetensors" in rejected(path)


def test_a_link_out_of_the_folder(llama: Llama, tmp_path: Path) -> None:
    path = llama()
    (tmp_path / "secret").write_text("{}")
    (path / "generation_config.json").symlink_to(tmp_path / "secret")
    assert "generation_config.json: must be inside the folder" in rejected(path)


def test_a_link_that_leads_nowhere(llama: Llama) -> None:
    path = llama()
    (path / "generation_config.json").symlink_to(path / "gone")
    assert "generation_config.json: must be a file, got nothing there" in rejected(path)


def test_the_links_of_the_hub_cache(llama: Llama, tmp_path: Path) -> None:
    path, snapshot = llama(), tmp_path / "models--a--b" / "snapshots" / "0a1b"
    snapshot.mkdir(parents=True)
    path.rename(tmp_path / "models--a--b" / "blobs")
    for blob in (tmp_path / "models--a--b" / "blobs").iterdir():
        (snapshot / blob.name).symlink_to(blob)
    assert hf_folder.read(snapshot).config["model_type"] == "llama"


@pytest.mark.parametrize("name", ["../other.safetensors", "/tmp/other.safetensors", "model.bin"])
def test_an_index_that_points_elsewhere(llama: Llama, name: str) -> None:
    path = llama(shards=2)
    edit(path / INDEX, lambda index: index["weight_map"].update({"lm_head.weight": name}))
    assert f"may name safetensors files of its own folder only, got {name}" in rejected(path)


def test_an_index_without_a_map(llama: Llama) -> None:
    path = llama(shards=2)
    edit(path / INDEX, lambda index: index.pop("weight_map"))
    assert "must have a weight_map" in rejected(path)


def test_an_index_that_promises_a_tensor_that_is_not_there(llama: Llama) -> None:
    path = llama(shards=2)
    edit(path / INDEX, lambda index: index["weight_map"].update({"ghost": "model-00001-of-00002.safetensors"}))
    assert "1 wrong, such as ghost" in rejected(path)


def test_an_index_that_misses_a_tensor(llama: Llama) -> None:
    path = llama(shards=2)
    edit(path / INDEX, lambda index: index["weight_map"].pop("lm_head.weight"))
    assert "1 wrong, such as lm_head.weight" in rejected(path)


def test_a_shard_that_is_not_there(llama: Llama) -> None:
    path = llama(shards=2)
    (path / "model-00002-of-00002.safetensors").unlink()
    assert "must be a file, got nothing there" in rejected(path)


def test_a_tensor_in_two_shards(llama: Llama) -> None:
    path = llama(shards=2)
    (path / "model-00002-of-00002.safetensors").write_bytes((path / "model-00001-of-00002.safetensors").read_bytes())
    assert "a tensor must be in one shard only" in rejected(path)
