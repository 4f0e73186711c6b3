"""`package`: from a model to an artifact with its evidence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from model_packaging.findings import refuse
from model_packaging.progress import Progress, Report
from scaletozero.cli.output import done, err, findings_as_exit, say, table
from scaletozero.project import read_yaml

PATHS = ("source", "tokenizer", "out", "probe", "work")


def package(
    spec: Annotated[Path, typer.Argument(help="The model's YAML file; paths in it are relative to it.")],
    out: Annotated[Path | None, typer.Option(help="The folder for the artifact, instead of the file's own.")] = None,
) -> None:
    """Packages a model: quantizes it, measures it against the original, and archives the best with the evidence.

    Example: scaletozero package models/paraphrase-minilm.yaml
    """
    with findings_as_exit():
        try:
            from model_packaging import PackageSpec
            from model_packaging import package as run
        except ImportError as error:
            fix = "pip install 'scaletozero[packaging]'"
            raise refuse("scaletozero package", "needs the extra `packaging`", str(error), fix=fix) from None
        values = read_spec(spec)
        if out is not None:
            values["out"] = out
        with _watching() as report:
            artifact = run(PackageSpec.of(**values), report)
    manifest = artifact.manifest
    rows = [
        (
            candidate.recipe,
            f"{candidate.size / 1e6:.1f} MB" if candidate.size else "-",
            f"{candidate.quality.cosine_mean:.4f}" if candidate.quality else "-",
            f"{candidate.speed.short_ratio:.2f}" if candidate.speed else "-",
            candidate.outcome,
        )
        for candidate in manifest.candidates
    ]
    table(("candidate", "size", "cosine to the original", "latency ratio", "outcome"), rows)
    size = f"{manifest.archive.size / 1e6:.1f} MB, sha256 {artifact.digest[:12]}"
    done(f"{artifact.archive}: {size}. Name its folder in an environment's `artifact`.")


def read_spec(path: Path) -> dict[str, Any]:
    """The values of a packaging spec; its paths made absolute, files inside installed distributions found.

    Raises:
        FindingsError: when the file cannot be read, or a distribution is not installed or has no such file.
    """
    values = read_yaml(path)
    for key in PATHS:
        value = values.get(key)
        if isinstance(value, dict) and set(value) == {"distribution", "file"}:
            values[key] = _installed(f"{path}: {key}", str(value["distribution"]), str(value["file"]))
        elif isinstance(value, str):
            values[key] = (path.resolve().parent / value).resolve()
    return values


def _installed(where: str, distribution: str, file: str) -> Path:
    try:
        found = Path(str(metadata.distribution(distribution).locate_file(file)))
    except metadata.PackageNotFoundError:
        fix = f"pip install --no-deps {distribution}"
        raise refuse(where, "names a distribution that must be installed", distribution, fix=fix) from None
    if not found.is_file():
        raise refuse(where, f"names a file that {distribution} must have", file)
    return found


@contextlib.contextmanager
def _watching() -> Iterator[Report]:
    """Progress as a bar a stage on a terminal, and as plain lines elsewhere."""
    if not err.is_terminal:
        yield lambda step: say(f"{step.stage} {step.done}/{step.total} {step.note}".rstrip())
        return
    text = TextColumn("{task.description}"), TextColumn("{task.fields[note]}")
    with Bars(text[0], BarColumn(), TimeElapsedColumn(), text[1], console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def report(step: Progress) -> None:
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.total, note="")
            bars.update(tasks[step.stage], completed=step.done, total=step.total, note=step.note)

        yield report
