"""The types of which a row of the resource table is made. The rows are in `resources/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from scaletozero.sandbox.providers.shapes import Failure

State: TypeAlias = Mapping[str, Any]
"""A resource's plain properties, with `@id`, `@region`, `@account`, `@partition` and `@suffix` (of host names)."""


@dataclass(frozen=True)
class Convert:
    """Converts a property whose form differs from the API's in more than its spelling.

    Attributes:
        to: converts to the API's form, in the property's spelling, so that the service model can validate it.
        back: converts the result of `to` to the property.
        paths: replacements in the path of a failure, so that it names what the user wrote.
    """

    prop: str
    to: Callable[[Any], Any]
    back: Callable[[Any], Any]
    paths: tuple[tuple[str, str], ...] = ()


class _Seen(dict[str, Any]):
    """A state without properties, which records those that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __missing__(self, key: str) -> str:
        self.names.add(key)
        # Values that are derived from a Region need an existing one.
        return "us-east-1" if key == "@region" else ""

    def get(self, key: str, default: Any = None) -> Any:  # type: ignore[override]
        return self[key]


Source: TypeAlias = str | Convert | Callable[[State], Any]
"""The source of an API parameter: a property, a converted property, or a function of the state. None is not sent."""

Rule: TypeAlias = Callable[[State], Iterable[Failure]]
"""A rule of AWS or the Terraform provider that is not in the service model. Values can be `UNKNOWN`."""


@dataclass(frozen=True)
class Step:
    """One API call.

    Attributes:
        operation: the client's method (`create_model`).
        sends: API parameter (dotted when nested) -> source.
        on: the properties that this call applies; empty if the call always has to be made.
        unset: whether the call removes the properties: it is made if they are absent instead of present.
        gone: error codes, or beginnings of messages, that mean that there is nothing to do.
    """

    operation: str
    sends: Mapping[str, Source]
    on: tuple[str, ...] = ()
    unset: bool = False
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hook:
    """An action of more than one API call: `act` receives the client and the state. `on`, `unset`: as in `Step`."""

    act: Callable[[Any, State], Any]
    on: tuple[str, ...] = ()
    unset: bool = False


@dataclass(frozen=True)
class Read:
    """One API call that reads a resource.

    Attributes:
        operation, sends: as in `Step`; the results of earlier reads are part of the state.
        gives: property -> dotted path in the response; names that begin with `@` are for the next read only.
        pick: selects the element from a response that lists several; None if it is not there.
        optional: error codes that mean that these properties are absent, but not the resource.
    """

    operation: str
    sends: Mapping[str, Source]
    gives: Mapping[str, str] = field(default_factory=dict)
    pick: Callable[[Any, State], Any] | None = None
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Naming:
    """How the bridged provider generates a name: `<logical>-<7 hex>`, at most `limit` characters."""

    prop: str = "name"
    limit: int = 255
    prefix: str = ""
    lowercase: bool = False
    leading: str = ""
    trailing: Callable[[State], str] = lambda _: ""


@dataclass(frozen=True)
class Tagging:
    """How a service takes tags.

    Attributes:
        at_create: parameter for tags of the first call of `create`; empty if there is none.
        tag, untag, read: the calls; the response of `read` has the tags at `path`.
        target: their parameters for the resource -> source.
        keys: the parameter of `untag` for the keys to remove; empty if `tag` replaces all tags.
        style: the format of tags: `pairs` (Key/Value), `lower` (key/value), `tagkey` (TagKey/TagValue) or `map`.
    """

    tag: str
    untag: str
    read: str
    path: str
    target: Mapping[str, Source]
    at_create: str = "Tags"
    keys: str = "TagKeys"
    param: str = "Tags"
    style: str = "pairs"
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wait:
    """A state to wait for: calls `operation` until `path` in its response leaves `pending`; it must then be in `ready`.

    Attributes:
        decides: property -> dotted path in the response, for properties that the service may set to another value.
    """

    operation: str
    sends: Mapping[str, Source]
    path: str
    pending: tuple[str, ...]
    ready: tuple[str, ...]
    reason: str
    decides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceType:
    """One row.

    Attributes:
        kind: Pulumi's type token.
        service: botocore's name of the service.
        create, update, delete: the calls, in order. A call of `update` is made if one of its `on` has changed.
        reads: the calls that read the resource; the first one decides whether it exists.
        id: the resource's id, from its inputs alone, so that the result of an interrupted create can be found.
        id_path: the path of the id in the response of the first call, if the service generates it.
        gone: error codes, or beginnings of messages, that mean that the resource does not exist.
        replaces: properties whose change requires a new resource; `*` stands for all that no call of `update` applies.
        required: properties that the provider requires, besides those that the API requires.
        defaults: the Terraform provider's defaults for omitted properties.
        local: properties that are the provider's own and reach no API: name -> Python type.
        computed: properties that the service may set if they are omitted; such a value is not drift.
        outputs: additional outputs -> format string over the state.
        json: properties that are JSON documents and are compared as such.
        refused: property of the provider that the sandbox does not apply -> what to do instead.
        regional: whether it has a region.
        find: if the service generates the id: returns, from the client and the properties of `finding`, the ids of all
            resources that match them, including one whose creation was interrupted before its id was known.
        found_by: the properties that `find` needs.
    """

    kind: str
    service: str
    create: tuple[Step | Hook, ...]
    reads: tuple[Read, ...]
    delete: tuple[Step | Hook, ...]
    id: Callable[[State], str] | None = None
    id_path: str = ""
    update: tuple[Step | Hook, ...] = ()
    gone: tuple[str, ...] = ()
    naming: Naming | None = None
    replaces: frozenset[str] = frozenset({"*"})
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, type] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    outputs: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    json: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    tagging: Tagging | None = None
    wait: Wait | None = None
    regional: bool = True
    from_id: Callable[[str], Mapping[str, Any]] = lambda _: {}
    find: Callable[[Any, State], Iterable[str]] | None = None
    found_by: tuple[str, ...] = ()

    @property
    def sent(self) -> dict[str, tuple[str, str]]:
        """Property -> (operation, dotted parameter) of the first call that sends it."""
        found: dict[str, tuple[str, str]] = {}
        for step in (*self.create, *self.update):
            if isinstance(step, Step):
                for parameter, source in step.sends.items():
                    prop = source.prop if isinstance(source, Convert) else source
                    if isinstance(prop, str) and not prop.startswith("@"):
                        found.setdefault(prop, (step.operation, parameter))
        return found

    @property
    def converts(self) -> dict[str, Convert]:
        """The properties that are converted before they are sent."""
        steps = [step for step in (*self.create, *self.update) if isinstance(step, Step)]
        sources = [source for step in steps for source in step.sends.values()]
        return {source.prop: source for source in sources if isinstance(source, Convert)}

    @property
    def identity(self) -> frozenset[str]:
        """The properties from which the id is made."""
        seen = _Seen()
        if self.id:
            self.id(seen)
        return frozenset({*seen.names, "region"})

    @property
    def finding(self) -> frozenset[str]:
        """The inputs by which the resource is found and deleted."""
        seen = _Seen()
        calls = [call for call in (*self.reads, *self.delete) if not isinstance(call, Hook)]
        for source in (source for call in calls for source in call.sends.values()):
            if isinstance(source, str):
                seen.names.add(source)
            elif not isinstance(source, Convert):
                source(seen)
        return frozenset({*seen.names, *self.identity, *self.found_by}) & (self.inputs - {"region"})

    @property
    def apart(self) -> frozenset[str]:
        """The immutable properties of `finding`, which distinguish two resources with the same id."""
        return frozenset(name for name in self.finding if self.replaced_by(name))

    @property
    def inputs(self) -> frozenset[str]:
        """Every property that the sandbox applies."""
        hooks = {prop for step in (*self.create, *self.update) for prop in step.on}
        own = {"tags", "tagsAll"} if self.tagging else set()
        region = {"region"} if self.regional else set()
        naming = {self.naming.prefix} - {""} if self.naming else set()
        return frozenset({*self.sent, *self.local, *hooks, *own, *region, *naming})

    def replaced_by(self, prop: str) -> bool:
        """Whether a change of this property requires a new resource."""
        if prop in self.replaces or prop == "region":
            return True
        updated = {name for step in self.update for name in step.on}
        return (
            "*" in self.replaces and prop not in updated and prop not in self.local and prop not in ("tags", "tagsAll")
        )
