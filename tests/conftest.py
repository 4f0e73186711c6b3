"""What every tier shares: a clean environment, small artifacts that are whole, components without an engine."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from model_packaging.archive import scan, write_archive
from model_packaging.artifact import Artifact, open_artifact
from model_packaging.manifest import Manifest

MakeArtifact = Callable[..., Artifact]


@pytest.fixture(autouse=True)
def hermetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may meet a real account, or miss that an output was used as a string."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")


@pytest.fixture
def make_artifact(tmp_path: Path) -> MakeArtifact:
    """Makes an artifact of a given content: right in form, with no model that could answer in it."""

    def make(name: str = "model", content: bytes = b"weights", recommended_mb: int = 1024) -> Artifact:
        folder, files = tmp_path / name, tmp_path / f"{name}.files"
        for path in (folder, files):
            path.mkdir(parents=True)
        (files / "model.onnx").write_bytes(content)
        archive = folder / "model.tar.gz"
        write_archive(files, archive, level=0)
        zero = "0" * 64
        manifest = {
            "schema": "scaletozero.manifest/1",
            "name": name,
            "key": zero,
            "task": "sentence-embedding",
            "target": "cpu-serverless",
            "recipe": "int8",
            "source": {
                "file": "m.onnx",
                "sha256": zero,
                "size": 1,
                "revision": None,
                "tokenizer_sha256": zero,
                "licence": "MIT",
            },
            "archive": {
                "file": archive.name,
                "compression": "stored",
                "size": archive.stat().st_size,
                "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
                "unpacked_size": len(content),
                "gzip_ratio": 1.0,
                "break_even_mb_per_s": 1.0,
            },
            "files": [{"path": m.path, "size": m.size, "sha256": m.sha256, "role": "graph"} for m in scan(archive)],
            "io": {
                "content_types": ["application/json"],
                "max_payload_bytes": 4_000_000,
                "max_inputs": 8,
                "max_length": 128,
                "dimension": 384,
            },
            "floor": {"mean": 0.998, "minimum": 0.996},
            "probe_sha256": zero,
            "candidates": [{"recipe": "int8", "outcome": "chosen"}],
            "memory": {"start_rss_mb": 1.0, "peak_rss_mb": 1.0, "recommended_mb": recommended_mb},
            "cold_start": {"n": 1, "phases": {"load": 1.0}, "total_ms": 1.0, "source_total_ms": 1.0},
            "environment": {
                "cpu": "x",
                "cpus": 1,
                "vnni": True,
                "python": "3.11",
                "onnxruntime": "1",
                "onnx": "1",
                "tokenizers": "0",
            },
        }
        (folder / "manifest.json").write_text(Manifest.model_validate(manifest).to_json())
        return open_artifact(folder)

    return make


@dataclass
class Recorded(Mocks):
    """Answers every registration as the cloud would in outline, and keeps what was asked for."""

    registered: list[MockResourceArgs] = field(default_factory=list)
    calls: list[MockCallArgs] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        name = args.inputs.get("name") or f"{args.name}-0123abc"
        outputs = {"name": name, "arn": f"arn:aws:test:{args.typ}:{name}", "id": name}
        if args.typ == "aws:s3/bucket:Bucket":
            outputs["bucket"] = name
        return name, {**outputs, **args.inputs}

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        self.calls.append(args)
        raise AssertionError(f"no component may ask the cloud at preview: {args.token}")

    def of(self, kind: str) -> list[MockResourceArgs]:
        """The registered resources whose type ends in `kind`."""
        return [args for args in self.registered if args.typ.endswith(kind)]

    def one(self, kind: str) -> dict[str, Any]:
        """The inputs of the only resource of that kind."""
        (args,) = self.of(kind)
        return args.inputs

    def types(self) -> list[str]:
        """The types of all that was registered by components, sorted."""
        return sorted(args.typ for args in self.registered if args.typ.startswith("aws:"))


Run = Callable[[Callable[[], Any]], Recorded]


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a program under mocks, once as an update and once as a preview, on an event loop of its own."""
    loop = asyncio.new_event_loop()
    # A failed registration fails the run; the engine's own tasks that saw the same failure need not log it again,
    # least of all from a garbage collection in the middle of something else.
    loop.set_exception_handler(lambda *_: None)
    asyncio.set_event_loop(loop)

    def run_program(program: Callable[[], Any]) -> Recorded:
        mocks = Recorded()
        pulumi.runtime.set_mocks(mocks, project="acme", stack="dev", preview=request.param)

        @pulumi.runtime.test
        def go() -> Any:
            return program()

        go()
        return mocks

    yield run_program
    loop.close()
    asyncio.set_event_loop(None)
