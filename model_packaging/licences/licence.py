"""The licence of a model: the files that state it, whether they agree, and whether the policy allows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Literal

import yaml

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.huggingface import hf_folder
from model_packaging.licences import licence_texts
from model_packaging.spec import DENIED

_TEXT_NAMES = ("LICENSE*", "LICENCE*", "COPYING*", "license*", "licence*", "copying*")
_TEXT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Claim:
    """A statement of a licence: the SPDX `expression`, the `file` that contains it, and its scope.

    `scope` is `model` for a model's own files and `package` for the Python package that contains it: the package's code
    is another work, so its licence applies to the model only if the model itself states none.
    """

    expression: str
    file: str
    scope: Literal["model", "package"]


@dataclass(frozen=True)
class Licence:
    """The decision: the SPDX `expression`, the `source` file (or `given`), all claims, and remarks for the user."""

    expression: str
    source: str
    claims: tuple[Claim, ...]
    remarks: tuple[str, ...]


def of_folder(folder: Path) -> list[Claim]:
    """The claims of a model's folder: in the front matter of its card (README.md), and in its licence files."""
    claims = []
    card = folder / "README.md"
    if card.is_file() and (expression := _front_matter(_text(folder, "README.md"))):
        claims.append(Claim(expression, card.name, "model"))
    names = sorted({file.name for file in folder.iterdir() for name in _TEXT_NAMES if fnmatch(file.name, name)})
    for name in names:
        if (folder / name).is_file() and (expression := licence_texts.from_text(_text(folder, name))):
            claims.append(Claim(expression, name, "model"))
    return claims


def of_package(package: Distribution) -> list[Claim]:
    """The claims of a Python package: in its METADATA (expression, licence field or classifier) and licence files."""
    metadata, name = package.metadata, f"{package.metadata['Name']}-{package.version}.dist-info"
    classifiers = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or () if "License ::" in text]
    said = [*(metadata.get_all("License-Expression") or ()), *(metadata.get_all("License") or ()), *classifiers]
    known = [expression for text in said if (expression := licence_texts.from_name(text))]
    claims = [Claim(known[0], f"{name}/METADATA", "package")] if known else []
    for file in metadata.get_all("License-File") or ():
        text = package.read_text(f"licenses/{file}") or package.read_text(file) or ""
        if expression := licence_texts.from_text(text[:_TEXT_BYTES]):
            claims.append(Claim(expression, f"{name}/{file}", "package"))
    return claims


def package_around(path: Path) -> Distribution | None:
    """The installed package that contains `path`, by the packages' records; None if there is none."""
    path = path.resolve()
    for parent in path.parents:
        inside = str(path.relative_to(parent))
        for information in sorted(parent.glob("*.dist-info")):
            package = PathDistribution(information)
            # A record can have thousands of lines, so it is parsed only if it contains the name.
            files = package.files or () if inside in (package.read_text("RECORD") or "") else ()
            if any(str(file) == inside or str(file).startswith(f"{inside}/") for file in files):
                return package
    return None


def find(source: Path) -> list[Claim]:
    """Every claim about the model at `source`, a folder or a file: its own, and those of the package around it."""
    own = of_folder(source if source.is_dir() else source.parent)
    package = package_around(source)
    return own + (of_package(package) if package else [])


def decide(claims: Sequence[Claim], given: str | None = None, denied: Sequence[str] = DENIED) -> Licence:
    """Decides the licence for the manifest.

    The model's own files take precedence over the package. `given` resolves a disagreement or a missing licence, but
    does not override the policy: a denied licence that a deciding file names is still denied.

    Args:
        given: an SPDX expression from the user.
        denied: patterns of refused licence ids.

    Raises:
        FindingsError: no file states a licence, the deciding files disagree, `given` is invalid, or the policy denies
            it.
    """
    scope = "model" if any(claim.scope == "model" for claim in claims) else "package"
    deciding = [claim for claim in claims if claim.scope == scope]
    if given is not None and licence_texts.from_name(given) is None:
        raise refuse("licence", "must be an SPDX expression or LicenseRef-<name>", given)
    expression = licence_texts.from_name(given) if given else deciding[0].expression if deciding else None
    if expression is None:
        raise refuse(
            "licence",
            "must be known",
            "no model card, licence file or package metadata that names one",
            "it would be unknown whether the model may be served",
            "give `licence`, an SPDX expression",
        )
    source = "given" if given else deciding[0].file
    findings = [] if given else [*_disagreements(deciding)]
    for claim in (Claim(expression, source, scope), *deciding):
        if pattern := denied_by(claim.expression, denied):
            then = "its terms limit the use, or reach the service around the model"
            fix = f"use another model, or remove {pattern} from the policy once its terms are met"
            findings.append(Finding("licence", "must not be denied", f"{claim.expression} in {claim.file}", then, fix))
    if findings:
        raise FindingsError(dict.fromkeys(findings))
    others = [
        claim for claim in claims if claim.scope != scope and not licence_texts.same(claim.expression, expression)
    ]
    remarks = tuple(f"{claim.file} says {claim.expression}, for the package, not the model" for claim in others)
    return Licence(expression, source, tuple(claims), remarks)


def denied_by(expression: str, denied: Sequence[str]) -> str | None:
    """The pattern of `denied` that refuses `expression`; of alternatives joined by OR, one allowed one is enough."""
    first = None
    for alternative in [expression] if "(" in expression else expression.split(" OR "):
        names = re.findall(r"[\w.+-]+", alternative.lower())
        hit = next((pattern for pattern in denied if any(fnmatch(name, pattern.lower()) for name in names)), None)
        if hit is None:
            return None
        first = first or hit
    return first


def _disagreements(claims: Sequence[Claim]) -> Iterator[Finding]:
    first = claims[0]
    for claim in claims[1:]:
        if not licence_texts.same(first.expression, claim.expression):
            got = f"{first.expression} in {first.file}, {claim.expression} in {claim.file}"
            then = "one of the two is wrong, and the terms could be violated"
            yield Finding(
                "licence", "the model's files must agree", got, then, "ask the publisher, then give `licence`"
            )


def _front_matter(card: str) -> str | None:
    match = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(?:\n|$)", card, re.DOTALL)
    try:
        said = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        return None
    if not isinstance(said, dict):
        return None
    names = said.get("license")
    names = [str(name) for name in (names if isinstance(names, list) else [names]) if name]
    if names == ["other"] and said.get("license_name"):
        return licence_texts.from_name(str(said["license_name"]))
    known = [expression for name in names if (expression := licence_texts.from_name(name))]
    return " AND ".join(known) or None


def _text(folder: Path, name: str) -> str:
    with hf_folder.inside(folder, name).open("rb") as file:
        return file.read(_TEXT_BYTES).decode("utf-8", "replace")
