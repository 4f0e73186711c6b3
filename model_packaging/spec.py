"""What a user asks for: one model, one target, and how good the result has to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_packaging.findings import Finding, FindingsError

Task = Literal["sentence-embedding"]
Target = Literal["cpu-serverless"]
Compression = Literal["auto", "stored", "gzip"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityFloor(_Frozen):
    """What a candidate must reach on the scoring texts, as cosines to the unquantized model's answers."""

    mean: float = Field(default=0.998, ge=0, le=1)
    minimum: float = Field(default=0.996, ge=0, le=1)


class PackageSpec(_Frozen):
    """One model to package.

    Attributes:
        name: of the artifact; lower-case letters, digits and single hyphens.
        source: the model, an .onnx file (with its external data beside it, if it has any).
        tokenizer: its tokenizer.json.
        licence: SPDX expression of the model's licence.
        out: the folder for the artifact: model.tar.gz and manifest.json.
        task: what it answers.
        target: where it runs.
        floor: the quality below which a candidate is refused.
        compression: of the archive; `auto` stores when the target downloads faster than it inflates.
        max_length: tokens of a text that are read, by default the tokenizer's own truncation, else 512.
        probe: texts to measure with, one a line, at least 40; by default the sentences of this package.
        revision: of the source, where it has one (a commit, a version).
        work: folder for the stages' results, so that a killed run goes on where it was; by default `.work` in `out`.
    """

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)
    source: Path
    tokenizer: Path
    licence: str = Field(min_length=1, max_length=200)
    out: Path
    task: Task = "sentence-embedding"
    target: Target = "cpu-serverless"
    floor: QualityFloor = QualityFloor()
    compression: Compression = "auto"
    max_length: int | None = Field(default=None, ge=8, le=8192)
    probe: Path | None = None
    revision: str | None = None
    work: Path | None = None

    @classmethod
    def of(cls, **values: Any) -> Self:
        """A spec from plain values.

        Raises:
            FindingsError: everything wrong with them, one finding a field.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise FindingsError(findings_of(error)) from error


def findings_of(error: ValidationError) -> list[Finding]:
    """What pydantic rejected, in the house form."""
    return [
        Finding(
            ".".join(map(str, each["loc"])) or "spec",
            each["msg"][:1].lower() + each["msg"][1:],
            "" if each["type"] in ("missing", "extra_forbidden") else repr(each["input"]),
        )
        for each in error.errors(include_url=False)
    ]
