"""The predicted cold start of a GPU endpoint, beside the budget that its deadlines follow from. It changes neither."""

from __future__ import annotations

import math

from scaletozero.cold_start.fit import Seconds, together
from scaletozero.cold_start.image import ImageContent
from scaletozero.cold_start.predict import Predicted, engine_seconds, node_seconds, pull_seconds
from scaletozero.kubernetes.cold_start import ColdStart
from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.gains import engine_of, gains, streamed_seconds
from scaletozero.kubernetes.model import Model
from scaletozero.settings.gpu import GpuEndpointSettings


def predict_gpu(
    settings: GpuEndpointSettings, model: Model, derived: Derived, image: ImageContent | None = None
) -> Predicted:
    """Predicts the phases that were not measured.

    Args:
        settings: the endpoint.
        model: its packaged model.
        derived: what follows from both.
        image: the image as its registry has it. Default: of the size `serving.image_gb`, in gzip layers.
    """
    budget = derived.cold
    found: dict[str, Seconds] = {}
    missing: dict[str, str] = {}
    if not budget.node.measured and budget.node.seconds:
        found["node"] = node_seconds()
    if not budget.pull.measured and budget.pull.seconds:
        gb, gzipped = (image.gb, image.gzipped) if image else (settings.serving.image_gb, True)
        parallel = derived.pool is not None and derived.pool.parallel_pull
        found["pull"] = pull_seconds(gb, gzipped=gzipped, parallel=parallel)
    _loading(settings, model, derived, found, missing)
    total = None if missing else _total(budget, found)
    return Predicted(found, total, missing, tuple(gains(settings, model, derived, set(found), image)))


def _loading(
    settings: GpuEndpointSettings,
    model: Model,
    derived: Derived,
    found: dict[str, Seconds],
    missing: dict[str, str],
) -> None:
    serving, gb = settings.serving, model.weights_bytes / 1e9
    wanted = [each.name for each in (derived.cold.weights, derived.cold.engine) if not each.measured]
    if serving.engine != "vllm":
        missing.update(dict.fromkeys(wanted, "only the start of vLLM is published"))
        return
    if "weights" in wanted:
        # Of several types, the one that is preferred.
        streamed = streamed_seconds(gb, derived, derived.streams) if derived.types else None
        if streamed:
            found["weights"] = streamed
        else:
            missing["weights"] = "the network of no instance type is known"
    if "engine" in wanted:
        found["engine"] = engine_seconds(gb, engine_of(serving, derived.gpus))


def _total(budget: ColdStart, found: dict[str, Seconds]) -> Seconds:
    parts = [found.get(each.name) or exactly(each.seconds, each.source) for each in budget.phases]
    return together(parts, "errors of different phases are independent")


def exactly(seconds: float, source: str) -> Seconds:
    """A time without an error band."""
    return Seconds(seconds, seconds, seconds, source)


def shown(predicted: Seconds) -> str:
    """A prediction and its band, such as `149 s (38 to 669)`."""
    return f"{math.ceil(predicted.expected)} s ({math.floor(predicted.low)} to {math.ceil(predicted.high)})"
