"""`inspect` and `verify`: show an artifact's manifest, and check the artifact against it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from model_packaging import open_artifact
from model_packaging.artifact.folder_manifest import FolderManifest, is_folder, open_folder
from model_packaging.extras import require_serving
from scaletozero.cli.output import FAILED, WRONG_USE, done, findings_as_exit, print_json, table
from scaletozero.cli.packaging import folder_rows

Folder = Annotated[Path, typer.Argument(metavar="artifact", help="The artifact's folder, or the model.tar.gz in it.")]


def inspect(
    artifact: Folder, as_json: Annotated[bool, typer.Option("--json", help="Print the whole manifest as JSON.")] = False
) -> None:
    """Shows the manifest of an artifact: its contents, measurements and rejected candidates.

    Example: scaletozero inspect artifacts/paraphrase-minilm
    """
    with findings_as_exit():
        manifest = open_folder(artifact).manifest if is_folder(artifact) else open_artifact(artifact).manifest
    if as_json:
        print_json(json.loads(manifest.to_json()))
        return
    if isinstance(manifest, FolderManifest):
        rows: list[tuple[str, object]] = [
            ("name", manifest.name),
            ("target", manifest.target),
            ("source", manifest.source.name),
            ("files", f"{len(manifest.files)}, {manifest.size / 1e6:.1f} MB"),
            ("sha256", manifest.sha256),
        ]
        table(("", ""), rows + folder_rows(manifest))
        return
    chosen, cold = manifest.chosen, manifest.cold_start
    rows = [
        ("name", manifest.name),
        ("task, target", f"{manifest.task}, {manifest.target}"),
        ("recipe", manifest.recipe),
        ("source", f"{manifest.source.file}, {manifest.source.size / 1e6:.1f} MB"),
        ("archive", f"{manifest.archive.size / 1e6:.1f} MB, {manifest.archive.compression}"),
        ("sha256", manifest.archive.sha256),
        ("memory", f"{manifest.memory.recommended_mb} MB recommended, {manifest.memory.peak_rss_mb:.0f} MB at most"),
        ("cold start", f"{cold.total_ms:.0f} ms, the source's {cold.source_total_ms:.0f} ms"),
    ]
    rows += [
        (name.replace("_", " "), f"{value:.4f}" if name != "n" else f"{value:.0f}")
        for name, value in chosen.figures.items()
    ]
    table(("", ""), rows)
    table(("candidate", "outcome"), [(each.recipe, each.outcome) for each in manifest.candidates])


def verify(artifact: Folder) -> None:
    """Verifies an artifact: its digests, its archive, and one response of a new process that loads it.

    For a folder artifact, only the files are verified.

    Example: scaletozero verify artifacts/paraphrase-minilm
    """
    # An artifact that exists but is incomplete has been verified, with that result.
    with findings_as_exit(FAILED if artifact.exists() else WRONG_USE):
        if is_folder(artifact):
            whole = open_folder(artifact)
            done(f"{whole.folder}: complete, as its manifest says; no process was started. sha256 {whole.digest[:12]}")
            return
        from model_packaging.evaluation.verification import verify_artifact

        with findings_as_exit():
            require_serving()
        proved = verify_artifact(artifact).artifact
    done(f"{proved.archive}: complete, as its manifest says, and it responds. sha256 {proved.digest[:12]}")
