"""What a user asks for: one model, one target, and how good the result has to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_packaging.findings import Finding, FindingsError

Task = Literal["sentence-embedding"]
Target = Literal["cpu-serverless"]
FolderTask = Literal["sentence-embedding", "text-classification", "token-classification", "image-classification"]
Compression = Literal["auto", "stored", "gzip"]

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


class _Asked(_Frozen):
    """What every target asks for; see the specs themselves."""

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


class QualityFloor(_Frozen):
    """What a candidate must reach on the scoring texts, as cosines to the unquantized model's answers."""

    mean: float = Field(default=0.998, ge=0, le=1)
    minimum: float = Field(default=0.996, ge=0, le=1)


class PackageSpec(_Asked):
    """One model to package.

    Attributes:
        name: of the artifact; lower-case letters, digits and single hyphens.
        source: the model, an .onnx file (with its external data beside it, if it has any), or a Hugging Face folder
            with safetensors, which is exported first.
        tokenizer: its tokenizer.json, by default the one in the folder or beside the file.
        licence: SPDX expression, where the model's own files say none or disagree.
        denied: patterns of licences to refuse.
        out: the folder for the artifact: model.tar.gz and manifest.json.
        task: what it answers.
        target: where it runs.
        floor: the quality below which a candidate is refused.
        compression: of the archive; `auto` stores when the target downloads faster than it inflates.
        max_length: tokens of a text that are read, by default the tokenizer's own truncation, else 512.
        probe: texts to measure with, one a line, at least 40; by default the sentences of this package.
        revision: of the source, where it has one (a commit, a version).
        oci: whether to write the files as an OCI layout too, out/oci.
        work: folder for the stages' results, so that a killed run goes on where it was; by default `.work` in `out`.
    """

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)
    source: Path
    tokenizer: Path
    out: Path
    licence: str | None = Field(default=None, min_length=1, max_length=200)
    denied: tuple[str, ...] = DENIED
    task: Task = "sentence-embedding"
    target: Target = "cpu-serverless"
    floor: QualityFloor = QualityFloor()
    compression: Compression = "auto"
    max_length: int | None = Field(default=None, ge=8, le=8192)
    probe: Path | None = None
    revision: str | None = None
    oci: bool = False
    work: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _its_own_tokenizer(cls, values: Any) -> Any:
        if (
            isinstance(values, dict)
            and values.get("tokenizer") is None
            and isinstance(values.get("source"), str | Path)
        ):
            source = Path(values["source"])
            folder = source.parent if source.suffix == ".onnx" else source
            return {**values, "tokenizer": folder / "tokenizer.json"}
        return values


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


def spec_of(values: Mapping[str, Any]) -> PackageSpec | FolderSpec:
    """The spec that `values` are of, told by their `target`.

    Raises:
        FindingsError: everything wrong with them, one finding a field.
    """
    kind = FolderSpec if values.get("target") in ("gpu-vllm", "onnx-generic") else PackageSpec
    return kind.of(**values)


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
