"""inspect -> optimise -> quantize -> evaluate -> select -> assemble -> archive -> manifest, each stage kept until the
end.
"""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import overload

import numpy as np
from onnx import ModelProto

from model_packaging import hf_source, licence, oci, quantize, sbom
from model_packaging.archive import write_archive
from model_packaging.artifact import ARCHIVE, MANIFEST, Artifact, open_artifact, sha256_of
from model_packaging.assemble import CANARY_TEXT, assemble, canary_numbers, entries, model_bytes
from model_packaging.choose import CHOSEN, below, choose
from model_packaging.compress import decide
from model_packaging.evaluate import Vectors, distance, interleaved, quality
from model_packaging.findings import FindingsError, refuse
from model_packaging.folder_manifest import BILL, OCI, FolderArtifact
from model_packaging.folder_pipeline import package_folder
from model_packaging.manifest import ArchiveEntry, Candidate, ColdStart, InputOutput, Manifest, Memory, Speed
from model_packaging.manifest import Source as SourceEntry
from model_packaging.measure import StartFailedError, environment, median_start, recommended_mb, start_once
from model_packaging.optimise import folded, fused
from model_packaging.probes import Probe, load_probe
from model_packaging.progress import Progress, Report, quiet
from model_packaging.serving.request import JSON, MAX_INPUTS, MAX_PAYLOAD, NPY
from model_packaging.serving.runtime import Runtime
from model_packaging.serving.start import NotServableError, verify
from model_packaging.source import Source, inspect_source
from model_packaging.spec import FolderSpec, PackageSpec
from model_packaging.work import Work, key_of

