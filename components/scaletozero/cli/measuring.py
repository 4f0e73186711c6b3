"""`bench` of an artifact: complete cold starts on this machine, by phase, of it and of the model it was made from."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_packaging.artifact.document import manifest_json
from model_packaging.artifact.folder_manifest import MANIFEST, is_folder
from model_packaging.extras import needs
from model_packaging.files import require_writable
from model_packaging.findings import refuse
from model_packaging.validation import show as show_value
from scaletozero.cli.output import done, findings_as_exit, print_json, say, table, write_file
from scaletozero.cli.packaging import read_spec, watching

if TYPE_CHECKING:
    from model_packaging.artifact.reader import Artifact
    from model_packaging.benchmark.bench import Figures

STARTS = 9


def is_artifact(argument: str) -> bool:
    """Whether `bench` was given an artifact: a path with a slash, an archive, or a folder with a manifest."""
    path = Path(argument)
    return "/" in argument or path.is_file() or (path / "manifest.json").is_file()


def bench_artifact(path: Path, starts: int, against: Path | None, svg: Path | None, *, as_json: bool) -> None:
    """Starts the artifact and its baseline alternately, `starts` times each, and shows the figures."""
    with findings_as_exit():
        if svg is not None:
            require_writable("--svg", svg)
        artifact, figures = measure(path, starts, against)
        if svg is not None:
            draw(artifact, figures, svg)
    base = figures[0] if len(figures) > 1 else None
    ours = figures[-1]
    if as_json:
        print_json(report(artifact, figures))
    else:
        show(figures)
    if svg is not None:
        say(f"plot: {svg}")
    said = f"{ours.p50_ms:.0f} ms to the first response (p95 {ours.p95_ms:.0f}), {ours.peak_rss_mb:.0f} MB"
    if base is None:
        done(f"{said}, {starts} starts. To compare it with its source, give --against models/<its spec>.yaml.")
        return
    time, memory = ours.ratio_to(base), ours.peak_rss_mb / base.peak_rss_mb
    done(f"{said}: {time:.2f} of the time of {base.label} and {memory:.2f} of its memory, {starts} starts each.")


def measure(path: Path, starts: int, against: Path | None) -> tuple[Artifact, Sequence[Figures]]:
    """The artifact and the figures of the starts: of the baseline, if there is one, and of the artifact.

    Raises:
        FindingsError: the artifact cannot be started here, or the spec is of another model.
    """
    with needs("packaging"):
        from model_packaging.artifact.reader import open_artifact
        from model_packaging.benchmark.baseline import baseline
        from model_packaging.benchmark.bench import Contender, whole_starts
        from model_packaging.evaluation.measure import StartFailedError
        from model_packaging.spec import PackageSpec
    _not_a_folder(path)
    artifact = open_artifact(path)
    spec = against or its_spec(artifact)
    with tempfile.TemporaryDirectory() as folder, watching() as progress:
        contenders = [Contender(artifact.manifest.name, artifact.archive)]
        if spec is not None:
            contenders.insert(0, baseline(PackageSpec.from_values(read_spec(spec)), artifact, Path(folder), progress))
        try:
            return artifact, whole_starts(contenders, starts, progress)
        except StartFailedError as error:
            raise refuse(str(path), "must start and respond", str(error), fix="package the model again") from None


def its_spec(artifact: Artifact) -> Path | None:
    """The spec of an artifact in artifacts/: the file with the artifact's name in models/ beside it, if it exists."""
    found = artifact.path.resolve().parent.parent / "models" / f"{artifact.manifest.name}.yaml"
    return found if found.is_file() else None


def _not_a_folder(path: Path) -> None:
    """Refuses a folder artifact, whose different manifest would otherwise be reported as wrong in every field."""
    if is_folder(path):
        target = manifest_json(path / MANIFEST, "the manifest must be in the artifact").get("target")
        then, fix = "it cannot be started on this machine", "start it in its inference server"
        raise refuse(str(path), "must be packaged for `cpu-serverless`", show_value(target), then, fix)


def draw(artifact: Artifact, figures: Sequence[Figures], to: Path) -> None:
    """Writes a chart of the starts.

    Raises:
        FindingsError: it cannot be written.
    """
    from model_packaging.benchmark.plot import phases_svg

    title = f"Whole cold start of {artifact.manifest.name}, median of {len(figures[0].starts)}, ms"
    write_file("--svg", to, phases_svg({each.label: each.phases for each in figures}, title))


def report(artifact: Artifact, figures: Sequence[Figures]) -> dict[str, Any]:
    """The figures for programs: milliseconds, bytes, MB of 10^6 bytes."""
    base = figures[0] if len(figures) > 1 else None
    return {
        "artifact": str(artifact.path),
        "sha256": artifact.digest,
        "recipe": artifact.manifest.recipe,
        "starts": len(figures[-1].starts),
        "contenders": [
            {
                "label": each.label,
                "archive_bytes": each.archive_bytes,
                "phases_ms": {name: round(value, 1) for name, value in each.phases.items()},
                "p50_ms": round(each.p50_ms, 1),
                "p95_ms": round(each.p95_ms, 1),
                "fastest_ms": round(each.fastest_ms, 1),
                "peak_rss_mb": round(each.peak_rss_mb, 1),
            }
            for each in figures
        ],
        "time_ratio": round(figures[-1].ratio_to(base), 4) if base else None,
        "memory_ratio": round(figures[-1].peak_rss_mb / base.peak_rss_mb, 4) if base else None,
    }


def show(figures: Sequence[Figures]) -> None:
    """Shows the figures as a table."""
    names = list(dict.fromkeys(name for each in reversed(figures) for name in each.phases))
    rows: list[list[str]] = [
        [name, *(f"{each.phases[name]:.0f} ms" if name in each.phases else "-" for each in figures)] for name in names
    ]
    rows += [
        ["p50", *(f"{each.p50_ms:.0f} ms" for each in figures)],
        ["p95", *(f"{each.p95_ms:.0f} ms" for each in figures)],
        ["fastest", *(f"{each.fastest_ms:.0f} ms" for each in figures)],
        ["memory", *(f"{each.peak_rss_mb:.0f} MB" for each in figures)],
        ["archive", *(f"{each.archive_bytes / 1e6:.1f} MB" for each in figures)],
    ]
    table(["whole cold start", *(each.label for each in figures)], rows)
