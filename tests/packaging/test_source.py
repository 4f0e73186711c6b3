"""Every kind of model that cannot be packaged is told so, by what it is, before anything is written."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_packaging import FindingsError, PackageSpec, package
from model_packaging.onnx_model.source import inspect_source


def refused(spec: PackageSpec) -> str:
    with pytest.raises(FindingsError) as caught:
        package(spec)
    assert not spec.out.exists()
    return str(caught.value)


def external(tiny: Any) -> Path:
    model = onnx.load_model(str(tiny.source))
    tiny.source.unlink()
    onnx.save_model(model, str(tiny.source), save_as_external_data=True, location="weights.bin", size_threshold=0)
    return tiny.folder / "weights.bin"


def point_to(tiny: Any, location: str) -> None:
    model = onnx.load_model(str(tiny.source), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    tiny.source.write_bytes(model.SerializeToString())


def test_a_good_one_passes(tiny: Any) -> None:
    source = inspect_source(tiny.spec())
    assert (source.output, source.dimension, source.max_length) == ("sentence_embedding", 256, 32)
    assert source.size == tiny.source.stat().st_size


def test_its_own_external_data_is_read(tiny: Any) -> None:
    plain = inspect_source(tiny.spec())
    data = external(tiny)
    source = inspect_source(tiny.spec())
    assert source.size == tiny.source.stat().st_size + data.stat().st_size
    assert source.sha256 != plain.sha256
    assert source.model.graph.initializer[0].raw_data


def test_a_model_that_is_not_there(tiny: Any) -> None:
    assert "no such file" in refused(tiny.spec(source=tiny.folder / "none.onnx"))


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors"])
def test_a_pickle_whatever_its_name(tiny: Any, name: str) -> None:
    (tiny.folder / name).write_bytes(pickle.dumps({"weights": [0.5] * 1000}))
    says = refused(tiny.spec(source=tiny.folder / name))
    assert "got a pickle file" in says
    assert "runs any code that it contains" in says


def test_a_torch_file_named_onnx(tiny: Any) -> None:
    with zipfile.ZipFile(tiny.source, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({}))
    assert "got a zip file" in refused(tiny.spec())


@pytest.mark.parametrize("content", [b"", b"just text", bytes(range(256)) * 9])
def test_bytes_that_are_no_model(tiny: Any, content: bytes) -> None:
    tiny.source.write_bytes(content)
    assert "must be ONNX" in refused(tiny.spec())


def test_a_truncated_model(tiny: Any) -> None:
    tiny.source.write_bytes(tiny.source.read_bytes()[:5000])
    assert "truncated" in refused(tiny.spec())


def test_custom_operators(tiny: Any) -> None:
    def edit(model: ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("acme.ops", 1))
        model.graph.node.append(helper.make_node("Secret", ["last_hidden_state"], ["x"], domain="acme.ops"))

    tiny.change(edit)
    assert "custom operators acme.ops::Secret" in refused(tiny.spec())


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/b", "..", "a\\b"])
def test_external_data_outside(tiny: Any, location: str) -> None:
    external(tiny)
    point_to(tiny, location)
    assert "must be a plain file name beside the model" in refused(tiny.spec())


def test_external_data_missing(tiny: Any) -> None:
    external(tiny).unlink()
    assert "must exist" in refused(tiny.spec())


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_external_data_that_is_a_link(tiny: Any, link: Any) -> None:
    data = external(tiny)
    data.rename(tiny.folder / "elsewhere")
    link(tiny.folder / "elsewhere", data)
    assert "must be a separate regular file" in refused(tiny.spec())


def test_external_data_that_is_truncated(tiny: Any) -> None:
    data = external(tiny)
    data.write_bytes(data.read_bytes()[:1000])
    assert "the model is truncated" in refused(tiny.spec())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(tiny: Any, value: float) -> None:
    def edit(model: ModelProto) -> None:
        weights = numpy_helper.to_array(model.graph.initializer[1]).copy()
        weights[3, 4] = value
        model.graph.initializer[1].CopyFrom(numpy_helper.from_array(weights, model.graph.initializer[1].name))

    tiny.change(edit)
    assert "NaN or infinity in up0" in refused(tiny.spec())


def test_an_ir_version_newer_than_the_runtime(tiny: Any) -> None:
    tiny.change(lambda model: setattr(model, "ir_version", 99))
    assert "it is newer than the runtime that would serve it" in refused(tiny.spec())


def test_an_opset_newer_than_the_runtime(tiny: Any) -> None:
    tiny.change(lambda model: setattr(model.opset_import[0], "version", 99))
    assert "it is newer than the runtime that would serve it" in refused(tiny.spec())


def test_a_graph_that_the_runtime_cannot_load(tiny: Any) -> None:
    tiny.change(lambda model: model.graph.node[1].input.__setitem__(1, "nowhere"))
    assert "must load in onnxruntime" in refused(tiny.spec())


def test_inputs_that_are_no_text(tiny: Any) -> None:
    def edit(model: ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3]))

    tiny.change(edit)
    assert "takes input_ids, attention_mask" in refused(tiny.spec())


def test_a_fixed_shape(tiny: Any) -> None:
    tiny.change(lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 128))
    assert "must be int64 of any batch size and any length, got INT64[batch, 128]" in refused(tiny.spec())


def test_a_model_without_embeddings(tiny: Any) -> None:
    def edit(model: ModelProto) -> None:
        model.graph.node.append(helper.make_node("ReduceSum", ["last_hidden_state"], ["sum"], keepdims=0))
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info("sum", TensorProto.FLOAT, []))

    tiny.change(edit)
    assert "there is nothing to return" in refused(tiny.spec())


@pytest.mark.long
def test_token_embeddings_that_are_called_like_our_output(tiny: Any) -> None:
    def edit(model: ModelProto) -> None:
        model.graph.node[-1].output[0] = model.graph.output[0].name = "sentence_embedding"

    usual = package(tiny.spec())
    tiny.change(edit)
    named = package(tiny.spec(out=tiny.folder / "named"))
    assert inspect_source(tiny.spec()).output == "sentence_embedding_1"
    assert named.manifest.chosen.quality == usual.manifest.chosen.quality
    assert named.manifest.recipe == usual.manifest.recipe


def test_an_answer_beside_token_embeddings_that_are_called_like_it(tiny: Any) -> None:
    def edit(model: ModelProto) -> None:
        model.graph.node[-1].output[0] = model.graph.output[0].name = "sentence_embedding"
        model.graph.node.append(helper.make_node("ReduceMax", ["sentence_embedding"], ["peak"], axes=[1], keepdims=0))
        model.graph.output.append(helper.make_tensor_value_info("peak", TensorProto.FLOAT, ["batch", 256]))

    tiny.change(edit)
    source = inspect_source(tiny.spec())
    assert (source.output, source.dimension) == ("sentence_embedding_1", 256)
    assert [each.name for each in source.model.graph.output] == ["sentence_embedding_1"]


def test_more_tokens_than_the_model_takes(minilm: dict[str, Any], tmp_path: Path) -> None:
    says = refused(PackageSpec.of(**{**minilm, "max_length": 513}, out=tmp_path / "out"))
    assert "must serve texts of 513 tokens" in says


def test_a_tokenizer_with_more_entries_than_the_model(tiny: Any, minilm: dict[str, Any]) -> None:
    says = refused(tiny.spec(tokenizer=minilm["tokenizer"]))
    assert "the tokenizer must match the model" in says
    assert "a tokenizer with 30522" in says


def test_a_tokenizer_with_far_fewer_entries(tiny: Any, minilm: dict[str, Any], tmp_path: Path) -> None:
    says = refused(PackageSpec.of(**{**minilm, "tokenizer": tiny.tokenizer}, out=tmp_path / "out"))
    assert "cut into the wrong words" in says


@pytest.mark.parametrize(
    "content", [b"not json", b"{}", b"[1]", json.dumps({"model": {"type": "Nothing"}}).encode(), pickle.dumps({})]
)
def test_a_file_that_is_no_tokenizer(tiny: Any, content: bytes) -> None:
    tiny.tokenizer.write_bytes(content)
    assert "must be a tokenizer.json" in refused(tiny.spec())


def test_a_tokenizer_that_is_not_there(tiny: Any) -> None:
    assert "no such file" in refused(tiny.spec(tokenizer=tiny.folder / "none.json"))


def test_all_that_is_wrong_comes_at_once(tiny: Any) -> None:
    def edit(model: ModelProto) -> None:
        model.ir_version = 99
        model.opset_import.append(helper.make_opsetid("acme.ops", 1))
        model.graph.node.append(helper.make_node("Secret", ["last_hidden_state"], ["x"], domain="acme.ops"))

    tiny.change(edit)
    with pytest.raises(FindingsError) as caught:
        package(tiny.spec())
    assert len(caught.value.findings) == 2
