"""What a user asks for: one model, one target, and how good the result has to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from model_packaging.findings import Finding, FindingsError
from model_packaging.thresholds import ClassFloor, Floor, QualityFloor, TensorFloor

Task = Literal["sentence-embedding", "text-classification", "token-classification", "image-classification", "generic"]
Activation = Literal["softmax", "sigmoid", "none"]
Target = Literal["cpu-serverless"]
FolderTask = Literal["sentence-embedding", "text-classification", "token-classification", "image-classification"]
Compression = Literal["auto", "stored", "gzip"]
Recipe = Literal[
    "int8", "int8-kept", "int8-blockwise", "int8-blockwise-kept", "int8-static", "int8-static-conv", "fp32"
]
REFINES: Mapping[str, str] = {"int8-kept": "int8", "int8-blockwise-kept": "int8-blockwise"}
"""What a recipe starts from: it is tried where that one is too far from the source."""

DENIED = (
    "AGPL-*",
    "SSPL-*",
    "CC-BY-NC-*",
    "*-noncommercial-*",
    "*-research*",
    "*openrail*",
    "LicenseRef-bigscience-*",
    "LicenseRef-llama*",
    "LicenseRef-gemma*",
    "LicenseRef-grok*",
    "LicenseRef-deepfloyd*",
)
"""Licences that limit who may use the model or for what, or that reach the service around it: refused unless the policy
says otherwise. Case does not count."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _no_nul(cls, value: Any) -> Any:
        # The system would refuse it later, in no form that names the field.
        if isinstance(value, Path) and "\0" in str(value):
            raise ValueError("must be a path, which has no NUL in it")
        return value


class _Asked(_Frozen):
    """What every target asks for; see the specs themselves."""

    @classmethod
    def of(cls, **values: Any) -> Self:
        """A spec from plain values.

        Raises:
            FindingsError: everything wrong with them, one finding a field.
        """
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: Mapping[Any, Any]) -> Self:
        """The same from a mapping as it was read, whatever its keys are.

        Raises:
            FindingsError: everything wrong with them, one finding a field.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise FindingsError(findings_of(error)) from error


TEXT_TASKS = ("sentence-embedding", "text-classification", "token-classification")
CLASS_TASKS = ("text-classification", "token-classification", "image-classification")
FLOORS: Mapping[str, type[Floor]] = {
    "sentence-embedding": QualityFloor,
    "text-classification": ClassFloor,
    "token-classification": ClassFloor,
    "image-classification": ClassFloor,
    "generic": TensorFloor,
}
"""What each task's quality is held against."""


