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
        sha256: SHA-256 of the file and its external data, in hex.
        size: size of the file and its external data in bytes.
        revision: a commit or a version; null if the user named none.
        tokenizer_sha256: SHA-256 of tokenizer.json in hex; null for a task without texts.
        licence: SPDX expression of the licence.
        licence_from: the file that states the licence, or `given` if the user stated it.
    """

    file: str
    sha256: Sha256
    size: Positive
    revision: str | None
    tokenizer_sha256: Sha256 | None = None
    licence: str
    licence_from: str = "given"


class FileEntry(Document):
    """One file in the archive.

    Attributes:
        path: path of the file in the archive.
        size: size of the file in bytes.
        sha256: SHA-256 of the file in hex.
        role: what the file is for.
    """

    path: Inside
    size: Count
    sha256: Sha256
    role: Literal["card", "graph", "weights", "tokenizer", "canary"]


class ArchiveEntry(Document):
    """The archive beside the manifest.

    Attributes:
        file: name of the archive.
        compression: `stored` (gzip level 0) or `gzip`.
        size: size of the archive in bytes.
        sha256: SHA-256 of the archive in hex.
        unpacked_size: size of the files in the archive in bytes.
        gzip_ratio: compressed size divided by unpacked size, at gzip level 6.
        break_even_mb_per_s: the download rate above which `stored` starts sooner than `gzip`, in MB (10^6 bytes) per
            second.
    """

    file: FileName
    compression: Literal["stored", "gzip"]
    size: Positive
    sha256: Sha256
    unpacked_size: Positive
    gzip_ratio: Amount
    break_even_mb_per_s: Amount


class Tensor(Document):
    """One input or output of the model.

    Attributes:
        name: name of the tensor.
        dtype: element type, by its numpy name.
        shape: length of each axis; null if any length is allowed.
    """

    name: str
    dtype: str
    shape: tuple[Count | None, ...]


class InputOutput(Document):
    """Input and output of the served model.

    Attributes:
        content_types: media types of a request.
        answer_types: media types of a response.
        max_payload_bytes: maximum size of a request, and of a response.
        max_inputs: maximum number of texts or examples in one request.
        max_length: maximum number of tokens that are read of a text; null for a task without texts.
        dimension: length of a result, if it is fixed: of an embedding, or the number of a classifier's classes.
        inputs: the input tensors, for a task on tensors.
        outputs: the output tensors, for a task on tensors that does not fix them.
        labels: names of the classes, if they are known.
        sample: the JSON of a valid request; empty if it would be long: the archive's files with the role
            `canary` then contain it.
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
    """How close embeddings are to those of the unquantized model.

    Attributes:
        n: number of texts that were compared.
        cosine_mean: mean of the texts' cosines.
        cosine_min: minimum of the texts' cosines.
        cosine_p1: first percentile of the texts' cosines.
        spearman: rank correlation of the similarities of all pairs of texts.
        top1: share of the texts with the same nearest neighbour.
        top5: mean overlap of the five nearest neighbours.
    """

    n: Count
    cosine_mean: Cosine
    cosine_min: Cosine
    cosine_p1: Cosine
    spearman: Cosine
    top1: Amount
    top5: Amount


class Speed(Document):
    """Latency of a short and of a long request on one thread; candidate and source run alternately.

    Attributes:
        short_ms: median latency of the short request in milliseconds.
        long_ms: median latency of the long request in milliseconds.
        source_short_ms: the source's median latency of the short request in milliseconds.
        source_long_ms: the source's median latency of the long request in milliseconds.
        long_tokens: number of tokens of the long request, which is one text; the short one is a sentence. Null for
            tasks on tensors.
        long_examples: number of examples in the long request; the short one has one. Null for tasks on texts.
        short_ratio: median ratio of the candidate's latency to the source's, for the short request.
        long_ratio: median ratio of the candidate's latency to the source's, for the long request.
        short_interval: confidence interval (99 %) of `short_ratio`. Above 1 the candidate is slower, below 1
            it is faster; if the interval contains 1, neither is known. Null in older manifests and after too few
            rounds.
        long_interval: the same for `long_ratio`.
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
    """A recipe that was tried, with its measurements, or the reason why it was rejected.

    Attributes:
        recipe: name of the recipe.
        kept: names of the weights that are kept at a higher precision.
        size: size of the graph and its weights in bytes.
        size_ratio: size divided by the source's size.
        quality: closeness to the source, of embeddings.
        scores: closeness to the source by name of the measure (see `evaluate`), for every other task.
        speed: latency compared with the source's.
        load_ms: time in which a new process loads the model, in milliseconds.
        peak_rss_mb: peak memory of a new process that loads the model and serves one request, in MB (10^6 bytes).
        outcome: `chosen`, or the reason against the candidate.
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
        """Its quality by name, for any task; empty if it was not measured."""
        return self.quality.model_dump() if self.quality else self.scores or {}


class Quantization(Document):
    """How the weights were quantized.

    Attributes:
        scheme: description of the scheme.
        weight_bits: number of bits of a MatMul's weight.
        activation_bits: number of bits of a MatMul's activation; 32 if activations stay float32.
        reduce_range: whether the weights leave one bit free, so that a CPU without VNNI returns the same results.
    """

    scheme: str
    weight_bits: Positive
    activation_bits: Positive
    reduce_range: bool


class Memory(Document):
    """Memory of a serving process.

    Attributes:
        start_rss_mb: peak memory until its first result, in MB (10^6 bytes).
        peak_rss_mb: peak memory under the largest possible request, in MB (10^6 bytes).
        recommended_mb: the recommended memory of the endpoint, in AWS's MB (2^20 bytes).
    """

    start_rss_mb: Amount
    peak_rss_mb: Amount
    recommended_mb: Positive


class ColdStart(Document):
    """Durations of cold starts in new processes, from the unpacked model to the first result.

    Attributes:
        n: number of processes that were measured.
        phases: median duration of each phase in milliseconds, by its name.
        total_ms: median duration of the start in milliseconds.
        source_total_ms: median duration of the source's start in milliseconds, measured in the same way.
    """

    n: Positive
    phases: dict[str, Amount]
    total_ms: Amount
    source_total_ms: Amount


class Environment(Document):
    """The machine and the libraries of the measurements.

    Attributes:
        cpu: model name of the CPU.
        cpus: number of CPUs.
        vnni: whether the CPU has the VNNI instructions.
        python: version of Python.
        onnxruntime: version of onnxruntime.
        onnx: version of onnx.
        tokenizers: version of tokenizers.
    """

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
        schema_: version of the manifest's format.
        name: name of the artifact.
        key: SHA-256 of everything that determines the artifact: spec, sources, probe, machine and libraries.
        task: what the model is for.
        target: where the model is served.
        recipe: recipe of the candidate that was chosen.
        source: the model that was packaged.
        archive: the archive beside the manifest.
        files: the files in the archive.
        io: what the served model takes and returns.
        floor: the required quality: threshold by name of the measure.
        probe_sha256: SHA-256 of the inputs that the quality was measured on, in hex.
        quantization: how the weights were quantized; null if they were not.
        candidates: the recipes that were tried.
        memory: memory of a serving process.
        cold_start: durations of cold starts.
        environment: the machine and the libraries of the measurements.
        export: how the graph was exported; null if the source was a graph.
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
