"""The export seen from outside: what is refused before torch is asked, and what happens when it fails or lies.

The stand-in for torch's interpreter is a script that writes a graph of its own; the real one is tried in tests/torch.
"""

import json
import stat
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest

from model_packaging.findings import FindingsError
from model_packaging.huggingface import export

Llama = Callable[..., Path]
STAND_IN = """#!{python}
import json, sys, os, time, signal
from pathlib import Path
import numpy as np, onnx
from onnx import TensorProto, helper
request = json.loads(Path(sys.argv[3]).read_text())
folder = Path(request["folder"])
def graph(shape=("batch", "sequence")):
    node = helper.make_node("Add", ["x", "one"], ["y"], doc_string="/home/somebody/model.py")
    node.metadata_props.add(key="stack_trace", value="/home/somebody/model.py")
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
    made = helper.make_graph([node], "g", [value("x")], [value("y")], [one])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=10), folder / "model.onnx")
def case(number, x, y):
    arrays = {{"in:x": np.asarray(x, np.float32), "out:y": np.asarray(y, np.float32)}}
    np.savez(folder / f"case-{{number}}.npz", **arrays)
def reply(**values):
    (folder / "reply.json").write_text(json.dumps({{"versions": {{"torch": "0"}}, **values}}))
{body}
"""


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], Path]:
    def make(body: str) -> Path:
        path = tmp_path / "python"
        path.write_text(STAND_IN.format(python=sys.executable, body=body))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def run(python: Path, target: Path) -> export.Exported:
    return export.export_module("shop.model:Ranker", "shop.model:example", ["y"], target, interpreter=python)


def rejected(python: Path, target: Path) -> str:
    with pytest.raises(FindingsError) as error:
        run(python, target)
    assert list(target.parent.glob("*exported*")) == []
    return str(error.value)


def test_a_graph_that_answers_alike(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "graph(); case(0, [[1]], [[2]]); case(1, [[1, 2]] * 4, [[2, 3.00005]] * 4); reply(cases=2)"
    exported = run(python(body), tmp_path / "exported")
    assert 4e-5 < exported.parity < 6e-5
    assert exported.cases == ({"x": (1, 1)}, {"x": (4, 2)})
    assert [path.name for path in (tmp_path / "exported").iterdir()] == ["model.onnx"]
    assert "somebody" not in str(onnx.load_model(exported.path))


def test_a_graph_that_answers_otherwise(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "graph(); case(0, [[1]], [[2.001]]); reply(cases=1)"
    assert "outputs must equal torch's within 0.0001, got 0.001 apart in y" in rejected(
        python(body), tmp_path / "exported"
    )


def test_a_graph_that_answers_no_number(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "graph(); case(0, [[float('nan')]], [[2]]); reply(cases=1)"
    assert "got nan apart in y" in rejected(python(body), tmp_path / "exported")


def test_a_graph_with_fixed_axes(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "graph((1, 1)); case(0, [[1]], [[2]]); case(1, [[1, 2]], [[2, 3]]); reply(cases=2)"
    assert "must accept every shape, got {'x': (1, 2)}" in rejected(python(body), tmp_path / "exported")


def test_a_model_that_torch_refuses(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "reply(error='KeyError: model_type')"
    message = rejected(python(body), tmp_path / "exported")
    assert "shop.model:Ranker: must be something that torch can load and export, got KeyError: model_type" in message


def test_an_interpreter_without_torch(python: Callable[[str], Path], tmp_path: Path) -> None:
    message = rejected(python("reply(missing='torch', error='No module named torch')"), tmp_path / "exported")
    assert "needs the `torch` extra" in message
    assert "has no torch" in message


def test_a_module_of_the_users_that_is_missing(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "reply(missing='shop', error=\"No module named 'shop'\")"
    assert "got No module named 'shop'" in rejected(python(body), tmp_path / "exported")


def test_a_worker_that_runs_out_of_memory(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "os.kill(os.getpid(), signal.SIGKILL)"
    assert "got killed by SIGKILL" in rejected(python(body), tmp_path / "exported")


def test_a_worker_that_crashes(python: Callable[[str], Path], tmp_path: Path) -> None:
    assert "got status 7: no room" in rejected(python("print('no room'); sys.exit(7)"), tmp_path / "exported")


def test_a_worker_that_never_ends(
    python: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TIMEOUT_S", 1.0)
    assert "must export within 1 s" in rejected(python("time.sleep(600)"), tmp_path / "exported")


def test_the_worker_may_fetch_nothing(python: Callable[[str], Path], tmp_path: Path) -> None:
    body = "reply(error=' '.join(os.environ[name] for name in ('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE')))"
    assert "got 1 1" in rejected(python(body), tmp_path / "exported")


def test_a_target_that_exists(python: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(FindingsError, match="must not exist yet"):
        run(python(""), tmp_path / "out")


@pytest.mark.parametrize("path", ["model.pt", "shop.model", "shop/model.py:Ranker", ":Ranker", "shop.model:Ranker()"])
def test_a_module_that_is_no_import_path(path: str, tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="must be an import path"):
        export.export_module(path, "shop.model:example", ["y"], tmp_path / "exported")
    with pytest.raises(FindingsError, match="example: must be an import path"):
        export.export_module("shop.model:Ranker", path, ["y"], tmp_path / "exported")


def test_an_unknown_task(llama: Llama, tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="task: must be one of sentence-embedding"):
        export.export_folder(llama(), tmp_path / "exported", "translation")


def test_a_pickle_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04" + bytes(600))
    with pytest.raises(FindingsError, match="got a zip file; PyTorch, Keras and joblib files are zips around pickles"):
        export.export_folder(tmp_path / "model.pt", tmp_path / "exported", "sentence-embedding")


def test_a_folder_that_names_code(llama: Llama, tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="auto_map"):
        export.export_folder(llama(settings={"auto_map": {"AutoModel": "m.M"}}), tmp_path / "e", "sentence-embedding")


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 1}, 512),
        ({}, 512),
        ({"max_position_embeddings": "many"}, 512),
    ],
)
def test_the_longest_text(
    llama: Llama, python: Callable[[str], Path], tmp_path: Path, settings: dict, length: int
) -> None:
    asked = python("reply(error=json.dumps(request))")
    with pytest.raises(FindingsError) as error:
        export.export_folder(llama(settings=settings), tmp_path / "exported", "text-classification", asked)
    request = json.loads(str(error.value).partition("got ")[2])
    assert request["max_length"] == length
    assert request["outputs"] == ["logits"]


def test_the_interpreter_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(export.INTERPRETER, sys.executable)
    assert export.interpreter_with_torch() == Path(sys.executable)
    monkeypatch.setenv(export.INTERPRETER, str(tmp_path / "none"))
    with pytest.raises(FindingsError, match="must be a Python interpreter"):
        export.interpreter_with_torch()


@pytest.mark.skipif(find_spec("torch") is not None, reason="this environment has torch")
def test_no_torch_anywhere(monkeypatch: pytest.MonkeyPatch, llama: Llama, tmp_path: Path) -> None:
    monkeypatch.delenv(export.INTERPRETER, raising=False)
    source = llama()
    with pytest.raises(
        FindingsError, match=r"needs the `torch` extra, got no torch in this environment.*scaletozero\[torch\]"
    ):
        export.export_folder(source, tmp_path / "exported", "sentence-embedding")
    with pytest.raises(FindingsError, match="has no torch"):
        export.export_folder(source, tmp_path / "exported", "sentence-embedding", Path(sys.executable))
