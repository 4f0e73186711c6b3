"""What importing costs: `import model_packaging` nothing, the server only what it serves with."""

from __future__ import annotations

import json
import subprocess
import sys

import model_packaging

HEAVY = {"onnx", "onnxruntime", "numpy", "torch", "boto3", "botocore", "pydantic", "tokenizers", "transformers"}


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted({{n.partition('.')[0] for n in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_package_imports_none_of_its_heavy_parts() -> None:
    assert not modules_after("import model_packaging") & HEAVY


def test_opening_an_artifact_needs_pydantic_and_the_standard_library_only() -> None:
    loaded = modules_after("from model_packaging import open_artifact, safe_extract")
    assert loaded & HEAVY == {"pydantic"}


def test_the_server_imports_onnxruntime_numpy_and_the_standard_library_only() -> None:
    bare = modules_after("import http.server, json, hashlib, threading, signal, resource, socketserver")
    served = modules_after(
        "import model_packaging.serving.server, model_packaging.serving.runtime, model_packaging.serving.__main__"
        ", model_packaging.serving.texts, model_packaging.serving.tensors"
    )
    extra = {name for name in served - bare if name not in sys.stdlib_module_names}
    allowed_by_those = {"flatbuffers", "google", "coloredlogs", "humanfriendly", "huggingface_hub", "packaging"}
    # The tokenizer's library is imported on a thread of its own, where a model has one.
    assert extra - allowed_by_those == {"model_packaging", "onnxruntime", "numpy"}


def test_every_public_name_is_there() -> None:
    for name in model_packaging.__all__:
        assert getattr(model_packaging, name).__name__ == name
    assert set(model_packaging.__all__) <= set(dir(model_packaging))
