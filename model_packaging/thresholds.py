"""The quality below which a candidate is refused: one floor for each kind of answer, its figures named as measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True)
class Bound:
    """A figure that must be at least (`best` 1) or at most (`best` 0) `limit`; `words` say what it is."""

    figure: str
    words: str
    limit: float
    best: int


class Floor(BaseModel):
    """What a candidate must reach, measured against the unquantized model's answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def bounds(self) -> Iterator[Bound]:
        """Its figures, each with its limit."""
        raise NotImplementedError

    def against(self, figures: Mapping[str, float], margin: float = 1.0) -> str:
        """The reason against a candidate with these `figures`, empty where there is none.

        Args:
            margin: the part of the error that the floor allows which may be used up, 1 for all.
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
    """Of embeddings: cosines to the unquantized model's, their mean and their minimum over the scoring texts."""

    mean: float = Field(default=0.998, ge=0, le=1)
    minimum: float = Field(default=0.996, ge=0, le=1)

    def bounds(self) -> Iterator[Bound]:
        yield Bound("cosine_mean", "mean cosine", self.mean, 1)
        yield Bound("cosine_min", "minimum cosine", self.minimum, 1)


class ClassFloor(Floor):
    """Of classes.

    Attributes:
        agreement: the share of inputs (of tokens, where those are classified) with the same likeliest class.
        distance: the most that the probability which differs most may differ, 0 to 1, in the mean over the inputs;
            `worst`: for any one input.
    """

    agreement: float = Field(default=0.99, ge=0, le=1)
    distance: float = Field(default=0.03, ge=0, le=1)
    worst: float = Field(default=0.25, ge=0, le=1)

    def bounds(self) -> Iterator[Bound]:
        yield Bound("agreement", "agreement on the class", self.agreement, 1)
        yield Bound("distance_mean", "mean distance of the probabilities", self.distance, 0)
        yield Bound("distance_max", "largest distance of the probabilities", self.worst, 0)


class TensorFloor(Floor):
    """Of tensors that have no meaning here: each output of an example as one vector, the worst output counts.

    Attributes:
        mean, minimum: cosines to the unquantized model's.
        error: the most of the mean relative error, |ours - theirs| / |theirs|.
        agreement: the least share of places with the same largest number along the last axis; 0 where that means
            nothing. It does for what gives probabilities or scores of classes.
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
