"""Exports a model to ONNX, in a separate process of an interpreter that has torch.

`huggingface.export` runs it as `python -I _export_worker.py request.json`. It imports nothing of this package,
which that interpreter may not have. It writes `model.onnx` into the request's `folder`, a `case-<n>.npz` with the
inputs and torch's outputs of each parity case, and last `reply.json`.
"""

# pyright: reportMissingImports=false
# The type checker's environment has no torch.

import importlib
import inspect
import json
import sys
import traceback
from pathlib import Path
from typing import Any

BATCHES = (1, 4)


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Exports the model of `request`. Returns the reply."""
    import torch

    torch.manual_seed(0)
    prepared = from_module(request) if "module" in request else from_folder(request)
    model, example, axes, cases = prepared
    dims: dict[str, Any] = {}
    for names in axes.values():
        for name in names.values():
            limit = request.get("max_length") if name == "sequence" else None
            dims.setdefault(name, torch.export.Dim(name, min=1, max=limit or 2**20))
    folder = Path(request["folder"])
    with torch.no_grad():
        program = torch.onnx.export(
            model,
            (),
            kwargs=example,
            dynamo=True,
            dynamic_shapes={name: {axis: dims[dim] for axis, dim in axes[name].items()} for name in example},
            input_names=list(example),
            output_names=request["outputs"],
            opset_version=request["opset"],
            verbose=False,
        )
        program.save(str(folder / "model.onnx"))
        for number, case in enumerate(cases):
            write_case(folder / f"case-{number}.npz", request["outputs"], model, case)
    packages = [name for name in ("torch", "transformers", "onnxscript") if name in sys.modules]
    return {"versions": {name: sys.modules[name].__version__ for name in packages}, "cases": len(cases)}


def from_folder(request: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, dict[int, str]], list[dict[str, Any]]]:
    """A Hugging Face model with its pooling around it, one example, the inputs' dynamic axes, and the parity cases."""
    import torch
    import transformers

    auto = getattr(transformers, request["auto"])
    inner = auto.from_pretrained(
        request["path"],
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        attn_implementation="eager",
    ).eval()
    config, (Answer, Sentence) = inner.config, wrappers()  # noqa: N806 - they are classes
    if request["inputs"] == "tensors":
        side = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
        shape = (config.num_channels, side, side)
        cases = [{"pixel_values": torch.rand(batch, *shape)} for batch in BATCHES for _ in range(3)]
        return Answer(inner, "logits"), {"pixel_values": torch.rand(2, *shape)}, {"pixel_values": {0: "batch"}}, cases
    names = ["input_ids", "attention_mask"]
    accepts = inspect.signature(inner.forward).parameters
    # A single text has segment 0 throughout, which BERT assumes by itself; a classifier may receive pairs.
    if request["pairs"] and "token_type_ids" in accepts and getattr(config, "type_vocab_size", 0) > 1:
        names.append("token_type_ids")

    def tokens(batch: int, length: int) -> dict[str, Any]:
        mask = torch.ones(batch, length, dtype=torch.int64)
        for row in range(1, batch):
            mask[row, max(1, length - row * length // batch) :] = 0
        values = {"input_ids": torch.randint(0, config.vocab_size, (batch, length)), "attention_mask": mask}
        return {name: values.get(name, torch.zeros_like(mask)) for name in names}

    lengths = sorted({min(length, request["max_length"]) for length in (8, 33, 128)})
    cases = [tokens(batch, length) for batch in BATCHES for length in lengths]
    if "pooling" in request:
        model: Any = Sentence(inner, request["pooling"])
    else:
        model = Answer(inner, "logits")
    return model.eval(), tokens(2, 9), {name: {0: "batch", 1: "sequence"} for name in names}, cases


def from_module(request: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, dict[int, str]], list[dict[str, Any]]]:
    """The user's module and example inputs, by import path; cases are the example, one row of it, and four rows."""
    import torch

    sys.path[:0] = request["search"]
    model = attribute(request["module"])
    model = model if isinstance(model, torch.nn.Module) else model()
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"{request['module']} is a {type(model).__name__}, not a torch.nn.Module")
    example = attribute(request["example"])
    example = example() if callable(example) else example
    if not isinstance(example, dict) or not all(torch.is_tensor(tensor) for tensor in example.values()):
        raise TypeError(f"{request['example']} must be a dict from input name to tensor")
    axes = {
        name: {int(axis): dim for axis, dim in request["axes"].get(name, {"0": "batch"}).items()} for name in example
    }

    def rows(count: int) -> dict[str, Any]:
        found = {}
        for name, tensor in example.items():
            batched = [axis for axis, dim in axes[name].items() if dim == "batch"]
            repeats = [-(-count // size) if axis in batched else 1 for axis, size in enumerate(tensor.shape)]
            grown = tensor.repeat(repeats)
            for axis in batched:
                grown = grown.narrow(axis, 0, count)
            found[name] = grown.contiguous()
        return found

    # The exporter treats an axis of length one as constant, so the example has two rows.
    return model.eval(), rows(2), axes, [example, *(rows(batch) for batch in BATCHES)]


def attribute(path: str) -> Any:
    """Imports the object that `package.module:name` names."""
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def write_case(path: Path, outputs: list[str], model: Any, case: dict[str, Any]) -> None:
    """Runs a case and stores its inputs and outputs as arrays."""
    import numpy as np

    answer = model(**case)
    answers = list(answer.values()) if isinstance(answer, dict) else answer
    answers = list(answers) if isinstance(answers, list | tuple) else [answers]
    if len(answers) != len(outputs):
        raise TypeError(f"the model returns {len(answers)} outputs, and {len(outputs)} are named: {', '.join(outputs)}")
    arrays = {f"in:{name}": tensor.numpy() for name, tensor in case.items()}
    arrays |= {f"out:{name}": tensor.numpy() for name, tensor in zip(outputs, answers, strict=True)}
    np.savez(path, **arrays)


def wrappers() -> tuple[Any, Any]:
    """The two wrappers of a Hugging Face model, in a function because their base class is torch's."""
    import torch

    class Answer(torch.nn.Module):
        """Returns one field of the model's output, as a tensor."""

        def __init__(self, inner: Any, field: str) -> None:
            super().__init__()
            self.inner, self.field = inner, field

        def forward(
            self,
            input_ids: Any = None,
            attention_mask: Any = None,
            token_type_ids: Any = None,
            pixel_values: Any = None,
        ) -> Any:
            given = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
            given["pixel_values"] = pixel_values
            return self.inner(**{name: value for name, value in given.items() if value is not None})[self.field]

    class Sentence(torch.nn.Module):
        """Pools, projects and normalises token embeddings by the sentence-transformers modules."""

        def __init__(self, inner: Any, pooling: dict[str, Any]) -> None:
            super().__init__()
            self.inner, self.mode, self.normalise = inner, pooling["mode"], pooling["normalise"]
            self.dense = torch.nn.Sequential(*(projection(each) for each in pooling["dense"]))

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.inner(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            if self.mode == "cls":
                pooled = hidden[:, 0]
            elif self.mode == "max":
                pooled = hidden.masked_fill(mask == 0, torch.finfo(hidden.dtype).min).amax(1)
            else:
                pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            pooled = self.dense(pooled)
            return torch.nn.functional.normalize(pooled, p=2, dim=1) if self.normalise else pooled

    def projection(dense: dict[str, Any]) -> Any:
        from safetensors.torch import load_file

        weights = load_file(dense["weights"])
        linear = torch.nn.Linear(dense["in_features"], dense["out_features"], dense["bias"])
        linear.load_state_dict({name.removeprefix("linear."): tensor.float() for name, tensor in weights.items()})
        return torch.nn.Sequential(linear, getattr(torch.nn, dense["activation"])())

    return Answer, Sentence


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        reply = main(asked)
    except ImportError as error:
        reply = {"missing": error.name or "", "error": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller tells the user
        reply = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    (Path(asked["folder"]) / "reply.json").write_text(json.dumps(reply), encoding="utf-8")
