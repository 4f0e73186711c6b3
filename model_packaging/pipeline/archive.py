"""inspect -> optimise -> quantize -> evaluate -> select -> start -> archive -> manifest: a model in a model.tar.gz."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from model_packaging.artifact import oci, sbom
from model_packaging.artifact.archive import write_archive
from model_packaging.artifact.compress import decide
from model_packaging.artifact.folder_manifest import BILL, OCI
from model_packaging.artifact.manifest import SCHEMA, ArchiveEntry, ColdStart, Manifest, Memory
from model_packaging.artifact.manifest import Source as SourceEntry
from model_packaging.artifact.reader import ARCHIVE, MANIFEST, Artifact, open_artifact, sha256_of
from model_packaging.evaluation.choose import CHOSEN, choose, undecided
from model_packaging.evaluation.measure import environment, median_start, recommended_mb, start_once
from model_packaging.findings import FindingsError
from model_packaging.licences import licence
from model_packaging.onnx_model.assemble import entries
from model_packaging.pipeline import describe
from model_packaging.pipeline.candidates import Candidates
from model_packaging.pipeline.exported import exported_once
from model_packaging.pipeline.inspection import described_by, inspected, probed
from model_packaging.pipeline.work import Work, key_of, write_text
from model_packaging.progress import Progress, Report
from model_packaging.quantization.recipe import quantizations
from model_packaging.serving.registry import TASKS
from model_packaging.spec import PackageSpec
from model_packaging.tasks import classes, packaging_of

STARTS = 5  # new processes for the manifest's cold start; `scaletozero bench` starts more
_NOT_DECISIVE = {"out", "work", "source", "tokenizer", "probe", "calibration", "licence", "denied", "oci"}


def package_archive(spec: PackageSpec, report: Report) -> Artifact:
    """Packages the model of `spec` into its `out` folder: model.tar.gz, manifest.json, sbom.cdx.json, and oci/ if
    requested.

    Raises:
        FindingsError: see `pipeline.package`.
    """
    report(Progress("inspect", 0, 1, spec.source.name))
    kind = packaging_of(spec.task)
    source, digest, note = inspected(spec, kind)
    decided = licence.decide(licence.find(spec.source), spec.licence, spec.denied)
    machine = environment()
    wanted = spec.model_dump(mode="json", exclude=_NOT_DECISIVE)
    given = [sha256_of(each) for each in (spec.tokenizer, *described_by(spec)) if each]
    recipes = quantizations(compressed=spec.compression == "gzip")
    steps = {name: each.model_dump() for name, each in recipes.items()}
    key = key_of(wanted, decided.expression, digest, given, probed(spec), steps, machine.model_dump())
    report(Progress("inspect", 1, 1, note))
    if there := _already(spec, key):
        report(Progress("manifest", 1, 1, "already packaged"))
        return there
    with Work(spec.work or spec.out / ".work", key) as work:
        exported = None
        if source is None:
            report(Progress("export", 0, 1, "to one graph, compared with torch"))
            exported_to, exported = exported_once(spec.source, spec.task, work)
            length = spec.max_length or exported.max_length if spec.tokenizer else None
            described = classes.described(spec, spec.source) if TASKS[spec.task].classes else spec
            source = kind.inspect(described.model_copy(update={"source": exported_to, "max_length": length}))
            report(Progress("export", 1, 1, f"within {exported.parity:.1e} of torch"))
        probe = kind.probe(spec, source)
        run = Candidates(spec, kind, source, probe, work, report)
        run.optimise()
        candidates = choose(run.measure(), spec.floor)
        chosen = next(each for each in candidates if each.outcome == CHOSEN)
        unsure = chosen.speed is not None and undecided(chosen.speed)
        note = "; whether it is faster than the source is uncertain" if unsure else ""
        report(Progress("select", 1, 1, f"{chosen.recipe}, {chosen.size_ratio:.3f} of the source{note}"))
        folder = run.folder_of(chosen.recipe)
        memory, cold = _starts(folder, run.source_folder, report)
        manifest = Manifest(
            schema=SCHEMA,
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
            archive=_archive(spec, folder, report),
            files=entries(folder),
            io=describe.input_output(source, folder),
            floor=spec.floor.model_dump(),
            probe_sha256=probe.sha256,
            quantization=recipes.get(chosen.recipe),
            candidates=candidates,
            memory=memory,
            cold_start=cold,
            environment=machine,
            export=exported,
        )
        if spec.oci:
            oci.clear(spec.out / OCI)
            oci.write({path.name: path for path in folder.iterdir()}, describe.for_oci(manifest, kind), spec.out / OCI)
        write_text(spec.out / BILL, sbom.bill(describe.bill_of(manifest), version("scaletozero")))
        write_text(spec.out / MANIFEST, manifest.to_json())
    artifact = open_artifact(spec.out)
    report(Progress("manifest", 1, 1, artifact.digest[:12]))
    return artifact


def _already(spec: PackageSpec, key: str) -> Artifact | None:
    """The artifact of an earlier run with the same key, if it is complete."""
    if (spec.oci and not (spec.out / OCI).exists()) or not (spec.out / MANIFEST).exists():
        return None
    try:
        there = open_artifact(spec.out)
    except FindingsError:
        return None
    return there if there.manifest.key == key else None


def _starts(folder: Path, source_folder: Path, report: Report) -> tuple[Memory, ColdStart]:
    """Measures memory under the largest request, and alternating starts of the candidate and of the source."""
    ours, theirs = [], []
    for done in range(STARTS):
        report(Progress("start", done, STARTS + 1, "fresh processes"))
        ours.append(start_once(folder))
        theirs.append(start_once(source_folder))
    report(Progress("start", STARTS, STARTS + 1, "the largest request"))
    peak = start_once(folder, largest=True).peak_rss_mb
    start = median_start(ours)
    report(Progress("start", STARTS + 1, STARTS + 1, f"{start.total_ms:.0f} ms, {peak:.0f} MB"))
    return (
        Memory(start_rss_mb=start.peak_rss_mb, peak_rss_mb=peak, recommended_mb=recommended_mb(peak)),
        ColdStart(
            n=STARTS, phases=start.phases, total_ms=start.total_ms, source_total_ms=median_start(theirs).total_ms
        ),
    )


def _archive(spec: PackageSpec, folder: Path, report: Report) -> ArchiveEntry:
    """Writes model.tar.gz."""
    report(Progress("archive", 0, 2, "stored or compressed"))
    choice = decide(folder, spec.compression)
    spec.out.mkdir(parents=True, exist_ok=True)
    archive = spec.out / ARCHIVE
    write_archive(folder, archive, choice.level)
    report(Progress("archive", 1, 2, choice.compression))
    entry = ArchiveEntry(
        file=ARCHIVE,
        compression=choice.compression,
        size=archive.stat().st_size,
        sha256=sha256_of(archive),
        unpacked_size=sum(each.stat().st_size for each in folder.iterdir()),
        gzip_ratio=choice.ratio,
        break_even_mb_per_s=choice.break_even_mb_per_s,
    )
    report(Progress("archive", 2, 2, f"{entry.size / 1e6:.1f} MB"))
    return entry
