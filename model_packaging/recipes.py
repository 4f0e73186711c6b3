"""The recipes for candidates, in the order in which they are tried. One entry each; no heavy imports.

The order is that of the expected cold start: smallest and fastest first. A new recipe is an entry here and its class.
"""

from __future__ import annotations

from typing import NamedTuple


class RecipeEntry(NamedTuple):
    """A recipe.

    Attributes:
        home: `module:class` of its `quantization.recipe.Recipe`.
        refines: the recipe that it improves: it is tried after that one, if that one is too far from the source.
    """

    home: str
    refines: str = ""


RECIPES: dict[str, RecipeEntry] = {
    "int8-static": RecipeEntry("model_packaging.quantization.static_recipes:Int8Static"),
    "int8-static-conv": RecipeEntry("model_packaging.quantization.static_recipes:Int8StaticConv"),
    "int8": RecipeEntry("model_packaging.quantization.dynamic_recipes:Int8"),
    "int8-kept": RecipeEntry("model_packaging.quantization.dynamic_recipes:Int8Kept", refines="int8"),
    "int8-blockwise": RecipeEntry("model_packaging.quantization.dynamic_recipes:Int8Blockwise"),
    "int8-blockwise-kept": RecipeEntry(
        "model_packaging.quantization.dynamic_recipes:Int8BlockwiseKept", refines="int8-blockwise"
    ),
    "fp32": RecipeEntry("model_packaging.quantization.recipe:Fp32"),
}

UNQUANTIZED = "fp32"
"""The source itself, optimised. It may be shipped with any latency if it meets the thresholds."""