class PackageSpec(_Asked):
    """One model to package.

    Attributes:
        name: of the artifact; lower-case letters, digits and single hyphens.
        source: the model, an .onnx file (with its external data beside it, if it has any), or a Hugging Face folder
            with safetensors, which is exported first.
        tokenizer: its tokenizer.json, by default the one in the folder or beside the file; of tasks on texts only.
        licence: SPDX expression, where the model's own files say none or disagree.
        denied: patterns of licences to refuse.
        out: the folder for the artifact: model.tar.gz and manifest.json.
        task: what it answers.
        target: where it runs.
        floor: the quality below which a candidate is refused, of the kind of the task (`floors`).
        recipes: the only ones to try, each after the one that it refines (`REFINES`); by default every one that fits
            the model. Whoever knows which it will be is done sooner; the floor holds all the same.
        compression: of the archive; `auto` stores when the target downloads faster than it inflates. With `gzip`
            the embeddings of `int8` and `int8-kept` are quantized so that they compress better.
        max_length: tokens of a text that are read, by default the tokenizer's own truncation, else 512.
        probe: your own inputs to measure with: every second one to choose with, the others, apart from them, to score
            with. Tasks on texts: one text a line, or .jsonl of {"text": ..., "label": ...}, at least 40; by default
            the sentences of this package. Tasks on tensors need one: .npy or .npz of examples along the first axis,
            .jsonl of {"inputs": ..., "label": ...}, or a folder of .npy with one example each, at least 20.
        calibration: further inputs of the same form, for the ranges of static quantization; by default the probe's
            half to choose with.
        labels: the names of the classes, in their order; by default those of a config.json beside the model.
        activation: how a classifier's outputs become probabilities; by default none where they are already, else as
            config.json says, else softmax.
        revision: of the source, where it has one (a commit, a version).
        oci: whether to write the files as an OCI layout too, out/oci.
        work: folder for the stages' results, so that a killed run goes on where it was; by default `.work` in `out`.
    """

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)
    source: Path
    tokenizer: Path | None = None
    out: Path
    licence: str | None = Field(default=None, min_length=1, max_length=200)
    denied: tuple[str, ...] = DENIED
    task: Task = "sentence-embedding"
    target: Target = "cpu-serverless"
    floor: SerializeAsAny[Floor] = Field(default_factory=QualityFloor)
    recipes: tuple[Recipe, ...] | None = None
    compression: Compression = "auto"
    max_length: int | None = Field(default=None, ge=8, le=8192)
    probe: Path | None = None
    calibration: Path | None = None
    labels: tuple[str, ...] | None = Field(default=None, min_length=2)
    activation: Activation | None = None
    revision: str | None = None
    oci: bool = False
    work: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _its_own_tokenizer(cls, values: Any) -> Any:
        if (
            isinstance(values, dict)
            and values.get("task", "sentence-embedding") in TEXT_TASKS
            and values.get("tokenizer") is None
            and isinstance(values.get("source"), str | Path)
        ):
            source = Path(values["source"])
            folder = source.parent if source.suffix == ".onnx" else source
            return {**values, "tokenizer": folder / "tokenizer.json"}
        return values

    @classmethod
    def from_values(cls, values: Mapping[Any, Any]) -> Self:
        values, findings = dict(values), list[Finding]()
        if isinstance(given := values.get("floor"), Mapping):
            try:
                values["floor"] = _kind_of_floor(values).model_validate(dict(given))
            except ValidationError as error:
                findings = [replace(each, path=f"floor.{each.path}") for each in findings_of(error)]
                del values["floor"]
        try:
            spec = cls.model_validate(values)
        except ValidationError as error:
            raise FindingsError([*findings_of(error), *findings]) from error
        if findings:
            raise FindingsError(findings)
        return spec

    @model_validator(mode="before")
    @classmethod
    def _its_own_floor(cls, values: Any) -> Any:
        if not isinstance(values, dict) or isinstance(values.get("floor"), Floor):
            return values
        kind, given = _kind_of_floor(values), values.get("floor", {})
        return {**values, "floor": kind.model_validate(dict(given))} if isinstance(given, Mapping) else values

    @property
    def tried(self) -> frozenset[str]:
        """The recipes that may be tried."""
        named = frozenset[str](self.recipes or get_args(Recipe))
        return named | {REFINES[each] for each in named if each in REFINES}

    @model_validator(mode="after")
    def _of_the_task(self) -> Self:
        texts, classes = self.task in TEXT_TASKS, self.task in CLASS_TASKS
        wrong = {
            "tokenizer and max_length are of tasks on texts": not texts and (self.tokenizer or self.max_length),
            "labels and activation are of tasks that give classes": not classes and (self.labels or self.activation),
            f"floor must be a {FLOORS[self.task].__name__} for {self.task}": not isinstance(
                self.floor, FLOORS[self.task]
            ),
            "probe must be given: nobody else knows what this model's tensors look like": not texts and not self.probe,
            "calibration is of tasks on tensors, whose activations are quantized by it": texts and self.calibration,
            "recipes must name one, or be left out": self.recipes == (),
            "labels must differ from each other": self.labels and len(set(self.labels)) < len(self.labels),
        }
        if said := [rule for rule, broken in wrong.items() if broken]:
            raise ValueError("; ".join(said))
        return self


