"""The manifest: what an artifact is, and the evidence for it, in one versioned JSON document."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from model_packaging.artifact.document import Amount, Cosine, Count, Document, FileName, Inside, Positive, Sha256
from model_packaging.artifact.folder_manifest import Export
from model_packaging.validation import reject

SCHEMA = "scaletozero.manifest/1"


class Source(Document):
    """The model that was packaged.

    Attributes:
        file: name of the model file.
        sha256, size: over the file and its external data, hex and bytes.
        revision: a commit or version, where the user named one.
        tokenizer_sha256: of tokenizer.json, hex, of a task on texts.
        licence: SPDX expression; `licence_from`: the file that says so, or `given`.
    """

    file: str
    sha256: Sha256
    size: Positive
    revision: str | None
    tokenizer_sha256: Sha256 | None = None
    licence: str
    licence_from: str = "given"


class FileEntry(Document):
    """One file in the archive: path, bytes, sha256, and what it is for."""

    path: Inside
    size: Count
    sha256: Sha256
    role: Literal["card", "graph", "weights", "tokenizer", "canary"]


class ArchiveEntry(Document):
    """The archive beside the manifest.

    Attributes:
        compression: stored (gzip level 0) or gzip.
        size, sha256: of the archive itself, bytes and hex.
        unpacked_size: bytes of the files in it.
        gzip_ratio: compressed over unpacked size at gzip level 6.
        break_even_mb_per_s: the download rate above which `stored` starts sooner than `gzip`; 10^6 bytes per second.
    """

    file: FileName
    compression: Literal["stored", "gzip"]
    size: Positive
    sha256: Sha256
    unpacked_size: Positive
    gzip_ratio: Amount
    break_even_mb_per_s: Amount


class Tensor(Document):
    """One input or output: its name, its type as numpy calls it, and its axes, null for any size."""

    name: str
    dtype: str
    shape: tuple[Count | None, ...]


class InputOutput(Document):
    """What the served model takes and gives.

    Attributes:
        content_types: media types of a request; `answer_types`: of a response.
        max_payload_bytes: of a request and of a response; `max_inputs`: texts or examples in one request.
        max_length: tokens of a text that are read, of a task on texts.
        dimension: numbers per result, where that is fixed: an embedding's length, a classifier's classes.
        inputs, outputs: for tasks on tensors; the outputs only where the task does not fix them.
        labels: names of the classes, where known.
        sample: the JSON of a valid request; empty where that would be long: then the archive's files with the
            role `canary` contain it.
    """

    content_types: tuple[str, ...]
    answer_types: tuple[str, ...] = ()
    max_payload_bytes: Positive
    max_inputs: Positive
    max_length: Positive | None = None
    dimension: Positive | None = None
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    labels: tuple[str, ...] = ()
    sample: str = ""


class Quality(Document):
    """Closeness to the unquantized model's outputs for `n` texts.

    Attributes:
        cosine_mean, cosine_min, cosine_p1: per text, mean, minimum and first percentile.
        spearman: rank correlation of the similarities of all pairs.
        top1, top5: share of texts with the same nearest neighbour, and mean overlap of the five nearest.
    """

    n: Count
    cosine_mean: Cosine
    cosine_min: Cosine
    cosine_p1: Cosine
    spearman: Cosine
    top1: Amount
    top5: Amount


class Speed(Document):
    """A short and a long request on one thread: median milliseconds, and the median ratio to the source, run in turn.

    Attributes:
        short_interval, long_interval: of the ratio, at 99 % confidence. Above 1 the candidate is slower, below 1
            faster; where it contains 1, it cannot be told. Absent in older manifests, and after too few rounds.
        long_tokens: of the long request, which is one text; the short one is a sentence.
        long_examples: of the long request, of a task on tensors; the short one is one example.
    """

    short_ms: Amount
    long_ms: Amount
    source_short_ms: Amount
    source_long_ms: Amount
    long_tokens: Count | None = None
    long_examples: Count | None = None
    short_ratio: Amount
    long_ratio: Amount
    short_interval: tuple[Amount, Amount] | None = None
    long_interval: tuple[Amount, Amount] | None = None


class Candidate(Document):
    """One recipe that was tried, with its measurements, or the reason why it was dropped.

    Attributes:
        recipe: its name.
        size: bytes of graph and weights, and `size_ratio` over the source's.
        kept: weights that it keeps at higher precision.
        quality: of embeddings; `scores`: of every other task, by name (see `evaluate`).
        load_ms, peak_rss_mb: of a fresh process that loads it and serves one request.
        outcome: `chosen`, or the reason against it.
    """

    recipe: str
    kept: tuple[str, ...] = ()
    size: Count | None = None
    size_ratio: Amount | None = None
    quality: Quality | None = None
    scores: dict[str, float] | None = None
    speed: Speed | None = None
    load_ms: Amount | None = None
    peak_rss_mb: Amount | None = None
    outcome: str

    @property
    def figures(self) -> dict[str, float]:
        """Its quality by name, whatever the task; empty where it was not measured."""
        return self.quality.model_dump() if self.quality else self.scores or {}


class Quantization(Document):
    """What was done to the weights that were quantized.

    Attributes:
        scheme: in words.
        weight_bits, activation_bits: of the MatMuls; `activation_bits` 32 where activations stay float32.
        reduce_range: whether the weights leave one bit free, so that a CPU without VNNI gives the same results.
    """

    scheme: str
    weight_bits: Positive
    activation_bits: Positive
    reduce_range: bool


class Memory(Document):
    """Memory of a serving process.

    Attributes:
        start_rss_mb: the most it held until its first result, in MB (10^6 bytes).
        peak_rss_mb: the most it held under the largest request there can be, in MB (10^6 bytes).
        recommended_mb: the endpoint memory to choose, in AWS's MB (2^20 bytes).
    """

    start_rss_mb: Amount
    peak_rss_mb: Amount
    recommended_mb: Positive


class ColdStart(Document):
    """Median milliseconds of `n` fresh processes, from the unpacked model to the first result, and of the source the
    same way.
    """

    n: Positive
    phases: dict[str, Amount]
    total_ms: Amount
    source_total_ms: Amount


class Environment(Document):
    """The machine that everything was measured on."""

    cpu: str
    cpus: Positive
    vnni: bool
    python: str
    onnxruntime: str
    onnx: str
    tokenizers: str


class Manifest(Document):
    """An artifact and its evidence.

    Attributes:
        key: sha256 over everything that determines the artifact: spec, sources, probe, machine and libraries.
        recipe: of the candidate that was chosen.
        io: what the served model takes and gives.
        quantization: what the recipe did; none for fp32.
        export: how the graph was exported, where the source was a folder.
        floor: the quality that was asked for.
        probe_sha256: of the inputs it was measured on.
    """

    schema_: Literal["scaletozero.manifest/1"] = Field(default=SCHEMA, alias="schema")
    name: str
    key: Sha256
    task: str
    target: str
    recipe: str
    source: Source
    archive: ArchiveEntry
    files: tuple[FileEntry, ...] = Field(min_length=1)
    io: InputOutput
    floor: dict[str, Amount]
    probe_sha256: Sha256
    quantization: Quantization | None = None
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    memory: Memory
    cold_start: ColdStart
    environment: Environment
    export: Export | None = None

    @model_validator(mode="after")
    def _chosen_was_tried(self) -> Self:
        if self.recipe not in {each.recipe for each in self.candidates}:
            reject("must be the recipe of a candidate", at="recipe")
        return self

    @property
    def chosen(self) -> Candidate:
        """The candidate that was packaged."""
        return next(each for each in self.candidates if each.recipe == self.recipe)


if __name__ == "__main__":
    print(Manifest.schema_text(), end="")
