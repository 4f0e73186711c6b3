"""Recipes for graphs with convolutions: int8, with ranges of activations measured on the user's examples."""

from __future__ import annotations

from typing import ClassVar

from onnx import ModelProto

from model_packaging.artifact.manifest import Quantization
from model_packaging.quantization import static_qdq
from model_packaging.quantization.recipe import Attempt, Recipe, Workbench


class Int8Static(Recipe):
    """Convolutions and matrix products in int8."""

    operators: ClassVar[tuple[str, ...]] = static_qdq.CONVOLUTIONS_AND_PRODUCTS

    def quantization(self, *, compressed: bool) -> Quantization | None:
        return Quantization(
            scheme=f"int8 weights a channel and static activations of {', '.join(self.operators)}",
            weight_bits=8,
            activation_bits=8,
            reduce_range=True,
        )

    def attempt(self, bench: Workbench) -> Attempt | None:
        if not bench.calibrating or not static_qdq.convolutional(bench.folded):
            return None
        bench.step(0, 1, f"ranges over {len(bench.calibrating)} inputs")
        bench.step(1, 1, f"ranges over {len(bench.calibrating)} inputs")
        return Attempt(lambda: self._best(bench))

    def _best(self, bench: Workbench) -> ModelProto:
        calibrated = bench.shared("calibrated", lambda: static_qdq.calibrate(bench.folded, bench.calibrating))
        built = [static_qdq.static(each, self.operators) for each in calibrated]
        return min(built, key=bench.error)


class Int8StaticConv(Int8Static):
    """Convolutions only, for graphs whose matrix products the quantizer or the quality does not permit."""

    operators = static_qdq.CONVOLUTIONS_ONLY

    def attempt(self, bench: Workbench) -> Attempt | None:
        return super().attempt(bench) if static_qdq.has_products(bench.folded) else None
