"""`publish`: uploads an artifact to a bucket, under a key that depends on its content."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import NoRegionError, ProfileNotFound
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from model_packaging.artifact.publish import plan, publish_artifact
from model_packaging.artifact.s3_upload import Destination
from model_packaging.findings import FindingsError, refuse
from model_packaging.validation import Later
from scaletozero.cli.output import FAILED, WRONG_USE, done, err, findings_as_exit, print_json, shown, table
from scaletozero.environment.project import find_project


def publish(
    artifact: Annotated[Path, typer.Argument(help="The artifact's folder, or the model.tar.gz in it.")],
    bucket: Annotated[str, typer.Option(help="The bucket's name.")],
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="The environment whose region and KMS key to use.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option(help="An allowed region of the bucket.")] = None,
    kms_key: Annotated[str | None, typer.Option(help="KMS key to encrypt with. Default: the environment's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Uploads an artifact to a bucket. Interrupted uploads continue; nothing is overwritten.

    Example: scaletozero publish artifacts/paraphrase-minilm --bucket my-models -e prod-eu
    """
    with findings_as_exit():
        to = destination(bucket, environment, region or [], kms_key)
        planned = plan(artifact)
        columns = TextColumn("publish"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
            task = bars.add_task("publish", total=planned.size)
            try:
                published = publish_artifact(planned, to, advance=lambda count: bars.advance(task, count))
            except FindingsError as error:
                raise shown(error, FAILED if _asked(error.__cause__) else WRONG_USE) from None
    rows: list[tuple[Any, ...]] = [
        (each.uri, f"{each.size / 1e6:.1f} MB", "sent" if each.sent else "already there") for each in published.objects
    ]
    if as_json:
        objects = [
            {"uri": each.uri, "size": each.size, "sha256": each.sha256, "sent": each.sent} for each in published.objects
        ]
        print_json({"uri": published.uri, "digest": published.digest, "objects": objects})
        return
    table(("object", "size", ""), rows)
    done(f"{published.uri} holds sha256 {published.digest[:12]}.")


def _asked(cause: BaseException | None) -> bool:
    """Whether a request reached S3; a wrong profile or region on this machine is an error before that."""
    return cause is not None and not isinstance(cause, ProfileNotFound | NoRegionError)


def destination(bucket: str, environment: str | None, regions: list[str], kms_key: str | None) -> Destination:
    """Where to publish. Region and key default to the environment's.

    Raises:
        FindingsError: neither an environment nor a region is given, or the environment is invalid.
    """
    if environment is None:
        if not regions:
            then = "the model could leave its region"
            raise refuse(
                "publish", "needs the regions that the bucket may be in", "", then, "give --environment or --region"
            )
        return Destination(bucket, regions, kms_key)
    settings = find_project().environment(environment, with_artifacts=False)
    key = kms_key or settings.artifacts.kms_key_arn
    if isinstance(key, Later):
        then = "S3 would encrypt the model with another key"
        raise refuse("publish", "needs the key that is encrypted in the settings", "", then, "give --kms-key")
    return Destination(bucket, regions or [settings.region], key)
