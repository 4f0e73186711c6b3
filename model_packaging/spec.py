"""A packaging spec: one model, one target, and the required quality. No library for models is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SerializeAsAny, field_validator, model_validator

from model_packaging.findings import Finding, FindingsError
from model_packaging.recipes import RECIPES
from model_packaging.serving.registry import DEFAULT, TASKS, load
from model_packaging.thresholds import Floor, QualityFloor
from model_packaging.validation import Int, Settings, nearest, parse, reject, show

Activation = Literal["softmax", "sigmoid", "none"]
Compression = Literal["auto", "stored", "gzip"]
TARGETS = ("cpu-serverless", "gpu-vllm", "onnx-generic")

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
"""Licences that limit who may use the model or for what, or that extend to the service around it. They are refused by
default; case is ignored."""


def _one_of(known: Iterable[str], what: str) -> AfterValidator:
    """A validator of a name in a registry, which is read at the time of validation."""

    def check(value: str) -> str:
        if value not in known:
            guess = nearest(value, known)
            reject(f"must be {what}: {', '.join(known)}", fix=f"write `{guess}`" if guess else "")
        return value

    return AfterValidator(check)


def _name(value: str) -> str:
    if len(value) > 63 or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        reject("must be lower-case letters, digits and single hyphens, 63 characters at most")
    return value


class _FolderTasks:
    """The names of the tasks for which a Hugging Face folder can be exported."""

    def __iter__(self) -> Iterator[str]:
        return (name for name, kind in TASKS.items() if kind.transformers)

    def __contains__(self, name: object) -> bool:
        return name in set(self)


Name = Annotated[str, AfterValidator(_name)]
TaskName = Annotated[str, _one_of(TASKS, "one of the tasks")]
FolderTaskName = Annotated[str, _one_of(_FolderTasks(), "a task for which a folder can be exported")]  # type: ignore[arg-type]
RecipeName = Annotated[str, _one_of(RECIPES, "one of the recipes")]
Licence = Annotated[str, Field(min_length=1, max_length=200)]


class _Spec(Settings):
    """The settings that every spec has."""

    @field_validator("*")
    @classmethod
    def _no_nul(cls, value: Any) -> Any:
        # The operating system would refuse it later, without the name of the setting.
        if isinstance(value, Path) and "\0" in str(value):
            reject("must be a path without NUL characters")
        return value

    @field_validator("target", mode="before", check_fields=False)
    @classmethod
    def _known_target(cls, value: Any) -> Any:
        if value not in TARGETS:
            guess = nearest(value, TARGETS) if isinstance(value, str) else ""
            reject(f"must be one of {', '.join(TARGETS)}", fix=f"write `{guess}`" if guess else "")
        return value

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Makes a spec from keyword arguments.

        Raises:
            FindingsError: everything that is wrong, one finding per setting.
        """
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: Mapping[Any, Any]) -> Self:
        """Makes a spec from a mapping that was read from a file, with any keys.

        Raises:
            FindingsError: everything that is wrong, one finding per setting.
        """
        return parse(cls, dict(values))


