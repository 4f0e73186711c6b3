"""inspect -> optimise -> quantize -> evaluate -> select -> assemble -> archive -> manifest, each stage kept until the
end.
"""

from __future__ import annotations

import errno
import functools
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, overload

import numpy as np
from onnx import ModelProto

from model_packaging import describe
from model_packaging.artifact import oci, sbom
from model_packaging.artifact.archive import write_archive
from model_packaging.artifact.folder_manifest import BILL, OCI, FolderArtifact
from model_packaging.artifact.manifest import ArchiveEntry, Candidate, ColdStart, Manifest, Memory, Quality, Speed
from model_packaging.artifact.manifest import Source as SourceEntry
from model_packaging.artifact.reader import ARCHIVE, MANIFEST, Artifact, open_artifact, sha256_of
from model_packaging.evaluation.choose import CHOSEN, choose
from model_packaging.evaluation.evaluate import interleaved
from model_packaging.evaluation.measure import (
    NotReadyError,
    StartFailedError,
    environment,
    median_start,
    recommended_mb,
    start_once,
)
from model_packaging.findings import FindingsError, refuse
from model_packaging.folder_pipeline import package_folder
from model_packaging.huggingface import hf_source
from model_packaging.inspection import described_by, inspected, probed
from model_packaging.licences import licence
from model_packaging.onnx_model import graph
from model_packaging.onnx_model.assemble import assemble, entries, model_bytes
from model_packaging.onnx_model.optimise import folded, fused
from model_packaging.onnx_model.source import Source
from model_packaging.probes import Probe
from model_packaging.progress import Progress, Report, quiet
from model_packaging.quantization import quantize, static_qdq
from model_packaging.quantization.compress import decide
from model_packaging.serving.card import NotServableError, verify
from model_packaging.serving.runtime import Runtime
from model_packaging.spec import CLASS_TASKS, FolderSpec, PackageSpec
from model_packaging.tasks import Packaging, classes, packaging_of
from model_packaging.work import Work, key_of

STARTS = 5  # fresh processes for the manifest's cold start; `scaletozero bench` takes more
SHORT_ROUNDS, LONG_ROUNDS = 15, 4  # of the interleaved latency measurement, five runs each
MOST_KEPT = 8  # weights treated more gently; beyond that a block-wise model is smaller and better
_NOT_DECISIVE = {"out", "work", "source", "tokenizer", "probe", "calibration", "licence", "denied", "oci"}
MARGIN = 0.8  # of the floor's error, on the selecting texts: what chose the weights flatters them


@overload
def package(spec: PackageSpec, progress: Report = quiet) -> Artifact: ...
@overload
def package(spec: FolderSpec, progress: Report = quiet) -> FolderArtifact: ...
def package(spec: PackageSpec | FolderSpec, progress: Report = quiet) -> Artifact | FolderArtifact:
    """Packages the model of `spec` into its `out` folder: model.tar.gz, or the folder model/, with manifest.json.

    A run that was killed goes on where it was; one that finds its own artifact already there returns it.

    Args:
        progress: told about every step.

    Raises:
        FindingsError: the model, the tokenizer or the probe is refused; no candidate meets the floor; the disk is full,
            a path cannot be read or written, or a process of this machine did not get as far as the model.
    """
    try:
        return package_folder(spec, progress) if isinstance(spec, FolderSpec) else _package(spec, progress)
    except (OSError, MemoryError, ImportError, StartFailedError, NotServableError) as error:
        raise _refused(spec, error) from error


def _refused(spec: PackageSpec | FolderSpec, error: Exception) -> FindingsError:
    """What ended a run, in the house form. What is in the work folder stays: nothing of it is about the failure."""
    kept, again = "what was finished so far is kept", "and run the same command again"
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            rule = "packaging needs room for about eight times the model"
            return refuse(str(spec.out), rule, error.strerror or "", kept, f"free space {again}")
        path = error.filename if isinstance(error.filename, str) else spec.out
        rule, got = "must be readable, and writable where packaging writes", error.strerror or error
        return refuse(str(path), rule, got, kept, f"name another path or give access to it, {again}")
    got = str(error) or type(error).__name__
    if isinstance(error, ImportError):
        rule, install = "needs the libraries of packaging", "install `scaletozero[packaging]`"
        return refuse(spec.name, rule, got, kept, f"{install} {again}")
    if _of_the_machine(error):
        rule = "this machine must be able to load and start the model in time"
        return refuse(spec.name, rule, got, kept, f"free memory and processors {again}, or name other `recipes`")
    rule, then = "must load and answer as it was measured", "an endpoint would never become healthy"
    return refuse(spec.name, rule, got, then, "export the model again, or try another one")


