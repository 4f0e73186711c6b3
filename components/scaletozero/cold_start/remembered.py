"""Measured starts, in a file beside the environments: `scaletozero bench` writes it, and a preview reads it.

The file is `<environment>.cold-starts.json` in the folder of the settings files. It belongs into version control: the
deadlines of an endpoint follow from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from model_packaging.files import exists, read_json, replace_text
from model_packaging.findings import Finding, refuse
from model_packaging.validation import Settings, Text, parse

LARGEST = 16 * 2**20
"""Most bytes of the file: all starts of 50 endpoints have less."""

MOST_STARTS = 500
"""Most starts that are kept for each endpoint; the oldest are dropped."""

SHARE = 0.95
"""Share of the measured starts that the time of a phase covers: the deadlines of all others follow from it."""

SUFFIX = ".cold-starts.json"

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Digest = Annotated[Text, Field(pattern=r"^(sha256:)?[0-9a-f]{64}$")]


class PhaseSeconds(Settings):
    """The measured phases of a start, in seconds. A phase that it did not have, or that left no trace, is absent.

    Attributes:
        poll: from the request until the pod was created; known of wakes that `bench` made.
        queue: from the request until the alarm that wakes an asynchronous endpoint went off.
        alarm: from then until instances were asked for.
        node: from the pod until the node that was started for it had room.
        instance: from when instances were asked for until an instance's log stream was made.
        pull: from the node until the container ran, where the image was pulled.
        container: from the log stream until the server began to load.
        setup: `ModelSetupTime` of a serverless container, without what its server logged.
        python, imports, verify: what the server in the container logs before it loads the model.
        load: on a cluster from the container's start until the pod was ready, weights and engine; of a serverless
            container the model.
        canary: the server's first response to itself.
        model: all that the server of an asynchronous endpoint logs of its start.
        overhead: `OverheadLatency` of a serverless call, without the start.
        answer: from when the server could respond until the response was there.
    """

    poll: Seconds | None = None
    queue: Seconds | None = None
    alarm: Seconds | None = None
    node: Seconds | None = None
    instance: Seconds | None = None
    pull: Seconds | None = None
    container: Seconds | None = None
    setup: Seconds | None = None
    python: Seconds | None = None
    imports: Seconds | None = None
    verify: Seconds | None = None
    load: Seconds | None = None
    canary: Seconds | None = None
    model: Seconds | None = None
    overhead: Seconds | None = None
    answer: Seconds | None = None


class Start(Settings):
    """One measured start.

    Attributes:
        id: what tells it from others: the pod's uid, or the id of the request that woke it.
        at: when the start began.
        region: the Region.
        instance_type: the instance type of the node or instance; of a serverless container `serverless` and its memory.
        image: the image as it was declared.
        image_digest: the digest that the node pulled; None if it does not say.
        artifact: the SHA-256 of the artifact.
        seconds: its phases.
        engine: the phases inside of `load` that the engine has logged, in seconds; None where it logs none.
    """

    id: Annotated[Text, Field(max_length=100)]
    at: AwareDatetime
    region: Text
    instance_type: Text
    image: Text
    image_digest: Digest | None = None
    artifact: Digest
    seconds: PhaseSeconds
    engine: dict[Annotated[Text, Field(max_length=40)], Seconds] | None = None


class Remembered(Settings):
    """The file: format 1, and for each endpoint its measured starts, the oldest first."""

    version: Literal[1] = 1
    endpoints: dict[Text, tuple[Start, ...]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """What an endpoint serves now, which measured starts have to match.

    Attributes:
        region: the Region.
        instance_types: the types that its nodes can have.
        image: the image as it is declared.
        artifact: the SHA-256 of the artifact.
    """

    region: str
    instance_types: tuple[str, ...]
    image: str
    artifact: str


@dataclass(frozen=True)
class Recalled:
    """What measured starts say of an endpoint.

    Attributes:
        seconds: phase -> its time in seconds, of which `SHARE` of the starts needed less.
        sources: phase -> how many starts it was measured in, and when the last of them was.
        stale: the finding on starts of which none is of what is served now; None otherwise.
    """

    seconds: Mapping[str, float]
    sources: Mapping[str, str]
    stale: Finding | None = None


def recall(starts: Sequence[Start], served: Served, path: str = "cold_start") -> Recalled:
    """The times of the starts that are of what is served now.

    Args:
        starts: all measured starts of the endpoint.
        served: what it serves now.
        path: where the finding on stale starts is.
    """
    different = {
        "the Region": lambda each: each.region != served.region,
        "the instance type": lambda each: each.instance_type not in served.instance_types,
        "the image": lambda each: each.image != served.image,
        "the artifact": lambda each: each.artifact.removeprefix("sha256:") != served.artifact.removeprefix("sha256:"),
    }
    fresh = [each for each in starts if not any(differs(each) for differs in different.values())]
    if starts and not fresh:
        last = max(starts, key=lambda each: each.at)
        others = ", ".join(name for name, differs in different.items() if differs(last))
        return Recalled(
            {},
            {},
            Finding(
                path,
                "the measured starts must be of what is served",
                f"another one of {others} in the last of {len(starts)}, {last.at:%Y-%m-%d}",
                "they are not used: the deadlines follow from the defaults",
                "run `scaletozero bench` again once this is deployed",
            ),
        )
    seconds: dict[str, float] = {}
    sources: dict[str, str] = {}
    for phase in PhaseSeconds.model_fields:
        found = [(each.at, value) for each in fresh if (value := getattr(each.seconds, phase)) is not None]
        if found:
            seconds[phase] = percentile([value for _, value in found], SHARE)
            sources[phase] = f"measured, p95 of {len(found)}, {max(at for at, _ in found):%Y-%m-%d}"
    return Recalled(seconds, sources)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that a `share` of the values do not exceed."""
    # 0.95 of 20 is a little more than 19 in floating point.
    return sorted(values)[max(0, math.ceil(round(len(values) * share, 9)) - 1)]


def file_of(folder: Path, environment: str) -> Path:
    """The file of an environment.

    Args:
        folder: the folder of the settings files.
        environment: the environment's name.
    """
    return folder / f"{environment}{SUFFIX}"


def read_starts(path: Path) -> dict[str, tuple[Start, ...]]:
    """Endpoint -> its measured starts; empty without a file.

    Raises:
        FindingsError: the file cannot be read, or is not what `scaletozero bench` writes.
    """
    if not exists(path):
        return {}
    fix = "restore it from version control, or delete it: the defaults apply then"
    return parse(Remembered, read_json(path, LARGEST, fix=fix), path.name).endpoints


def add_starts(path: Path, endpoint: str, starts: Iterable[Start]) -> int:
    """Adds starts to the file; one that is in it already is replaced. Returns how many the endpoint has then.

    Raises:
        FindingsError: the file is invalid, or cannot be written.
    """
    known = read_starts(path)
    by_id = {each.id: each for each in (*known.get(endpoint, ()), *starts)}
    kept = sorted(by_id.values(), key=lambda each: (each.at, each.id))[-MOST_STARTS:]
    whole = Remembered(endpoints={**known, endpoint: tuple(kept)})
    text = json.dumps(whole.model_dump(mode="json", exclude_none=True), indent=2, sort_keys=True) + "\n"
    try:
        replace_text(path, text)
    except OSError as error:
        raise refuse(str(path), "must be a file that can be written", error.strerror or str(error)) from None
    return len(kept)