class PackageSpec(_Spec):
    """A model to package for an endpoint on CPUs.

    Attributes:
        name: name of the artifact; lower-case letters, digits and single hyphens.
        source: the model: an .onnx file (with its external data beside it, if it has any), or a Hugging Face folder
            with safetensors, which is exported to ONNX first.
        tokenizer: its tokenizer.json, for tasks on texts. Default: the one in the folder, or beside the file.
        licence: SPDX expression; required if the model's own files name no licence or disagree.
        denied: patterns of licences to refuse.
        out: the folder for the artifact: model.tar.gz and manifest.json.
        task: the model's task, one of `serving.registry.TASKS`.
        target: where the model runs.
        floor: the quality below which a candidate is rejected, of the task's kind (see `thresholds`).
        recipes: the only recipes to try, each after the one that it refines (see `recipes.RECIPES`). Default: every
            recipe that fits the model. Naming them saves time; the floor still applies.
        compression: compression of the archive. `auto` stores it uncompressed when the target downloads faster than it
            inflates. With `gzip` the embeddings of `int8` and `int8-kept` are quantized so that they compress better.
        max_length: maximum number of tokens that are read of a text. Default: the tokenizer's own truncation, or 512.
        probe: your inputs for the measurements: every second one is used to select a recipe's details, the others
            only to score. For tasks on texts: one text per line, or .jsonl of {"text": ..., "label": ...}, at least 40;
            default: the sentences of this package. Tasks on tensors need one: .npy or .npz of examples along the first
            axis, .jsonl of {"inputs": ..., "label": ...}, or a folder of .npy with one example each, at least 20.
        calibration: additional inputs in the same form, for the ranges of static quantization. Default: the half of the
            probe that is used to select.
        labels: the names of the classes, in their order. Default: those of a config.json beside the model.
        activation: how a classifier's outputs become probabilities. Default: none if they already are probabilities,
            or else as in config.json, or else softmax.
        revision: revision of the source, if it has one (a commit, a version).
        oci: whether to write the files as an OCI layout as well, to out/oci.
        work: folder for the results of each stage, so that a killed run continues. Default: `.work` in `out`.
    """

    name: Name
    source: Path
    tokenizer: Path | None = None
    out: Path
    licence: Licence | None = None
    denied: tuple[str, ...] = DENIED
    task: TaskName = DEFAULT
    target: Literal["cpu-serverless"] = "cpu-serverless"
    floor: SerializeAsAny[Floor] = Field(default_factory=QualityFloor)
    recipes: tuple[RecipeName, ...] | None = None
    compression: Compression = "auto"
    max_length: Annotated[Int, Field(ge=8, le=8192)] | None = None
    probe: Path | None = None
    calibration: Path | None = None
    labels: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    activation: Activation | None = None
    revision: str | None = None
    oci: bool = False
    work: Path | None = None

    @classmethod
    def from_values(cls, values: Mapping[Any, Any]) -> Self:
        values, findings = dict(values), list[Finding]()
        if isinstance(given := values.get("floor"), Mapping):
            del values["floor"]
            if kind := _floor_of(values):
                try:
                    values["floor"] = parse(kind, dict(given), "floor")
                except FindingsError as error:
                    findings += error.findings
        try:
            spec = parse(cls, values)
        except FindingsError as error:
            raise FindingsError([*error.findings, *findings]) from None
        if findings:
            raise FindingsError(findings)
        return spec

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, values: Any) -> Any:
        if not isinstance(values, dict) or (kind := _floor_of(values)) is None:
            return values
        values = dict(values)
        given, source = values.get("floor", {}), values.get("source")
        if isinstance(given, Mapping):
            values["floor"] = kind.model_validate(dict(given))
        texts = TASKS[values.get("task", DEFAULT)].inputs == "texts"
        if texts and values.get("tokenizer") is None and isinstance(source, str | Path):
            path = Path(source)
            values["tokenizer"] = (path.parent if path.suffix == ".onnx" else path) / "tokenizer.json"
        return values

    @property
    def tried(self) -> frozenset[str]:
        """The allowed recipes."""
        named = frozenset[str](self.recipes or RECIPES)
        return named | {RECIPES[each].refines for each in named if RECIPES[each].refines}

    def conflicts(self) -> Iterable[Finding]:
        kind, ignored = TASKS[self.task], "it would be ignored"
        texts = kind.inputs == "texts"
        for key in ("tokenizer", "max_length"):
            if not texts and getattr(self, key) is not None:
                yield Finding(key, "is for tasks on texts", str(getattr(self, key)), ignored, "remove it")
        for key in ("labels", "activation"):
            if not kind.classes and getattr(self, key) is not None:
                yield Finding(key, "is for tasks that return classes", show(getattr(self, key)), ignored, "remove it")
        wanted = load(kind.thresholds)
        if not isinstance(self.floor, wanted):
            yield Finding("floor", f"must be a {wanted.__name__} for {self.task}", type(self.floor).__name__)
        if not texts and self.probe is None:
            then = "quality could not be measured: the form of this model's inputs is unknown"
            yield Finding(
                "probe", f"is required for {self.task}", "nothing", then, "name a file with examples of inputs"
            )
        if texts and self.calibration is not None:
            rule = "is for tasks on tensors, whose activations are quantized with it"
            yield Finding("calibration", rule, str(self.calibration), ignored, "remove it")
        if self.recipes == ():
            yield Finding("recipes", "must name at least one", "an empty list", "nothing would be tried", "remove it")
        if self.labels and len(set(self.labels)) < len(self.labels):
            twice = next(each for each in self.labels if self.labels.count(each) > 1)
            yield Finding("labels", "must differ from each other", twice, "two classes would have one name")