def _package(spec: PackageSpec, report: Report) -> Artifact:
    report(Progress("inspect", 0, 1, spec.source.name))
    kind = packaging_of(spec.task)
    source, digest, note = inspected(spec, kind)
    decided = licence.decide(licence.find(spec.source), spec.licence, spec.denied)
    machine = environment()
    wanted = spec.model_dump(mode="json", exclude=_NOT_DECISIVE)
    given = [sha256_of(each) for each in (spec.tokenizer, *described_by(spec)) if each]
    ladder = {**quantize.recipes(compressed=_compressed(spec)), **static_qdq.RECIPES}
    recipes = {name: each.model_dump() for name, each in ladder.items()}
    key = key_of(wanted, decided.expression, digest, given, probed(spec), recipes, machine.model_dump())
    report(Progress("inspect", 1, 1, note))
    whole = not spec.oci or (spec.out / OCI).exists()
    if whole and (spec.out / MANIFEST).exists() and (spec.out / ARCHIVE).exists():
        try:
            there = open_artifact(spec.out)
        except FindingsError:
            there = None
        if there and there.manifest.key == key:
            report(Progress("manifest", 1, 1, "already packaged"))
            return there
    with Work(spec.work or spec.out / ".work", key) as work:
        exported = None
        if source is None:
            report(Progress("export", 0, 1, "to one graph, compared with torch"))
            exported_to, exported = hf_source.exported_once(spec.source, spec.task, work)
            length = spec.max_length or exported.max_length if spec.tokenizer else None
            described = classes.described(spec, spec.source) if spec.task in CLASS_TASKS else spec
            source = kind.inspect(described.model_copy(update={"source": exported_to, "max_length": length}))
            report(Progress("export", 1, 1, f"within {exported.parity:.1e} of torch"))
        probe = kind.probe(spec, source)
        run = _Run(spec, kind, source, probe, work, report)
        run.optimise()
        candidates = choose(run.candidates(), spec.floor)
        chosen = next(each for each in candidates if each.outcome == CHOSEN)
        report(Progress("select", 1, 1, f"{chosen.recipe}, {chosen.size_ratio:.3f} of the source"))
        folder = run.folder_of(chosen.recipe)
        memory, cold = run.starts(folder)
        archive = run.archive(folder)
        manifest = Manifest(
            schema="scaletozero.manifest/1",
            name=spec.name,
            key=key,
            task=spec.task,
            target=spec.target,
            recipe=chosen.recipe,
            source=SourceEntry(
                file=spec.source.name,
                sha256=digest,
                size=source.size,
                revision=spec.revision,
                tokenizer_sha256=source.tokenizer_sha256,
                licence=decided.expression,
                licence_from=decided.source,
            ),
            archive=archive,
            files=entries(folder),
            io=describe.input_output(source, folder),
            floor=spec.floor.model_dump(),
            probe_sha256=probe.sha256,
            quantization=ladder.get(chosen.recipe),
            candidates=candidates,
            memory=memory,
            cold_start=cold,
            environment=machine,
            export=exported,
        )
        if spec.oci:
            oci.clear(spec.out / OCI)
            oci.write({path.name: path for path in folder.iterdir()}, describe.for_oci(manifest, kind), spec.out / OCI)
        _write(spec.out / BILL, sbom.bill(describe.bill_of(manifest), version("scaletozero")))
        _write(spec.out / MANIFEST, manifest.to_json())
    artifact = open_artifact(spec.out)
    report(Progress("manifest", 1, 1, artifact.digest[:12]))
    return artifact


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


