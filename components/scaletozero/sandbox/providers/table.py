"""What a row of the resource table says. The rows are in `resources/`, what reads them is in the files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from scaletozero.sandbox.providers.shapes import Failure

State: TypeAlias = Mapping[str, Any]
"""A resource's properties, plain; beside them `@id`, `@region`, `@account`, `@partition`, `@suffix` (of hosts)."""


@dataclass(frozen=True)
class Convert:
    """A property whose form differs from the API's in more than spelling.

    Attributes:
        to: the API's form, in the property's spelling, so that the service model can judge it.
        back: the property, from what `to` gives.
        paths: what to replace in the path of a failure, so that it names what the user wrote.
    """

    prop: str
    to: Callable[[Any], Any]
    back: Callable[[Any], Any]
    paths: tuple[tuple[str, str], ...] = ()


class _Seen(dict[str, Any]):
    """A state without any property, which remembers those that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __missing__(self, key: str) -> str:
        self.names.add(key)
        # What is made of a Region needs one that exists.
        return "us-east-1" if key == "@region" else ""

    def get(self, key: str, default: Any = None) -> Any:  # type: ignore[override]
        return self[key]


Source: TypeAlias = str | Convert | Callable[[State], Any]
"""Where an API parameter comes from: a property as it is or converted, or a function of the state. None is not sent."""

Rule: TypeAlias = Callable[[State], Iterable[Failure]]
"""A rule that AWS or the Terraform provider has and the service model has not. Values can be `UNKNOWN`."""


@dataclass(frozen=True)
class Step:
    """One API call.

    Attributes:
        operation: the client's method (`create_model`).
        sends: API parameter (dotted when nested) -> source.
        on: the properties that this call applies; empty for a call that always has to be made.
        unset: make the call when the properties are absent, instead of when they are present (it removes them).
        gone: error codes, or beginnings of messages, that mean there is nothing to do.
    """

    operation: str
    sends: Mapping[str, Source]
    on: tuple[str, ...] = ()
    unset: bool = False
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hook:
    """What one API call cannot do: `act` gets the client and the state. `on` and `unset` as in `Step`."""

    act: Callable[[Any, State], Any]
    on: tuple[str, ...] = ()
    unset: bool = False


@dataclass(frozen=True)
class Read:
    """One API call that finds out what is there.

    Attributes:
        operation, sends: as in `Step`; what an earlier read gave is part of the state.
        gives: property -> dotted path in the response; one that begins with `@` is for the next read only.
        pick: takes the wanted element out of a response that lists several; None when it isn't there.
        optional: error codes that mean that only these properties are absent, not the resource.
    """

    operation: str
    sends: Mapping[str, Source]
    gives: Mapping[str, str] = field(default_factory=dict)
    pick: Callable[[Any, State], Any] | None = None
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Naming:
    """How the bridged provider makes a name up: `<logical>-<7 hex>`, at most `limit` characters."""

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
        at_create: parameter of the first call of `create` that takes tags; empty when there is none.
        tag, untag, read: the calls; `read` gives `path` in its response.
        target: their parameters for the resource -> source.
        keys: the parameter of `untag` with the keys to remove; empty where `tag` replaces all tags at once.
        style: how tags are spelt: `pairs` (Key/Value), `lower` (key/value), `tagkey` (TagKey/TagValue) or `map`.
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
    """A state to wait for: `operation` until `path` in the response leaves `pending`; then it has to be in `ready`.

    Attributes:
        decides: property -> dotted path in the response, where the service may have done otherwise than it was told.
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
        create, update, delete: the calls, in order. A call of `update` is made when one of its `on` changed.
        reads: the calls that find the resource; the first one decides whether it exists.
        id: the resource's id, from its inputs alone, so that an interrupted create can be found again.
        id_path: where the response of the first call has the id, when the service makes it up.
        gone: error codes, or beginnings of messages, that mean that it is not there.
        replaces: properties whose change needs a new resource; `*` stands for all that no call of `update` applies.
        required: properties without which the provider refuses; beside those that the API requires.
        defaults: what the Terraform provider assumes for properties that are left out.
        local: properties that are the provider's own and reach no API: name -> Python type.
        computed: what the service may fill in when it is left out; a value then is no drift.
        outputs: additional outputs -> format string over the state.
        json: properties that are JSON documents and compare as such.
        refused: properties of the provider that the sandbox doesn't apply -> what to do instead.
        regional: it has a region of its own.
        find: where the service makes the id up: from the client and the properties of `finding`, the ids of all
            resources that match them, among them one whose creation was interrupted before its id was known.
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
        """The properties that are sent in another form."""
        steps = [step for step in (*self.create, *self.update) if isinstance(step, Step)]
        sources = [source for step in steps for source in step.sends.values()]
        return {source.prop: source for source in sources if isinstance(source, Convert)}

    @property
    def identity(self) -> frozenset[str]:
        """The properties that make the id."""
        seen = _Seen()
        if self.id:
            self.id(seen)
        return frozenset({*seen.names, "region"})

    @property
    def finding(self) -> frozenset[str]:
        """The inputs that the resource is found and deleted by."""
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
        """Those of `finding` that never change: two resources with one id differ in them."""
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
        """Whether a change of this property needs a new resource."""
        if prop in self.replaces or prop == "region":
            return True
        updated = {name for step in self.update for name in step.on}
        return (
            "*" in self.replaces and prop not in updated and prop not in self.local and prop not in ("tags", "tagsAll")
        )