def _kind_of_floor(values: Mapping[str, Any]) -> type[Floor]:
    return FLOORS.get(str(values.get("task", "sentence-embedding")), QualityFloor)


class ModuleSource(_Frozen):
    """A torch module of one's own, whose code runs in a subprocess to export it.

    Attributes:
        module: `package.module:name` of the module, or of what returns it when called without arguments.
        example: `package.module:name` of a dict from input name to example tensor, or of what returns one.
        outputs: names for the outputs, in the order in which the module gives them.
        axes: for an input, its dynamic axes by number and name; by default the first, `batch`.
        search: the folder to import from.
    """

    module: str
    example: str
    outputs: tuple[str, ...] = Field(min_length=1)
    axes: dict[str, dict[int, str]] = {}
    search: Path


class FolderSpec(_Asked):
    """One model to package as a folder that a server loads from a bucket's prefix or a volume.

    Attributes:
        name: of the artifact; lower-case letters, digits and single hyphens.
        source: a Hugging Face folder with safetensors.
        module: instead of it a torch module, for `onnx-generic` only.
        out: the folder for the artifact: model/, manifest.json and sbom.cdx.json.
        target: `gpu-vllm` is a quantized checkpoint for vLLM; `onnx-generic` one ONNX graph for any runtime, as exact
            as the original.
        task: what an `onnx-generic` model answers; a checkpoint for vLLM has none, as the server decides that.
        scheme: how a `gpu-vllm` checkpoint is quantized. FP8_DYNAMIC needs compute capability 8.9, W4A16 7.5.
        ignore: further layers of it to keep, as compressed-tensors takes them.
        licence: SPDX expression, where the model's own files say none or disagree.
        denied: patterns of licences to refuse.
        revision: of the source, where it has one (a commit, a version).
        oci: whether to write the folder as an OCI layout too, out/oci.
        work: folder for the stages' results, so that a killed run goes on where it was; by default `.work` in `out`.
    """

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)
    source: Path | None = None
    module: ModuleSource | None = None
    out: Path
    target: Literal["gpu-vllm", "onnx-generic"]
    task: FolderTask | None = None
    scheme: Literal["FP8_DYNAMIC", "W4A16"] | None = None
    ignore: tuple[str, ...] = ()
    licence: str | None = Field(default=None, min_length=1, max_length=200)
    denied: tuple[str, ...] = DENIED
    revision: str | None = None
    oci: bool = False
    work: Path | None = None

    @model_validator(mode="after")
    def _of_the_target(self) -> Self:
        vllm = self.target == "gpu-vllm"
        wrong = {
            "exactly one of source and module must be given": (self.source is None) == (self.module is None),
            "a torch module is for onnx-generic; vLLM reads a Hugging Face folder": vllm and self.module is not None,
            "task is of onnx-generic; vLLM decides itself what it answers": vllm and self.task is not None,
            "scheme and ignore are of gpu-vllm": not vllm and (self.scheme is not None or self.ignore),
            "task must be given for a folder, to export the right graph": not vllm and self.source and not self.task,
        }
        if said := [rule for rule, broken in wrong.items() if broken]:
            raise ValueError("; ".join(said))
        return self


def spec_of(values: Mapping[Any, Any]) -> PackageSpec | FolderSpec:
    """The spec that `values` are of, told by their `target`.

    Raises:
        FindingsError: everything wrong with them, one finding a field.
    """
    kind = FolderSpec if values.get("target") in ("gpu-vllm", "onnx-generic") else PackageSpec
    return kind.from_values(values)


def findings_of(error: ValidationError) -> list[Finding]:
    """What pydantic rejected, in the house form."""
    return [
        Finding(
            ".".join(map(str, each["loc"])) or "spec",
            _rule(each["msg"]),
            "" if each["type"] in ("missing", "extra_forbidden") or not each["loc"] else repr(each["input"]),
        )
        for each in error.errors(include_url=False)
    ]


def _rule(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
