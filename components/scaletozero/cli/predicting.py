"""`predict`: the cold starts of an environment's endpoints, phase by phase, before anything was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from model_packaging.findings import FindingsError
from scaletozero.cli.output import done, findings_as_exit, print_json, say, table
from scaletozero.cold_start.compared import comparisons
from scaletozero.cold_start.fit import Seconds
from scaletozero.cold_start.image import ImageContent
from scaletozero.cold_start.predict import Predicted
from scaletozero.cold_start.registry import read_image
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.project import find_project
from scaletozero.settings.pinned_images import image_region


def predict(
    environment: Annotated[
        str, typer.Option("--environment", "-e", help="The environment, from Pulumi.<name>.yaml.")
    ] = "local",
    registry: Annotated[
        bool, typer.Option(help="Ask each image's registry for its size and layers. Otherwise: `serving.image_gb`.")
    ] = True,
    figures: Annotated[
        bool, typer.Option("--figures", help="Print the predictions of the published figures instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Predicts the cold starts of an environment's endpoints by phase, each with its error band. Changes nothing.

    The size and the layers of an image are read from the manifest in its registry: without credentials, or for Amazon
    ECR with those of AWS. Nothing is pulled.

    Example: scaletozero predict -e gpu-eu --no-registry
    """
    if figures:
        _show_figures(as_json=as_json)
        return
    with findings_as_exit():
        settings = find_project().environment(environment, gated=False)
    report: dict[str, Any] = {}
    for name, endpoint in settings.endpoints.items():
        kind, opened = kind_of(endpoint), settings.opened[name]
        address = kind.image(endpoint, settings.region)
        image, refused = _read(address) if registry and address else (None, [])
        predicted = kind.predicted(endpoint, opened, image)
        report[name] = {
            "kind": kind.name,
            "image": _of_image(image) if image else None,
            "not_read": refused,
            "budget": dict(kind.budget(opened)),
            "predicted": _of_prediction(predicted) if predicted else None,
        }
    if as_json:
        print_json({"environment": environment, "endpoints": report})
        return
    for name, each in report.items():
        _show(name, each)
    done(f"{environment}: predicted from published figures. What you measure belongs into `cold_start`.")


def _read(address: str) -> tuple[ImageContent | None, list[str]]:
    """What an image consists of, or why its registry does not say."""
    try:
        return read_image(address, ecr_credentials), []
    except FindingsError as error:
        return None, [str(finding) for finding in error.findings]


def ecr_credentials(host: str) -> str | None:
    """The authorization for a registry of Amazon ECR; None for another one, and without credentials of AWS."""
    region = image_region(f"{host}/")
    if region is None:
        return None
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("ecr", region_name=region).get_authorization_token()
    except (BotoCoreError, ClientError):
        return None  # the registry's refusal says what to do
    return f"Basic {answer['authorizationData'][0]['authorizationToken']}"


def _of_image(image: ImageContent) -> dict[str, Any]:
    return {
        "digest": image.digest,
        "gb": round(image.gb, 3),
        "layers": len(image.layers),
        "largest_share": round(image.largest, 3),
        "compression": sorted({layer.compression for layer in image.layers}),
    }


def _of_prediction(predicted: Predicted) -> dict[str, Any]:
    return {
        "phases": {name: _of_seconds(each) for name, each in predicted.phases.items()},
        "total": _of_seconds(predicted.total) if predicted.total else None,
        "missing": predicted.missing,
        "gains": [
            {
                "setting": each.setting,
                "on": each.on,
                "phase": each.phase,
                "without": _of_seconds(each.without),
                "with": _of_seconds(each.with_),
            }
            for each in predicted.gains
        ],
    }


def _of_seconds(each: Seconds) -> dict[str, Any]:
    figures = {"expected": each.expected, "low": each.low, "high": each.high}
    return {**{name: round(value, 1) for name, value in figures.items()}, "source": each.source}


def _show(name: str, each: Mapping[str, Any]) -> None:
    for line in each["not_read"]:
        say(f"warning: {name}: {line}; predicted from `serving.image_gb`")
    if image := each["image"]:
        kinds = " and ".join(image["compression"])
        share = f"{image['largest_share']:.0%}"
        say(f"{name}: {image['gb']:g} GB in {image['layers']} layers ({kinds}), the largest {share}; {image['digest']}")
    predicted = each["predicted"]
    if predicted is None:
        say(f"{name}: of the kind {each['kind']} no cold starts are published by phase")
        return
    rows = [
        (phase, f"{seconds} s", *_cells(predicted["phases"].get(phase), predicted["missing"].get(phase)))
        for phase, seconds in each["budget"].items()
    ]
    budget = sum(each["budget"].values())
    rows.append(("cold start", f"{budget} s", *_cells(predicted["total"], "a phase has no prediction")))
    table((name, "budget", "predicted", "band", "from"), rows)


def _cells(found: Mapping[str, Any] | None, missing: str | None) -> tuple[str, str, str]:
    if found is None:
        return ("-", "-", missing or "given, or a constant")
    return (f"{found['expected']:.0f} s", f"{found['low']:.0f} to {found['high']:.0f} s", found["source"])


def _show_figures(*, as_json: bool) -> None:
    found = list(comparisons())
    if as_json:
        print_json(
            [
                {
                    "phase": each.phase,
                    "what": each.figure.what,
                    "seconds": each.figure.seconds,
                    "predicted": _of_seconds(each.predicted),
                    "inside": each.inside,
                    "source": each.figure.source,
                    "date": each.figure.date,
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            each.phase,
            each.figure.what,
            f"{each.figure.seconds:g} s",
            f"{each.predicted.expected:.0f} s",
            f"{each.predicted.low:.0f} to {each.predicted.high:.0f} s",
            "inside" if each.inside else "outside",
            f"{each.figure.source}, {each.figure.date}",
        )
        for each in found
    ]
    table(("phase", "published", "took", "predicted", "band", "", "source"), rows)
    done(f"{sum(each.inside for each in found)} of {len(found)} figures are inside their band.")
