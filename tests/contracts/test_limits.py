"""A limit of a service stands once; the sandbox has its own, and neither was copied from the other without agreeing."""

import ast
from pathlib import Path
from typing import Any

import pytest

from model_packaging.serving import limits
from scaletozero.sandbox.aws import runtime_api
from scaletozero.sandbox.aws.async_inference import calls
from scaletozero.sandbox.providers.resources import sagemaker

ROOT = Path(__file__).resolve().parents[2]
OTHERWISE = {4 * 1024 * 1024: {"oci.py", "weight_codecs.py"}}
"""Files in which the same figure means something else: a limit of registries, a block of weights."""


def places() -> list[Path]:
    files = [*(ROOT / "components" / "scaletozero").rglob("*.py"), *(ROOT / "model_packaging").rglob("*.py")]
    return [path for path in files if "sandbox" not in path.parts]


def constants(path: Path) -> list[object]:
    """The values of a file's assignments that are written as numbers, products and powers of them, or tuples."""
    written = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assign))
    allowed = (ast.BinOp, ast.Constant, ast.Tuple, ast.operator, ast.Load)
    plain = [each for each in written if all(isinstance(part, allowed) for part in ast.walk(each))]
    numbers = [each for each in plain if not any(isinstance(part, ast.Mod) for part in ast.walk(each))]
    return [eval(compile(ast.Expression(each), str(path), "eval"), {"__builtins__": {}}) for each in numbers]


@pytest.mark.parametrize(
    "value",
    [limits.REQUEST_BYTES, limits.ASYNC_REQUEST_BYTES, limits.DISK_BYTES, limits.MEMORY_MB],
    ids=["request", "asynchronous request", "disk", "memory"],
)
def test_a_limit_stands_once(value: Any) -> None:
    found = {path.name for path in places() if value in constants(path)} - OTHERWISE.get(value, set())
    assert found == {"limits.py"}


def test_the_sandbox_s_own_figures_agree() -> None:
    assert sagemaker.MEMORY_MB == limits.MEMORY_MB
    assert runtime_api.MAX_BYTES == limits.REQUEST_BYTES
    assert calls.MAX_BYTES == limits.ASYNC_REQUEST_BYTES
    assert calls.TTL_SECONDS == limits.ASYNC_QUEUE_SECONDS
