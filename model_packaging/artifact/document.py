"""The base of both manifests: a JSON document that is read strictly and written canonically."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from model_packaging.files import read_json
from model_packaging.findings import FindingsError
from model_packaging.validation import findings_of, reject


class Document(BaseModel):
    """A part of a manifest. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # JSON has neither

    def to_json(self) -> str:
        """The canonical text: sorted keys, two spaces, one newline at the end."""
        content = self.model_dump(mode="json", by_alias=True)
        return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def schema_text(cls) -> str:
        """The JSON schema, as it is committed beside the code."""
        return json.dumps(cls.model_json_schema(by_alias=True), indent=2, sort_keys=True) + "\n"


def _inside(path: str) -> str:
    parts = path.split("/")
    if "\\" in path or any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        reject("must be a relative path inside the model")
    return path


LARGEST = 2**63 - 1

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
"""A count, or a number of bytes."""

Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Amount = Annotated[float, Field(ge=0)]
"""A figure that cannot be negative: a time, a size in MB, a ratio."""

Cosine = Annotated[float, Field(ge=-1)]
"""A cosine or a correlation, which can be slightly above 1 due to rounding."""

Inside = Annotated[str, Field(min_length=1), AfterValidator(_inside)]
"""A path below the model's folder, with slashes."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""The name of a file beside the manifest; never a path."""

LARGEST_FILE = 50_000_000
"""Maximum bytes of a manifest."""

T = TypeVar("T", bound=BaseModel)


def manifest_json(path: Path, rule: str) -> Any:
    """Reads the JSON document of a manifest, of either kind of artifact.

    Args:
        path: the file.
        rule: the rule of the finding if the file cannot be read.

    Raises:
        FindingsError: it cannot be read, or is not JSON.
    """
    return read_json(path, LARGEST_FILE, rule, "package the model again")


def parse_manifest(model: type[T], content: Any, path: Path) -> T:
    """Parses the manifest in `content`, which was read from `path`.

    Raises:
        FindingsError: everything that is wrong with it.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        fix = "package the model again with this version"
        found = findings_of(error, model)
        raise FindingsError(
            [replace(each, path=f"{path}: {each.path}", consequence="", fix=fix) for each in found]
        ) from None
