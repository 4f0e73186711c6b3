"""`repack`: an image with layers that nodes need not decompress, pushed to a registry."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scaletozero.cli.output import done, findings_as_exit, print_json, say
from scaletozero.cli.predicting import ecr_credentials
from scaletozero.cold_start import repack as images
from scaletozero.cold_start.image import ImageContent
from scaletozero.cold_start.predict import pull_seconds
from scaletozero.kubernetes.predicted import shown


def repack(
    source: Annotated[str, typer.Argument(help="The image, with its registry and a tag or a digest.")],
    target: Annotated[str, typer.Argument(help="The new image, with its registry and a tag that does not exist yet.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pushes an image again with uncompressed layers, which nodes pull faster, and prints the predicted gain.

    The content of each layer stays the same, byte for byte, and so does the configuration; both are checked. An image
    that has the weights of a model is refused. The repository must exist. Registries are read without credentials, and
    Amazon ECR with those of AWS; the largest layer needs room in TMPDIR.

    Example: scaletozero repack public.ecr.aws/vllm/vllm:v0.11.0 ECR-ADDRESS/vllm:v0.11.0-plain
    """
    with findings_as_exit():
        found = images.repack(source, target, ecr_credentials, (lambda _: None) if as_json else say)
    rows = {"before": found.before, "after": found.after}
    if as_json:
        print_json({name: {**_of_image(each), "pull": _of_pull(each)} for name, each in rows.items()})
        return
    for name, each in rows.items():
        pulls = _of_pull(each)
        how = f"pull {pulls['default']}, {pulls['parallel']} with nodes.parallel_pull"
        say(f"{name}: {each.gb:.2f} GB; predicted {how}; {each.digest}")
    done(f"pushed: {target.partition('@')[0]}@{found.after.digest}")


def _of_image(image: ImageContent) -> dict[str, Any]:
    return {"digest": image.digest, "gb": image.gb, "layers": len(image.layers)}


def _of_pull(image: ImageContent) -> dict[str, str]:
    return {
        name: shown(pull_seconds(image.gb, gzipped=image.gzipped, parallel=parallel))
        for name, parallel in (("default", False), ("parallel", True))
    }
