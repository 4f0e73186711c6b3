"""A declared resource, as input of the rules: its type, its properties in the engine's spelling, its Region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scaletozero.settings.names import digest


class Unknown:
    """A value that is known only after deployment, or that is a secret."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class DeclaredResource:
    """One resource of an environment or of a stack.

    Attributes:
        type: its type, such as `aws:s3/bucket:Bucket`.
        name: its name in the program.
        properties: what was declared, in the provider's spelling (`serverSideEncryption`), with `UNKNOWN` where a value
            is known only after deployment.
        region: the Region of its provider; None if it has none.
        outputs: its properties from the provider, once it is deployed.
        urn: its URN in the engine.
        depends: property -> the resources that its value comes from.
        written: property path -> the path where the user wrote it.
    """

    type: str
    name: str
    properties: Mapping[str, Any]
    region: str | Unknown | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    urn: str = ""
    depends: Mapping[str, Sequence[str]] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> str | Unknown | None:
        """Its Region: its own, or its provider's, or the one that the provider returned."""
        return self.properties.get("region") or self.region or self.outputs.get("region")

    @property
    def identity(self) -> str:
        """A unique identifier of the resource."""
        return self.urn or digest(self.type, self.name)

    def path(self, property_path: str) -> str:
        """The path of a value, as the user wrote it."""
        return self.written.get(property_path) or ".".join(filter(None, [self.name, property_path]))


def values(properties: Any, path: str, at: str = "") -> Iterator[tuple[str, Any]]:
    """The values at a path such as `rules[].destination.bucket`, each with its own path (`rules[0].destination...`).

    Lists are searched at any depth; an unknown value stands for everything below it.
    """
    if isinstance(properties, Unknown):
        yield at or path, properties
    elif isinstance(properties, list | tuple):
        for index, each in enumerate(properties):
            yield from values(each, path, f"{at}[{index}]")
    elif not path:
        if properties is not None:
            yield at, properties
    elif isinstance(properties, Mapping):
        key, _, rest = path.partition(".")
        name = key.removesuffix("[]")
        if name == "*":
            for each, value in properties.items():
                yield from values(value, rest, f"{at}.{each}".lstrip("."))
        elif name in properties:
            yield from values(properties[name], rest, f"{at}.{name}".lstrip("."))


def texts(value: Any, skip: frozenset[str], at: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a value, with its path, except below the keys to skip."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if key not in skip:
                yield from texts(each, skip, f"{at}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from texts(each, skip, f"{at}[{index}]")
