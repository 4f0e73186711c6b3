"""What each command needs of the extras, and a project to try it in."""

import json
from pathlib import Path

WANTING: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
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
    ((), ("prices", "show", "--model", "anthropic/claude-haiku-4-5"), "prices"),
    ((), ("gateway",), "gateway"),
    ((), ("dashboard",), "dashboard"),
    ((), ("costs", "--focus", "november.parquet"), "parquet"),
]
"""Extras that are installed, a command, and the extra that it asks for."""

PLAIN: list[tuple[str, ...]] = [
    ("inspect", "model"),
    ("status",),
    ("advise", "a", "--trace", "calls.csv", "--objective-ms", "100000"),
    ("--version",),
    ("publish", "--help"),
    ("prices", "show"),
    ("customers", "--help"),
]
"""What works without extras."""

FAILING: list[tuple[str, ...]] = [("cluster",), ("invoke", "a", "{}"), ("bench", "a")]
"""What fails here for another reason than an extra."""

IMPORTS = """
import scaletozero
for name in scaletozero.__all__:
    getattr(scaletozero, name)

from scaletozero.kubernetes.api import ApiError, KubernetesApi
try:
    KubernetesApi("nowhere")
except ApiError:
    print("a cluster is asked")

import model_packaging
try:
    from model_packaging import package
except ImportError as error:
    print(str(error).partition("Fix: ")[2])

from pathlib import Path
from scaletozero.sandbox import daemon
try:
    daemon.ensure_running(Path("state"), aws_port=0, runtime_port=0, idle_seconds=60)
except ImportError as error:
    print(str(error).partition("Fix: ")[2])
"""

IMPORTED = """\
a cluster is asked
pip install 'scaletozero[packaging]'
pip install 'scaletozero[sandbox]'
"""


def write_project(folder: Path, artifact: Path) -> None:
    """A project with one environment, `local`, whose endpoint `a` serves the artifact."""
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"
    environment = {
        "region": "us-east-1",
        "endpoints": {"a": {"artifact": str(artifact), "image": image}},
        "sandbox": {"aws_port": 0, "runtime_port": 0},
    }
    (folder / "Pulumi.yaml").write_text("name: own\nruntime: python\nmain: program\n")
    (folder / "Pulumi.local.yaml").write_text(json.dumps({"config": {"own:environment": environment}}))
    (folder / "program").mkdir()
    (folder / "program" / "__main__.py").write_text("")
    (folder / "spec.yaml").write_text("{name: a, task: sentence-embedding, source: a.onnx, out: out}")
    (folder / "calls.csv").write_text("timestamp,duration\n1,0.1\n2,0.1\n")