class _Run:
    """One run of the stages between inspection and the manifest."""

    def __init__(
        self, spec: PackageSpec, kind: Packaging, source: Source, probe: Probe, work: Work, report: Report
    ) -> None:
        self._spec, self._kind, self._source, self._probe = spec, kind, source, probe
        self._work, self._report = work, report

    def optimise(self) -> None:
        """The source as it would be served unpackaged, its answers, and the graph that the recipes start from."""
        self._report(Progress("optimise", 0, 2, "the source's own answers"))
        asked = self._work.folder("asked", self._assembler(self._source.model, {}, optimise=True))
        self._reference = _load(asked)
        task = self._reference.task
        self._canary = self._kind.canary(task.numbers(self._reference.compute(task.sample())))
        build = self._assembler(self._source.model, self._canary, optimise=True)
        self._source_folder = self._work.folder("source", build)
        self._selecting = self._kind.answers(self._reference, self._probe.selecting)
        self._scoring = self._kind.answers(self._reference, self._probe.scoring)
        self._kind.tell_apart(self._spec, self._selecting, self._scoring)
        self._report(Progress("optimise", 1, 2, "folding constants"))
        self._folded = self._work.model("folded", lambda: folded(self._source.model))
        # The layout of convolutions is this machine's own and so cannot be shipped: found when the model is loaded, it
        # costs a start some milliseconds and saves every answer 12 to 43 % on the four models that were measured.
        self._at_load = static_qdq.convolutional(self._folded)
        self._report(Progress("optimise", 2, 2))

    def candidates(self) -> list[Candidate]:
        """Every recipe built and measured, in the order of preference; one that fails is recorded with its reason."""
        found = self._static() if self._at_load else []
        if graph.weight_matmuls(self._folded) or graph.embedding_tables(self._folded):
            found += [*self._by_column(), *self._by_block()]
        if "fp32" in self._spec.tried:
            found.append(self._measured("fp32", lambda: self._folded))
        if not found:
            raise refuse(
                "recipes",
                "must name one that fits the model",
                ", ".join(self._spec.recipes or ()),
                "nothing would be tried",
                "name fp32 too, or leave recipes out and every one that fits is tried",
            )
        return found

    def _static(self) -> list[Candidate]:
        """Convolutions in int8, their activations' ranges from the calibrating inputs."""
        recipes = static_qdq.recipes(self._folded) if self._probe.calibrating else ()
        recipes = [each for each in recipes if each in self._spec.tried]
        if not recipes:
            return []
        self._report(Progress("quantize", 0, 1, f"ranges over {len(self._probe.calibrating)} inputs"))
        calibrated = functools.cache(lambda: static_qdq.calibrate(self._folded, self._probe.calibrating))

        def best(recipe: str) -> ModelProto:
            built = [static_qdq.static(each, static_qdq.OPERATORS[recipe]) for each in calibrated()]
            return min(built, key=lambda model: self._kind.error(self._selected(model)))

        found = [self._measured(recipe, functools.partial(best, recipe)) for recipe in recipes]
        self._report(Progress("quantize", 1, 1, f"{len(found)} static"))
        return found

    def _by_column(self) -> list[Candidate]:
        """Matrix products and embeddings in int8, one scale a column, activations as they come."""
        if "int8" not in self._spec.tried:
            return []
        self._report(Progress("quantize", 0, 1, "int8"))
        plain = self._measured("int8", self._int8)
        if not plain.figures or "int8-kept" not in self._spec.tried:
            self._report(Progress("quantize", 1, 1, "int8 alone" if plain.figures else plain.outcome))
            return [plain]
        quantized = self._int8()
        if self._good_enough(quantized):
            self._report(Progress("quantize", 1, 1, "int8 is near enough"))
            return [plain]
        kept = self._kept(quantized)
        self._report(Progress("quantize", 1, 1, f"{len(kept)} kept more precise"))
        build = functools.partial(quantize.int8_keeping, quantized, self._folded, kept)
        return [plain, self._measured("int8-kept", build, tuple(kept))]

    def _by_block(self) -> list[Candidate]:
        """The same with a scale for each block of a column and of the activations: nearer, and slower."""
        if "int8-blockwise" not in self._spec.tried:
            return []
        plain = self._measured("int8-blockwise", lambda: quantize.int8_blockwise(self._folded))
        refined = "int8-blockwise-kept" in self._spec.tried and self._only_too_far(plain)
        if not refined or not (most := self._most_sensitive_blockwise()):
            return [plain]
        return [plain, self._measured("int8-blockwise-kept", lambda: self._blockwise_keeping(most), tuple(most))]

    def _only_too_far(self, each: Candidate) -> bool:
        """Whether a candidate misses the floor and nothing else: a nearer one, which is slower, may then be shipped."""
        fast = each.speed is not None and max(each.speed.short_ratio, each.speed.long_ratio) <= 1
        return fast and bool(self._spec.floor.against(each.figures))

    def folder_of(self, recipe: str) -> Path:
        """The servable folder of a candidate that was built."""
        return self._work.folder(recipe, _must_exist)

    def _int8(self) -> ModelProto:
        return self._work.model("int8", lambda: quantize.int8(self._folded, compressed=_compressed(self._spec)))

    def _rest(self) -> ModelProto:
        return self._work.model(
            "blockwise-rest", lambda: quantize.int8_blockwise(self._folded, quantize.REST_BLOCK_SIZE)
        )

    def _blockwise_keeping(self, names: list[str]) -> ModelProto:
        return quantize.blockwise_keeping(self._rest(), self._folded, names)

    def _most_sensitive_blockwise(self) -> list[str]:
        order = self._order("sensitivity-blockwise", self._rest())
        most = order[: math.ceil(len(order) * quantize.KEPT_SHARE)]
        self._report(Progress("quantize", 1, 1, f"{len(most)} in smaller blocks"))
        return most

    def _order(self, name: str, quantized: ModelProto) -> list[str]:
        """The weights of a quantized model, the most sensitive first."""

        def step(done: int, total: int, name: str) -> None:
            self._report(Progress("quantize", done, total, f"without {name.rpartition('/')[0] or name}"))

        def error(model: ModelProto) -> float:
            return self._kind.error(self._selected(model))

        return self._work.value(name, lambda: quantize.sensitivity(quantized, self._folded, error, step))

    def _kept(self, quantized: ModelProto) -> list[str]:
        """The fewest of the most sensitive weights that, kept block-wise, meet the floor with a margin."""
        order = self._order("sensitivity", quantized)
        count = 1
        while count < MOST_KEPT and not self._good_enough(
            quantize.int8_keeping(quantized, self._folded, order[:count])
        ):
            count *= 2
        return order[:count]

    def _good_enough(self, model: ModelProto) -> bool:
        return not self._spec.floor.against(self._selected(model), MARGIN)

    def _selected(self, model: ModelProto) -> dict[str, float]:
        """The figures of `model` over the selecting inputs."""
        runtime = self._reference.with_graph(model.SerializeToString())
        return self._kind.figures(self._selecting, self._kind.answers(runtime, self._probe.selecting))

    def _measured(self, recipe: str, build: Callable[[], ModelProto], kept: tuple[str, ...] = ()) -> Candidate:
        def measure() -> dict[str, object]:
            self._report(Progress("evaluate", 0, 1, recipe))
            try:
                folder = self._work.folder(
                    recipe,
                    lambda empty: self._assembler(fused(build()), self._canary, optimise=self._at_load)(empty),
                )
                runtime = _load(folder)
                answers = self._kind.answers(runtime, self._probe.scoring)
                seen = self._kind.figures(self._scoring, answers, self._probe.labels)
                if not all(map(math.isfinite, seen.values())):
                    raise ValueError("its figures are not finite")
                start = start_once(folder)
            except FindingsError:
                raise
            except Exception as error:  # quantizers and the runtime raise all kinds on a graph they don't take
                # What this machine did now is no evidence about the model: it must not be kept as an outcome.
                if _of_the_machine(error):
                    raise
                outcome = f"failed: {(str(error).splitlines() or [type(error).__name__])[0][:300]}"
                return Candidate(recipe=recipe, kept=kept, outcome=outcome).model_dump(mode="json")
            size = model_bytes(folder)
            candidate = Candidate(
                recipe=recipe,
                kept=kept,
                size=size,
                size_ratio=round(size / self._source.size, 4),
                quality=Quality.model_validate(seen) if self._spec.task == "sentence-embedding" else None,
                scores=None if self._spec.task == "sentence-embedding" else seen,
                speed=self._speed(runtime),
                load_ms=start.phases["load"],
                peak_rss_mb=start.peak_rss_mb,
                outcome="measured",
            )
            return candidate.model_dump(mode="json")

        candidate = Candidate.model_validate(self._work.value(f"candidate-{recipe}", measure))
        first = next(((name, value) for name, value in candidate.figures.items() if name != "n"), None)
        note = f"{recipe}: {first[0].replace('_', ' ')} {first[1]}" if first else candidate.outcome
        self._report(Progress("evaluate", 1, 1, note))
        return candidate

    def _speed(self, runtime: Runtime) -> Speed:
        short, long = self._kind.requests(self._probe, self._reference.task)
        both = (self._reference, runtime)
        times = [
            *interleaved([lambda each=each: each.compute(short) for each in both], SHORT_ROUNDS),
            *interleaved([lambda each=each: each.compute(long) for each in both], LONG_ROUNDS),
        ]
        was_short, is_short, was_long, is_long = (float(np.median(each)) for each in times)
        best = [min(each) for each in times]
        return Speed(
            short_ms=round(is_short, 2),
            long_ms=round(is_long, 2),
            source_short_ms=round(was_short, 2),
            source_long_ms=round(was_long, 2),
            long_tokens=self._source.max_length,
            long_examples=None if self._source.tokenizer else len(next(iter(long.values()))),
            short_ratio=round(best[1] / best[0], 3),
            long_ratio=round(best[3] / best[2], 3),
        )

    def starts(self, folder: Path) -> tuple[Memory, ColdStart]:
        """Memory under the largest request, and starts of the candidate and of the source, one after the other."""
        ours, theirs = [], []
        for done in range(STARTS):
            self._report(Progress("start", done, STARTS + 1, "fresh processes"))
            ours.append(start_once(folder))
            theirs.append(start_once(self._source_folder))
        self._report(Progress("start", STARTS, STARTS + 1, "the largest request"))
        peak = start_once(folder, largest=True).peak_rss_mb
        start = median_start(ours)
        self._report(Progress("start", STARTS + 1, STARTS + 1, f"{start.total_ms:.0f} ms, {peak:.0f} MB"))
        return (
            Memory(start_rss_mb=start.peak_rss_mb, peak_rss_mb=peak, recommended_mb=recommended_mb(peak)),
            ColdStart(
                n=STARTS, phases=start.phases, total_ms=start.total_ms, source_total_ms=median_start(theirs).total_ms
            ),
        )

    def archive(self, folder: Path) -> ArchiveEntry:
        """Writes model.tar.gz."""
        self._report(Progress("archive", 0, 2, "stored or compressed"))
        choice = decide(folder, self._spec.compression)
        self._spec.out.mkdir(parents=True, exist_ok=True)
        archive = self._spec.out / ARCHIVE
        write_archive(folder, archive, choice.level)
        self._report(Progress("archive", 1, 2, choice.compression))
        entry = ArchiveEntry(
            file=ARCHIVE,
            compression=choice.compression,
            size=archive.stat().st_size,
            sha256=sha256_of(archive),
            unpacked_size=sum(each.stat().st_size for each in folder.iterdir()),
            gzip_ratio=choice.ratio,
            break_even_mb_per_s=choice.break_even_mb_per_s,
        )
        self._report(Progress("archive", 2, 2, f"{entry.size / 1e6:.1f} MB"))
        return entry

    def _assembler(
        self, model: ModelProto, canary: dict[str, Any], *, optimise: bool = False
    ) -> Callable[[Path], None]:
        return lambda folder: assemble(
            folder, model, self._source, self._spec.name, self._spec.task, canary, optimise=optimise
        )


def _compressed(spec: PackageSpec) -> bool:
    return spec.compression == "gzip"


def _of_the_machine(error: BaseException | None) -> bool:
    """Whether a failure, or what caused it, says nothing about the model: it may be gone on the next run."""
    while error is not None:
        if isinstance(error, MemoryError | OSError | ImportError | NotReadyError):
            return True
        error = error.__cause__
    return False


def _load(folder: Path) -> Runtime:
    return Runtime.load(folder, verify(folder), threads=1)


def _must_exist(folder: Path) -> None:
    raise AssertionError(f"{folder} was chosen, so it was built")
