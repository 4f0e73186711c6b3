"""Exports a Hugging Face folder or a torch module to one ONNX graph, in a subprocess, and compares their outputs.

Torch is never imported here: the subprocess runs under an interpreter that has the `torch` extra. It is this
interpreter, or the one that SCALETOZERO_TORCH_PYTHON names, so that a CUDA build of torch can be installed elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from model_packaging.findings import refuse
from model_packaging.huggingface import hf_folder, sentence_modules
from model_packaging.serving.registry import TASKS

INTERPRETER = "SCALETOZERO_TORCH_PYTHON"
OPSET = 18
"""The opset: it has every operator that the exporter needs for an encoder, and onnxruntime 1.14 and later load it."""

PARITY = 1e-4
"""The largest allowed absolute difference between torch's outputs and the graph's."""

TIMEOUT_S = 1800.0
# Their position ids begin after the padding token's, which reduces the length of a text.
_OFFSET_POSITIONS = frozenset(("roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "xlm-roberta-xl", "xmod"))
_DEFAULT_LENGTH = 512
_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Exported:
    """An exported graph and its parity.

    Attributes:
        path: model.onnx; weights over 2 GB are beside it in model.onnx.data.
        outputs: the names of the graph's outputs.
        max_length: maximum number of tokens of a text; None for other inputs.
        parity: the largest absolute difference to torch's outputs over all cases.
        cases: the input shapes that were compared.
        versions: versions of the packages that determine the graph.
    """

    path: Path
    outputs: tuple[str, ...]
    max_length: int | None
    parity: float
    cases: tuple[Mapping[str, tuple[int, ...]], ...]
    versions: Mapping[str, str]


def export_folder(folder: Path, target: Path, task: str, interpreter: Path | None = None) -> Exported:
    """Exports the Hugging Face model in `folder` to the new folder `target`.

    For a sentence encoder, the graph includes pooling, projections and normalisation, and its only output is
    `sentence_embedding` (batch, dimension); classifiers return `logits`. Batch and sequence length are dynamic.

    Raises:
        FindingsError: whatever `hf_folder.read` and `sentence_modules.read` refuse (including pickles), an unknown
            task, no torch, a model that the exporter cannot export, or a graph whose outputs differ from torch's.
    """
    kind = TASKS.get(task)
    if kind is None or not kind.transformers:
        known = (name for name, each in TASKS.items() if each.transformers)
        raise refuse("task", f"must be one of {', '.join(known)}", task)
    checked = hf_folder.read(folder)
    request: dict[str, Any] = {"path": str(folder), "auto": kind.transformers, "outputs": [kind.output]}
    request |= {"inputs": kind.inputs, "pairs": kind.classes}
    max_length = None
    if kind.inputs == "texts":
        max_length = _longest(checked.config)
        request["max_length"] = max_length
    if kind.transformers == "AutoModel":
        pooling = sentence_modules.read(folder)
        request["pooling"] = asdict(pooling)
        max_length = min(max_length or _DEFAULT_LENGTH, pooling.max_length or max_length or _DEFAULT_LENGTH)
    return _export(str(folder), request, target, max_length, interpreter)


def export_module(
    module: str,
    example: str,
    outputs: Sequence[str],
    target: Path,
    axes: Mapping[str, Mapping[int, str]] | None = None,
    search: Sequence[Path] = (),
    interpreter: Path | None = None,
) -> Exported:
    """Exports a user's torch.nn.Module to the new folder `target`. The user's code runs in the subprocess.

    Args:
        module: `package.module:name` of the module, or of a function without arguments that returns it.
        example: `package.module:name` of a dict from input name to example tensor, or of a function that returns it.
        outputs: names for the outputs, in the order in which the module returns them.
        axes: for an input, its dynamic axes by number and name. Default: the first, `batch`. An axis called `batch`
            is tested with one and with four rows.
        search: folders to import from.

    Raises:
        FindingsError: an invalid path, no torch, a module or an example that cannot be imported or is of another
            kind, a module that the exporter cannot export, or a graph whose outputs differ from torch's.
    """
    for field, path in (("module", module), ("example", example)):
        if not _IMPORT_PATH.fullmatch(path):
            fix = "write the class or function as package.module:name; a file of weights is not loaded"
            raise refuse(field, "must be an import path, package.module:name", path, "", fix)
    given = {name: {str(axis): dim for axis, dim in dims.items()} for name, dims in (axes or {}).items()}
    request = {"module": module, "example": example, "outputs": list(outputs), "axes": given}
    return _export(module, request | {"search": [str(path.resolve()) for path in search]}, target, None, interpreter)


def interpreter_with_torch(named: Path | None = None) -> Path:
    """The interpreter to export with: `named`, or the one that the environment names, or this one if it has torch.

    Raises:
        FindingsError: no interpreter has torch, or the named one does not exist.
    """
    path = named or (Path(os.environ[INTERPRETER]) if os.environ.get(INTERPRETER) else None)
    if path is None and find_spec("torch") and find_spec("transformers"):
        return Path(sys.executable)
    fix = f"pip install 'scaletozero[torch]', or name an interpreter that has it in {INTERPRETER}"
    if path is None:
        raise refuse("export", "needs the `torch` extra", "no torch in this environment", "", fix)
    if not shutil.which(str(path)):
        raise refuse(INTERPRETER, "must be a Python interpreter", path, "", fix)
    return path


def _export(
    where: str, request: Mapping[str, Any], target: Path, max_length: int | None, interpreter: Path | None
) -> Exported:
    python = interpreter_with_torch(interpreter)
    if target.exists():
        raise refuse(
            str(target), "must not exist yet", "a folder or file", "old files would be mixed with the new ones"
        )
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        reply = _run(where, python, dict(request) | {"folder": str(partial), "opset": OPSET}, partial)
        _strip(partial / "model.onnx")
        parity, cases = _compare(where, partial, reply["cases"], request["outputs"])
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(target / "model.onnx", tuple(request["outputs"]), max_length, parity, cases, reply["versions"])


def _longest(config: Mapping[str, Any]) -> int:
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions < 2:
        return _DEFAULT_LENGTH
    pad = config.get("pad_token_id")
    offset = (pad if isinstance(pad, int) else 1) + 1 if config.get("model_type") in _OFFSET_POSITIONS else 0
    return positions - offset


def _run(where: str, python: Path, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    asked, reply, log = folder / "request.json", folder / "reply.json", folder / "log"
    asked.write_text(json.dumps(request, default=str), encoding="utf-8")
    worker = Path(__file__).with_name("_export_worker.py")
    # Nothing may be downloaded, and no accelerator is needed to trace a graph.
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), "-I", str(worker), str(asked)],
            env={**os.environ, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise refuse(
                where, f"must export within {TIMEOUT_S:.0f} s", "no end", "", "export a smaller model"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if not reply.exists():
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        killed = f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        fix = "give it more memory" if status == -signal.SIGKILL else ""
        raise refuse(where, "the export must finish", f"{killed}: {' '.join(lines[-3:])[-500:]}", "", fix)
    response = json.loads(reply.read_text(encoding="utf-8"))
    if response.get("missing") in ("torch", "transformers", "onnxscript", "onnx", "numpy", "safetensors"):
        got = f"{python} has no {response['missing']}"
        raise refuse("export", "needs the `torch` extra", got, "", "pip install 'scaletozero[torch]' there")
    if "error" in response:
        raise refuse(where, "must be something that torch can load and export", response["error"][:1000])
    return response


def _strip(path: Path) -> None:
    """Removes the exporter's notes about the machine, which contain paths and differ for identical graphs."""
    import onnx

    model = onnx.load_model(str(path), load_external_data=False)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while nodes:
        node = nodes.pop()
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                nodes += graph.node
    for part in (
        model,
        model.graph,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
        *model.functions,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    path.write_bytes(model.SerializeToString(deterministic=True))


def _compare(
    where: str, folder: Path, count: int, outputs: Sequence[str]
) -> tuple[float, tuple[Mapping[str, tuple[int, ...]], ...]]:
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    worst, shapes = 0.0, []
    for number in range(count):
        with np.load(folder / f"case-{number}.npz", allow_pickle=False) as case:
            given = {name[3:]: case[name] for name in case.files if name.startswith("in:")}
            expected = [case[f"out:{name}"] for name in outputs]
        shape = {name: array.shape for name, array in given.items()}
        shapes.append(shape)
        try:
            answers = session.run(list(outputs), given)
        except Exception as error:
            raise refuse(where, "the graph must accept every shape", f"{shape}: {str(error)[:300]}") from error
        for name, answer, right in zip(outputs, answers, expected, strict=True):
            array = np.asarray(answer)
            same = array.shape == right.shape
            difference = float(np.abs(array.astype(np.float64) - right).max(initial=0.0)) if same else float("inf")
            if not difference < PARITY:
                rule = f"the graph's outputs must equal torch's within {PARITY}"
                raise refuse(
                    where, rule, f"{difference:.2g} apart in {name} for {shape}", "it would be a different model"
                )
            worst = max(worst, difference)
    for number in range(count):
        (folder / f"case-{number}.npz").unlink()
    for name in ("request.json", "reply.json", "log"):
        (folder / name).unlink()
    return worst, tuple(shapes)