STARTS = 5  # fresh processes for the manifest's cold start; `scaletozero bench` takes more
SHORT_ROUNDS, LONG_ROUNDS = 15, 4  # of the interleaved latency measurement, five runs each
MOST_KEPT = 8  # weights treated more gently; beyond that a block-wise model is smaller and better
_NOT_DECISIVE = {"out", "work", "source", "tokenizer", "probe", "licence", "denied", "oci"}
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
        FindingsError: the model, the tokenizer or the probe is refused; no candidate meets the floor; the disk is full.
    """
    try:
        return package_folder(spec, progress) if isinstance(spec, FolderSpec) else _package(spec, progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise refuse(
                str(spec.out),
                "packaging needs room for about eight times the model",
                error.strerror or "",
                "what was finished so far is kept",
                "free space and run the same command again",
            ) from error
        raise


def _package(spec: PackageSpec, report: Report) -> Artifact:
    report(Progress("inspect", 0, 1, spec.source.name))
    source, digest, note = _inspected(spec)
    decided = licence.decide(licence.find(spec.source), spec.licence, spec.denied)
    probe = load_probe(spec.probe)
    machine = environment()
    wanted = spec.model_dump(mode="json", exclude=_NOT_DECISIVE)
    ladder = {name: each.model_dump() for name, each in quantize.RECIPES.items()}
    files = digest, sha256_of(spec.tokenizer), probe.sha256
    key = key_of(wanted, decided.expression, files, ladder, machine.model_dump())
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
            graph, exported = hf_source.exported_once(spec.source, spec.task, work)
            length = spec.max_length or exported.max_length
            source = inspect_source(spec.model_copy(update={"source": graph, "max_length": length}))
            report(Progress("export", 1, 1, f"within {exported.parity:.1e} of torch"))
        run = _Run(spec, source, probe, work, report)
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
            io=InputOutput(
                content_types=("application/json",),
                max_payload_bytes=MAX_PAYLOAD,
                max_inputs=MAX_INPUTS,
                max_length=source.max_length,
                dimension=source.dimension,
            ),
            floor=spec.floor.model_dump(),
            probe_sha256=probe.sha256,
            quantization=quantize.RECIPES.get(chosen.recipe),
            candidates=candidates,
            memory=memory,
            cold_start=cold,
            environment=machine,
            export=exported,
        )
        if spec.oci:
            shutil.rmtree(spec.out / OCI, ignore_errors=True)
            oci.write({path.name: path for path in folder.iterdir()}, _described(manifest), spec.out / OCI)
        _write(spec.out / BILL, sbom.bill(bill_of(manifest), version("scaletozero")))
        _write(spec.out / MANIFEST, manifest.to_json())
    artifact = open_artifact(spec.out)
    report(Progress("manifest", 1, 1, artifact.digest[:12]))
    return artifact


def _inspected(spec: PackageSpec) -> tuple[Source | None, str, str]:
    """The source if it is a graph, its sha256, and a few words on it. A folder is exported later, if at all."""
    if not spec.source.is_dir():
        source = inspect_source(spec)
        return source, source.sha256, f"{source.size / 1e6:.1f} MB, {source.dimension} numbers an answer"
    if not spec.tokenizer.is_file():
        raise refuse(
            str(spec.tokenizer), "the tokenizer must be a tokenizer.json", "no such file", "", "name the model's own"
        )
    folder, parameters = hf_source.describe(spec.source, spec.revision)
    return None, folder.sha256, f"{folder.size / 1e6:.1f} MB, {parameters / 1e6:.1f} million parameters"


def _described(manifest: Manifest) -> oci.Description:
    return oci.Description(
        name=manifest.name,
        version=manifest.archive.sha256[:12],
        revision=manifest.source.revision or "",
        licences=(manifest.source.licence,),
        model_format="onnx",
        quantization=manifest.recipe,
        inputs=("text",),
        outputs=("embedding",),
    )


def bill_of(manifest: Manifest) -> sbom.Model:
    """What the bill of materials says of an artifact; nothing in it that is not in the manifest."""
    quality, machine = manifest.chosen.quality, manifest.environment
    metrics = quality.model_dump(exclude={"n"}) if quality else {}
    source = manifest.source
    return sbom.Model(
        name=manifest.name,
        version=manifest.archive.sha256[:12],
        licence=source.licence,
        task=manifest.task,
        inputs=manifest.io.content_types,
        outputs=(JSON, NPY),
        files=[sbom.Material(each.path, each.sha256) for each in manifest.files],
        ancestors=[sbom.Ancestor(source.file, source.revision or "", source.sha256)],
        metrics=[sbom.Metric(name, value, f"{manifest.probe_sha256[:12]}") for name, value in metrics.items()],
        properties={"recipe": manifest.recipe, "archive_sha256": manifest.archive.sha256},
        libraries={"onnxruntime": machine.onnxruntime, "tokenizers": machine.tokenizers},
    )


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


class _Run:
    """One run of the stages between inspection and the manifest."""

    def __init__(self, spec: PackageSpec, source: Source, probe: Probe, work: Work, report: Report) -> None:
        self._spec, self._source, self._probe, self._work, self._report = spec, source, probe, work, report

    def optimise(self) -> None:
        """The source as it would be served unpackaged, its answers, and the graph that the recipes start from."""
        self._report(Progress("optimise", 0, 2, "the source's own answers"))
        asked = self._work.folder("asked", self._assembler(self._source.model, [], optimise=True))
        self._reference = _load(asked)
        self._canary = canary_numbers(self._reference.embed([CANARY_TEXT])[0])
        build = self._assembler(self._source.model, self._canary, optimise=True)
        self._source_folder = self._work.folder("source", build)
        self._selecting = self._reference.embed(list(self._probe.selecting))
        self._scoring = self._reference.embed(list(self._probe.scoring))
        self._report(Progress("optimise", 1, 2, "folding constants"))
        self._folded = self._work.model("folded", lambda: folded(self._source.model))
        self._report(Progress("optimise", 2, 2))

    def candidates(self) -> list[Candidate]:
        """Every recipe built and measured, in the order of preference; one that fails is recorded with its reason."""
        self._report(Progress("quantize", 0, 1, "int8"))
        found = [self._measured("int8", self._int8)]
        kept: list[str] = []
        if found[0].quality and not self._good_enough(self._int8()):
            kept = self._kept()
            self._report(Progress("quantize", 1, 1, f"{len(kept)} kept more precise"))
            found.append(
                self._measured(
                    "int8-kept", lambda: quantize.int8_keeping(self._int8(), self._folded, kept), tuple(kept)
                )
            )
        else:
            self._report(Progress("quantize", 1, 1, "int8 is near enough" if found[0].quality else found[0].outcome))
        found.append(self._measured("int8-blockwise", lambda: quantize.int8_blockwise(self._folded)))
        if below(found[-1], self._spec.floor) and (most := self._most_sensitive_blockwise()):
            found.append(self._measured("int8-blockwise-kept", lambda: self._blockwise_keeping(most), tuple(most)))
        found.append(self._measured("fp32", lambda: self._folded))
        return found

    def folder_of(self, recipe: str) -> Path:
        """The servable folder of a candidate that was built."""
        return self._work.folder(recipe, _must_exist)

    def _int8(self) -> ModelProto:
        return self._work.model("int8", lambda: quantize.int8(self._folded))

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
            return distance(self._selecting, self._answers(model))

        return self._work.value(name, lambda: quantize.sensitivity(quantized, self._folded, error, step))

    def _kept(self) -> list[str]:
        """The fewest of the most sensitive weights that, kept block-wise, meet the floor with a margin."""
        quantized = self._int8()
        order = self._order("sensitivity", quantized)
        count = 1
        while count < MOST_KEPT and not self._good_enough(
            quantize.int8_keeping(quantized, self._folded, order[:count])
        ):
            count *= 2
        return order[:count]

    def _good_enough(self, model: ModelProto) -> bool:
        floor = self._spec.floor
        seen = quality(self._selecting, self._answers(model))
        return 1 - seen.cosine_mean <= MARGIN * (1 - floor.mean) and 1 - seen.cosine_min <= MARGIN * (1 - floor.minimum)

    def _answers(self, model: ModelProto) -> Vectors:
        return self._reference.with_graph(model.SerializeToString()).embed(list(self._probe.selecting))

    def _measured(self, recipe: str, build: Callable[[], ModelProto], kept: tuple[str, ...] = ()) -> Candidate:
        def measure() -> dict[str, object]:
            self._report(Progress("evaluate", 0, 1, recipe))
            try:
                folder = self._work.folder(recipe, lambda empty: self._assembler(fused(build()), self._canary)(empty))
                runtime = _load(folder)
                seen = quality(self._scoring, runtime.embed(list(self._probe.scoring)))
                start = start_once(folder)
            except (NotServableError, StartFailedError, ValueError, RuntimeError) as error:
                outcome = f"failed: {str(error).splitlines()[0][:300]}"
                return Candidate(recipe=recipe, kept=kept, outcome=outcome).model_dump(mode="json")
            size = model_bytes(folder)
            candidate = Candidate(
                recipe=recipe,
                kept=kept,
                size=size,
                size_ratio=round(size / self._source.size, 4),
                quality=seen,
                speed=self._speed(runtime),
                load_ms=start.phases["load"],
                peak_rss_mb=start.peak_rss_mb,
                outcome="measured",
            )
            return candidate.model_dump(mode="json")

        candidate = Candidate.model_validate(self._work.value(f"candidate-{recipe}", measure))
        note = (
            candidate.outcome if candidate.quality is None else f"{recipe}: mean cosine {candidate.quality.cosine_mean}"
        )
        self._report(Progress("evaluate", 1, 1, note))
        return candidate

    def _speed(self, runtime: Runtime) -> Speed:
        short = [CANARY_TEXT]
        long = [" ".join(self._probe.scoring * 8)]
        both = (self._reference, runtime)
        times = [
            *interleaved([lambda each=each: each.embed(short) for each in both], SHORT_ROUNDS),
            *interleaved([lambda each=each: each.embed(long) for each in both], LONG_ROUNDS),
        ]
        was_short, is_short, was_long, is_long = (float(np.median(each)) for each in times)
        best = [min(each) for each in times]
        return Speed(
            short_ms=round(is_short, 2),
            long_ms=round(is_long, 2),
            source_short_ms=round(was_short, 2),
            source_long_ms=round(was_long, 2),
            long_tokens=self._source.max_length,
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

    def _assembler(self, model: ModelProto, canary: list[float], *, optimise: bool = False) -> Callable[[Path], None]:
        return lambda folder: assemble(
            folder, model, self._source, self._spec.name, self._spec.task, canary, optimise=optimise
        )


def _load(folder: Path) -> Runtime:
    return Runtime.load(folder, verify(folder), threads=1)


def _must_exist(folder: Path) -> None:
    raise AssertionError(f"{folder} was chosen, so it was built")
