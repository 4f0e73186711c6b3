"""What an organisation's wheel says of what is not installed: every command, without the extras."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from model_packaging.artifact.reader import Artifact

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


from importlib import util
found = util.find_spec
util.find_spec = lambda name, package=None: None if name.partition(".")[0] in {names!r} else found(name, package)
sys.meta_path.insert(0, Blocked())
sys.argv = ["scaletozero", *{arguments!r}]
from scaletozero.cli import main
main()
"""


def closure(*extras: str) -> set[str]:
    """The distributions that `pip install scaletozero[extras]` brings, normalised names."""
    seen: set[tuple[str, str]] = set()
    waiting = [("scaletozero", extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, required):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(normal(requirement.name), each) for each in ("", *requirement.extras)]
    return {name for name, _ in seen}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def absent(*extras: str) -> set[str]:
    """The top-level modules of this machine that an installation with these extras does not have."""
    there = closure(*extras)
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if not {normal(owner) for owner in owners} & there and module not in sys.stdlib_module_names
    } - {"pulumi", "google", "ruamel"}


def run(folder: Path, extras: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(names=absent(*extras), arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.fixture
def project(tmp_path: Path, make_artifact: Callable[..., Artifact]) -> Path:
    artifact = make_artifact()
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"
    environment = {
        "region": "us-east-1",
        "endpoints": {"a": {"artifact": str(artifact.path), "image": image}},
        "sandbox": {"aws_port": 0, "runtime_port": 0},
    }
    (tmp_path / "Pulumi.yaml").write_text("name: own\nruntime: python\nmain: program\n")
    (tmp_path / "Pulumi.local.yaml").write_text(json.dumps({"config": {"own:environment": environment}}))
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text("")
    (tmp_path / "spec.yaml").write_text("{name: a, task: tensors, source: a.onnx, out: out}")
    (tmp_path / "calls.csv").write_text("timestamp,duration\n1,0.1\n2,0.1\n")
    return tmp_path


def test_what_is_blocked() -> None:
    assert {"moto", "numpy", "onnxruntime", "tokenizers", "cryptography", "pytest"} <= absent()
    assert not {"kubernetes", "pulumi_aws", "boto3", "typer", "yaml"} & absent()
    assert "moto" not in absent("sandbox")


@pytest.mark.parametrize(
    ("extras", "arguments", "wanted"),
    [
        ((), ("up",), "sandbox"),
        ((), ("preview",), "sandbox"),
        ((), ("preview", "--sandbox"), "sandbox"),
        ((), ("down",), "sandbox"),
        ((), ("package", "spec.yaml"), "packaging"),
        ((), ("verify", "model"), "packaging"),
        ((), ("bench", "./model"), "packaging"),
        (("sandbox",), ("up",), "packaging"),
        (("sandbox",), ("package", "spec.yaml"), "packaging"),
        (("packaging",), ("up",), "sandbox"),
    ],
)
def test_what_to_install(project: Path, extras: tuple[str, ...], arguments: tuple[str, ...], wanted: str) -> None:
    result = run(project, extras, *arguments)
    assert result.returncode == 2, result.stderr
    assert f"pip install 'scaletozero[{wanted}]'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project / ".scaletozero" / "sandbox.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "model"),
        ("status",),
        ("advise", "a", "--trace", "calls.csv", "--objective-ms", "100000"),
        ("--version",),
        ("publish", "--help"),
    ],
)
def test_what_needs_no_extra(project: Path, arguments: tuple[str, ...]) -> None:
    result = run(project, (), *arguments)
    assert (result.returncode, "Traceback" in result.stderr) == (0, False), result.stderr


@pytest.mark.parametrize("arguments", [("cluster",), ("invoke", "a", "{}"), ("bench", "a")])
def test_what_fails_for_another_reason(project: Path, arguments: tuple[str, ...]) -> None:
    result = run(project, (), *arguments)
    assert (result.returncode, "Traceback" in result.stderr) == (2, False), result.stderr
    assert "pip install" not in result.stderr


def test_gpu_endpoints_and_all_components_need_no_extra(project: Path) -> None:
    code = BLOCKED.format(names=absent(), arguments=[]).replace("from scaletozero.cli import main\nmain()", "")
    code += "\nimport scaletozero\nfor name in scaletozero.__all__: getattr(scaletozero, name)"
    code += "\nfrom scaletozero.kubernetes.api import ApiError, KubernetesApi"
    code += "\ntry: KubernetesApi('nowhere')\nexcept ApiError: print('asked')"
    result = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=240)
    assert (result.returncode, result.stdout) == (0, "asked\n"), result.stderr
