"""The quality below which a candidate is rejected: a floor for each kind of output, with the names of its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ConfigDict, Field

from model_packaging.validation import Settings


@dataclass(frozen=True)
class Bound:
    """A figure that must be at least (`best` 1) or at most (`best` 0) `limit`; `words` name it."""

    figure: str
    words: str
    limit: float
    best: int


class Floor(Settings):
    """The required quality of a candidate, measured against the unquantized model's outputs."""

    model_config = ConfigDict(allow_inf_nan=False)

    def bounds(self) -> Iterator[Bound]:
        """The relevant figures with their limits."""
        raise NotImplementedError

    def against(self, figures: Mapping[str, float], margin: float = 1.0) -> str:
        """The reason against a candidate with these `figures`, or "".

        Args:
            margin: the share of the permitted error that may be used; 1 for all of it.
        """
        for each in self.bounds():
            limit = each.best + margin * (each.limit - each.best)
            value = figures[each.figure]
            if each.best and value < limit:
                return f"{each.words} {value} is below the floor {each.limit}"
            if not each.best and value > limit:
                return f"{each.words} {value} is above the limit {each.limit}"
        return ""


class QualityFloor(Floor):
    """Embeddings: mean and minimum, over the scoring texts, of the cosines to the unquantized model's."""

    mean: float = Field(default=0.998, ge=0, le=1)
    minimum: float = Field(default=0.996, ge=0, le=1)

    def bounds(self) -> Iterator[Bound]:
        yield Bound("cosine_mean", "mean cosine", self.mean, 1)
        yield Bound("cosine_min", "minimum cosine", self.minimum, 1)


class ClassFloor(Floor):
    """Classes.

    Attributes:
        agreement: the minimum share of inputs (or of tokens, if tokens are classified) with the same most likely class.
        distance: the maximum mean, over the inputs, of the largest difference between two probabilities, 0 to 1;
            `worst`: the maximum difference for any single input.
    """

    agreement: float = Field(default=0.99, ge=0, le=1)
    distance: float = Field(default=0.03, ge=0, le=1)
    worst: float = Field(default=0.25, ge=0, le=1)

    def bounds(self) -> Iterator[Bound]:
        yield Bound("agreement", "agreement on the class", self.agreement, 1)
        yield Bound("distance_mean", "mean distance of the probabilities", self.distance, 0)
        yield Bound("distance_max", "largest distance of the probabilities", self.worst, 0)


class TensorFloor(Floor):
    """Tensors of any meaning: each output of an example is compared as one vector, and the worst output counts.

    Attributes:
        mean, minimum: cosines to the unquantized model's outputs.
        error: the maximum mean relative error, |ours - theirs| / |theirs|.
        agreement: the minimum share of positions with the same largest number along the last axis, for models that
            return probabilities or scores of classes. Default: 0, not checked.
    """

    mean: float = Field(default=0.998, ge=0, le=1)
    minimum: float = Field(default=0.98, ge=0, le=1)
    error: float = Field(default=0.1, ge=0)
    agreement: float = Field(default=0, ge=0, le=1)

    def bounds(self) -> Iterator[Bound]:
        yield Bound("cosine_mean", "mean cosine", self.mean, 1)
        yield Bound("cosine_min", "minimum cosine", self.minimum, 1)
        yield Bound("error_mean", "mean relative error", self.error, 0)
        if self.agreement:
            yield Bound("agreement", "agreement on the largest number", self.agreement, 1)
