"""The manifest: what an artifact is, and the evidence for it, in one versioned JSON document."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model_packaging.artifact.folder_manifest import Export, Figure

SCHEMA = "scaletozero.manifest/1"
_SHA256 = r"^[0-9a-f]{64}$"
_Count = Annotated[int, Field(ge=0)]
_Cosine = Annotated[float, Field(ge=-1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # JSON has neither


class Source(_Frozen):
    """The model that was packaged.

    Attributes:
        file: name of the model file.
        sha256, size: over the file and its external data, hex and bytes.
        revision: a commit or version, where the user named one.
        tokenizer_sha256: of tokenizer.json, hex, of a task on texts.
        licence: SPDX expression; `licence_from`: the file that says so, or `given`.
    """

    file: str
    sha256: str = Field(pattern=_SHA256)
    size: int = Field(ge=1)
    revision: str | None
    tokenizer_sha256: str | None = Field(default=None, pattern=_SHA256)
    licence: str
    licence_from: str = "given"


class FileEntry(_Frozen):
    """One file in the archive: path, bytes, sha256, and what it is for."""

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)
    role: Literal["card", "graph", "weights", "tokenizer", "canary"]


class ArchiveEntry(_Frozen):
    """The archive beside the manifest.

    Attributes:
        compression: stored (gzip level 0) or gzip.
        size, sha256: of the archive itself, bytes and hex.
        unpacked_size: bytes of the files in it.
        gzip_ratio: compressed over unpacked size at gzip level 6.
        break_even_mb_per_s: the download rate above which `stored` starts sooner than `gzip`; 10^6 bytes per second.
    """

    file: str = Field(pattern=r"^[^/\\\x00]+$")
    compression: Literal["stored", "gzip"]
    size: int = Field(ge=1)
    sha256: str = Field(pattern=_SHA256)
    unpacked_size: int = Field(ge=1)
    gzip_ratio: Figure
    break_even_mb_per_s: Figure


class Tensor(_Frozen):
    """One input or output: its name, its type as numpy calls it, and its axes, null where any size goes."""

    name: str
    dtype: str
    shape: tuple[_Count | None, ...]


class InputOutput(_Frozen):
    """What the served model takes and gives.

    Attributes:
        content_types: media types of a request; `answer_types`: of an answer.
        max_payload_bytes: of a request and of an answer; `max_inputs`: texts or examples in one request.
        max_length: tokens of a text that are read, of a task on texts.
        dimension: numbers per answer, where that is one number: an embedding's, a classifier's classes.
        inputs, outputs: of a task on tensors; the outputs where the task does not decide them.
        labels: names of the classes, where known.
        sample: the JSON of a request that it answers; empty where that would be long, then the archive's files with the
            role `canary` hold it.
    """

    content_types: tuple[str, ...]
    answer_types: tuple[str, ...] = ()
    max_payload_bytes: _Count
    max_inputs: _Count
    max_length: _Count | None = None
    dimension: _Count | None = None
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    labels: tuple[str, ...] = ()
    sample: str = ""


class Quality(_Frozen):
    """Closeness to the unquantized model's answers on `n` texts.

    Attributes:
        cosine_mean, cosine_min, cosine_p1: per text, mean, minimum and first percentile.
        spearman: rank correlation of the similarities of all pairs.
        top1, top5: share of texts with the same nearest neighbour, and mean overlap of the five nearest.
    """

    n: _Count
    cosine_mean: _Cosine
    cosine_min: _Cosine
    cosine_p1: _Cosine
    spearman: _Cosine
    top1: Figure
    top5: Figure


class Speed(_Frozen):
    """A short and a long request on one thread: median milliseconds, and the ratio of the fastest runs to the source's.

    Attributes:
        long_tokens: of the long request, which is one text; the short one is a sentence.
        long_examples: of the long request, of a task on tensors; the short one is one example.
    """

    short_ms: Figure
    long_ms: Figure
    source_short_ms: Figure
    source_long_ms: Figure
    long_tokens: _Count | None = None
    long_examples: _Count | None = None
    short_ratio: Figure
    long_ratio: Figure


class Candidate(_Frozen):
    """One recipe that was tried, with what was measured, or why it was dropped.

    Attributes:
        recipe: its name.
        size: bytes of graph and weights, and `size_ratio` over the source's.
        kept: weights that it keeps at higher precision.
        quality: of embeddings; `scores`: of every other task, by name (see `evaluate`).
        load_ms, peak_rss_mb: of a fresh process that loads it and answers once.
        outcome: `chosen`, or the reason against it.
    """

    recipe: str
    kept: tuple[str, ...] = ()
    size: _Count | None = None
    size_ratio: Figure | None = None
    quality: Quality | None = None
    scores: dict[str, float] | None = None
    speed: Speed | None = None
    load_ms: Figure | None = None
    peak_rss_mb: Figure | None = None
    outcome: str

    @property
    def figures(self) -> dict[str, float]:
        """Its quality by name, whatever the task; empty where it was not measured."""
        return self.quality.model_dump() if self.quality else self.scores or {}


class Quantization(_Frozen):
    """What was done to the weights that were quantized.

    Attributes:
        scheme: in words.
        weight_bits, activation_bits: of the MatMuls; `activation_bits` 32 where activations stay float32.
        reduce_range: whether the weights leave one bit free, so that a CPU without VNNI answers the same.
    """

    scheme: str
    weight_bits: _Count
    activation_bits: _Count
    reduce_range: bool


class Memory(_Frozen):
    """Memory of a serving process.

    Attributes:
        start_rss_mb: the most it held up to its first answer, in MB (10^6 bytes).
        peak_rss_mb: the most it held under the largest request there can be, in MB (10^6 bytes).
        recommended_mb: the endpoint memory to choose, in AWS's MB (2^20 bytes).
    """

    start_rss_mb: Figure
    peak_rss_mb: Figure
    recommended_mb: _Count


class ColdStart(_Frozen):
    """Median milliseconds of `n` fresh processes, from the unpacked model to the first answer, and of the source the
    same way.
    """

    n: _Count
    phases: dict[str, Figure]
    total_ms: Figure
    source_total_ms: Figure


class Environment(_Frozen):
    """The machine that everything was measured on."""

    cpu: str
    cpus: _Count
    vnni: bool
    python: str
    onnxruntime: str
    onnx: str
    tokenizers: str


class Manifest(_Frozen):
    """An artifact and its evidence.

    Attributes:
        key: sha256 over everything that decides the artifact: spec, sources, probe, machine and libraries.
        recipe: of the candidate that was chosen.
        io: what the served model takes and gives.
        quantization: of the recipe, none for fp32.
        export: how the graph was made of a source that was none.
        floor: the quality that was asked for.
        probe_sha256: of the inputs it was measured on.
    """

    schema_: Literal["scaletozero.manifest/1"] = Field(default=SCHEMA, alias="schema")
    name: str
    key: str = Field(pattern=_SHA256)
    task: str
    target: str
    recipe: str
    source: Source
    archive: ArchiveEntry
    files: tuple[FileEntry, ...] = Field(min_length=1)
    io: InputOutput
    floor: dict[str, float]
    probe_sha256: str = Field(pattern=_SHA256)
    quantization: Quantization | None = None
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    memory: Memory
    cold_start: ColdStart
    environment: Environment
    export: Export | None = None

    @model_validator(mode="after")
    def _chosen_was_tried(self) -> Self:
        if self.recipe not in {each.recipe for each in self.candidates}:
            raise ValueError(f"recipe {self.recipe!r} must be that of a candidate")
        return self

    @property
    def chosen(self) -> Candidate:
        """The candidate that was packaged."""
        return next(each for each in self.candidates if each.recipe == self.recipe)

    def to_json(self) -> str:
        """The canonical text: sorted keys, two spaces, one newline at the end."""
        content = self.model_dump(mode="json", by_alias=True)
        return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"


def schema_text() -> str:
    """The JSON schema of a manifest, as it is committed in manifest.schema.json."""
    return json.dumps(Manifest.model_json_schema(by_alias=True), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