def _floor_of(values: Mapping[Any, Any]) -> type[Floor] | None:
    """The kind of floor of the task of `values`; None for an unknown task."""
    task = values.get("task", DEFAULT)
    return load(TASKS[task].thresholds) if isinstance(task, str) and task in TASKS else None


class ModuleSource(_Spec):
    """A torch module of your own. Its code runs in a subprocess, which exports it.

    Attributes:
        module: `package.module:name` of the module, or of a function without arguments that returns it.
        example: `package.module:name` of a dict from input name to example tensor, or of a function that returns one.
        outputs: names for the outputs, in the order in which the module returns them.
        axes: the dynamic axes of an input, by number and name. Default: the first axis, `batch`.
        search: the folder to import from.
    """

    module: str
    example: str
    outputs: Annotated[tuple[str, ...], Field(min_length=1)]
    axes: dict[str, dict[int, str]] = Field(default_factory=dict)
    search: Path


class FolderSpec(_Spec):
    """A model to package as a folder that a server loads from a bucket or a volume.

    Attributes:
        name: name of the artifact; lower-case letters, digits and single hyphens.
        source: a Hugging Face folder with safetensors.
        module: a torch module instead of `source`, for `onnx-generic` only.
        out: the folder for the artifact: model/, manifest.json and sbom.cdx.json.
        target: `gpu-vllm` writes a quantized checkpoint for vLLM; `onnx-generic` writes one ONNX graph for any runtime,
            as precise as the original.
        task: the task of an `onnx-generic` model. A checkpoint for vLLM has no task: the server decides.
        scheme: how a `gpu-vllm` checkpoint is quantized. FP8_DYNAMIC needs compute capability 8.9, W4A16 7.5. Default:
            FP8_DYNAMIC.
        ignore: more layers of the checkpoint to leave unquantized, in the notation of compressed-tensors.
        licence: SPDX expression; required if the model's own files name no licence or disagree.
        denied: patterns of licences to refuse.
        revision: revision of the source, if it has one (a commit, a version).
        oci: whether to write the folder as an OCI layout as well, to out/oci.
        work: folder for the results of each stage, so that a killed run continues. Default: `.work` in `out`.
    """

    name: Name
    source: Path | None = None
    module: ModuleSource | None = None
    out: Path
    target: Literal["gpu-vllm", "onnx-generic"]
    task: FolderTaskName | None = None
    scheme: Literal["FP8_DYNAMIC", "W4A16"] | None = None
    ignore: tuple[str, ...] = ()
    licence: Licence | None = None
    denied: tuple[str, ...] = DENIED
    revision: str | None = None
    oci: bool = False
    work: Path | None = None

    def conflicts(self) -> Iterable[Finding]:
        vllm, ignored = self.target == "gpu-vllm", "it would be ignored"
        if (self.source is None) == (self.module is None):
            got = "neither" if self.source is None else "both"
            yield Finding("source", "exactly one of source and module must be given", got)
        if vllm and self.module is not None:
            then = "vLLM loads a Hugging Face folder"
            yield Finding("module", "is for onnx-generic", "a torch module", then, "name a folder in `source`")
        if vllm and self.task is not None:
            then = "vLLM decides itself what the model is used for"
            yield Finding("task", "is for onnx-generic", self.task, then, "remove it")
        for key in ("scheme", "ignore"):
            if not vllm and getattr(self, key):
                yield Finding(key, "is for gpu-vllm", show(getattr(self, key)), ignored, "remove it")
        if not vllm and self.source and not self.task:
            yield Finding("task", "is required for a folder", "nothing", "the correct graph could not be exported")


def spec_of(values: Mapping[Any, Any]) -> PackageSpec | FolderSpec:
    """Makes the spec in `values`, of the kind of their `target`.

    Raises:
        FindingsError: everything that is wrong, one finding per setting.
    """
    given = values.get("target")
    target = given if given in TARGETS or not isinstance(given, str) else nearest(given, TARGETS)
    return (FolderSpec if target in TARGETS[1:] else PackageSpec).from_values(values)
