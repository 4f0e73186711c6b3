"""Applies resources to the embedded AWS by the calls of the resource table."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from scaletozero.partitions import dns_suffix
from scaletozero.sandbox.inventory import Created, Inventory
from scaletozero.sandbox.providers.check import Settings, default_tags, operation, property_shape, shape_at
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.diff import Change, changes
from scaletozero.sandbox.providers.responses import as_property, tags_from, tags_to
from scaletozero.sandbox.providers.shapes import at, bind
from scaletozero.sandbox.providers.table import Convert, Hook, ResourceType, Source, State, Step
from scaletozero.sandbox.providers.values import has_secret, mark_like, plain

POLL_SECONDS = 0.2


OWN_TAGS = ("managed-by", "stack")
"""The tags that identify a stack's own resources (`scaletozero.component`)."""


class Incomplete(Exception):  # noqa: N818 - it is a state as much as an error
    """The resource exists, but not as declared.

    Attributes:
        id: the resource's id.
        outputs: its known properties.
    """

    def __init__(self, reason: str, id_: str, outputs: dict[str, Any]) -> None:
        super().__init__(reason)
        self.id, self.outputs = id_, outputs


class Stopped(Exception):  # noqa: N818
    """The engine was interrupted."""


@dataclass
class Applier:
    """Creates, reads, updates and deletes resources of every type in the table.

    Attributes:
        cancelled: set when the engine is interrupted; it ends all waits.
        inventory: records the created resources; None if no record is needed.
    """

    clients: Clients
    settings: Settings
    cancelled: threading.Event
    inventory: Inventory | None = None

    def create(self, row: ResourceType, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Creates a resource. Returns its (id, outputs).

        A resource that already exists under exactly this name, with the tags of this stack, was created by an
        interrupted run: it is updated to what is declared, and adopted.

        Raises:
            ClientError: nothing was created.
            Incomplete: something was created.
        """
        state = self.state(row, plain(inputs), None)
        state["@id"] = row.id(state) if row.id else ""
        client = self._client(row, state)
        made, written = False, self._write_down(row, inputs, state)
        try:
            for index, step in enumerate(row.create):
                if index == 0 or self._applies(row, step, state):
                    response = self._do(row, client, step, state, tags=index == 0)
                    made = True
                    if index == 0 and row.id_path:
                        state["@id"] = at(response, row.id_path)
                        self._made(written, state["@id"])
            if row.tagging and not row.tagging.at_create and state.get("tagsAll"):
                self._tag(row, client, state | self._known(row, client, state), {}, state["tagsAll"])
            decided = self._wait(row, client, state)
        except Exception as error:
            if not made:
                if isinstance(error, ClientError):  # after any other error the resource may exist
                    if adopted := self._adopted(row, inputs, state):
                        return adopted
                    self._failed(written)
                raise
            raise Incomplete(_words(error), state["@id"], self._outputs(row, inputs, state)) from error
        return state["@id"], self._outputs(row, inputs, state | self._known(row, client, state)) | decided

    def _adopted(self, row: ResourceType, inputs: Mapping[str, Any], state: State) -> tuple[str, dict[str, Any]] | None:
        wanted, id_ = plain(inputs.get("tagsAll")) or {}, state["@id"]
        if not row.id or any(key not in wanted for key in OWN_TAGS):
            return None
        found = self.read(row, id_, plain(inputs), plain(inputs))
        if found is None or any(found[0]["tagsAll"].get(key) != wanted[key] for key in OWN_TAGS):
            return None
        different = changes(row, found[0], inputs, ())
        if any(change.replaces for change in different):
            self.delete(row, id_, found[0])
            return self.create(row, inputs)
        return id_, self.update(row, id_, found[0], inputs, different)

    def _write_down(self, row: ResourceType, inputs: Mapping[str, Any], state: State) -> str | None:
        """Records a resource in the inventory before it exists."""
        if self.inventory is None:
            return None
        found_by = _written(inputs, row.finding)
        return self.inventory.begin(Created(row.kind, _region(row, state), state["@id"] or None, found_by))

    def _made(self, written: str | None, id_: str) -> None:
        if self.inventory and written:
            self.inventory.made(written, id_)

    def _failed(self, written: str | None) -> None:
        if self.inventory and written:
            self.inventory.failed(written)

    def read(
        self, row: ResourceType, id_: str, olds: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The current (outputs, inputs), or None if the resource does not exist."""
        imported = not olds
        base = dict(row.from_id(id_)) if imported else dict(olds)
        if not base:
            raise ValueError(f"the sandbox cannot import {row.kind} by the id {id_!r}")
        if row.regional and base.get("region") is None:
            base["region"] = self.settings.region
        state = self.state(row, plain(base), id_)
        client = self._client(row, state)
        try:
            live = self._live(row, client, state)
        except ClientError as error:
            if _is(error, row.gone):
                return None
            raise
        if live is None:
            return None
        there = {key: value for key, value in base.items() if key not in live.absent}
        outputs = {key: row.defaults[key] for key in live.absent if key in row.defaults} | there | live.properties
        outputs = mark_like(outputs, olds)
        outputs |= self._derived(row, self.state(row, plain(outputs), id_))
        kept = {
            key for key in outputs if key in row.inputs and (imported or key in inputs or key in ("tags", "tagsAll"))
        }
        if imported:
            kept -= {"tagsAll", *row.computed}
        new_inputs = {key: outputs[key] for key in kept if outputs[key] is not None}
        defaulted = {key: value for key, value in inputs.items() if key.startswith("__")}
        return outputs, new_inputs | defaulted

    def update(
        self, row: ResourceType, id_: str, olds: Mapping[str, Any], news: Mapping[str, Any], found: list[Change]
    ) -> dict[str, Any]:
        """Applies the changes `found`. Returns the outputs.

        Raises:
            ClientError, Incomplete: what was applied before remains applied; the next update continues.
        """
        state = self.state(row, {**_outputs_only(row, plain(olds)), **row.defaults, **plain(news)}, id_)
        client = self._client(row, state)
        changed = {change.prop for change in found}
        self._revive(row, client, state, news)
        for step in row.update:
            if changed & set(step.on) and self._applies(row, step, state):
                self._do(row, client, step, state)
        if row.tagging and "tagsAll" in changed:
            live = state | self._known(row, client, state)
            self._tag(row, client, live, plain(olds).get("tagsAll") or {}, state.get("tagsAll") or {})
        decided = self._wait(row, client, state)
        return self._outputs(row, news, state | self._known(row, client, state)) | decided

    def delete(self, row: ResourceType, id_: str, olds: Mapping[str, Any]) -> None:
        """Deletes the resource. It is not an error if it does not exist."""
        state = self.state(row, plain(olds), id_)
        if state.get("skipDestroy"):
            return
        client = self._client(row, state)
        for step in row.delete:
            try:
                self._do(row, client, step, state)
            except ClientError as error:
                if not _is(error, row.gone):
                    raise
        if row.wait:
            self._until_gone(row, client, state)
        if self.inventory:
            self.inventory.gone(Created(row.kind, _region(row, state), id_, _written(olds, row.apart)))

    def _revive(self, row: ResourceType, client: Any, state: dict[str, Any], news: Mapping[str, Any]) -> None:
        """Deletes a resource whose creation failed and creates it again under its name: it cannot be repaired."""
        if not row.wait:
            return
        if self._settled(row, client, state)[0] in row.wait.ready:
            return
        self.delete(row, state["@id"], state)
        self.create(row, news)

    def state(self, row: ResourceType, props: Mapping[str, Any], id_: str | None) -> dict[str, Any]:
        region = props.get("region") or self.settings.region
        context = {
            "@id": id_,
            "@region": region,
            "@account": self.settings.account,
            "@partition": self.settings.partition,
            "@suffix": dns_suffix(region) if region else "",
        }
        return {**row.defaults, **props, **context}

    def _client(self, row: ResourceType, state: State) -> Any:
        return self.clients(row.service, state["@region"] if row.regional else None)

    def _applies(self, row: ResourceType, step: Step | Hook, state: State) -> bool:
        cleared = {prop for other in row.update if other.unset for prop in other.on}
        there = [prop for prop in step.on if not _absent(state.get(prop), prop in cleared)]
        return (not there) if step.unset else (not step.on or bool(there) or len(row.update) == 1)

    def _do(self, row: ResourceType, client: Any, step: Step | Hook, state: State, tags: bool = False) -> Any:
        if isinstance(step, Hook):
            return step.act(client, state)
        parameters = self._params(step.sends, state, row, step.operation)
        if tags and row.tagging and row.tagging.at_create and state.get("tagsAll"):
            _put(parameters, row.tagging.at_create, tags_to(state["tagsAll"], row.tagging.style))
        try:
            return self._call(row, client, step.operation, parameters)
        except ClientError as error:
            if not _is(error, step.gone):
                raise
            return None

    def _call(self, row: ResourceType, client: Any, method: str, parameters: dict[str, Any]) -> Any:
        response = getattr(client, method)(**parameters)
        body: Any = operation(row.service, method).output_shape
        for name, member in body.members.items() if body else ():
            if member.type_name == "blob" and hasattr(response.get(name), "read"):
                response[name] = response[name].read()
        return response

    def _params(
        self, sends: Mapping[str, Source], state: State, row: ResourceType | None = None, method: str = ""
    ) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        for parameter, source in sends.items():
            prop = source.prop if isinstance(source, Convert) else source
            value = state.get(prop) if isinstance(prop, str) else prop(state)
            if value is None:
                continue
            if isinstance(source, Convert):
                value = source.to(value)
            if row and isinstance(prop, str) and property_shape(row, prop):
                shape = shape_at(operation(row.service, method).input_shape, parameter)
                value, failures = bind(shape, value, prop, row.renames)
                if failures:
                    raise ValueError("; ".join(f"{failure.path} {failure.reason}" for failure in failures))
            _put(parameters, parameter, value)
        return parameters

    def _known(self, row: ResourceType, client: Any, state: State) -> dict[str, Any]:
        """The properties that the service knows of an existing resource."""
        live = self._live(row, client, state)
        return live.properties if live else {}

    def _live(self, row: ResourceType, client: Any, state: State) -> _Live | None:
        found: dict[str, Any] = {}
        absent: set[str] = set()
        for read in row.reads:
            try:
                response = self._call(row, client, read.operation, self._params(read.sends, {**state, **found}))
            except ClientError as error:
                if not _is(error, read.optional):
                    raise
                absent |= set(read.gives)
                continue
            picked = read.pick(response, state) if read.pick else response
            if picked is None:
                return None
            for prop, path in read.gives.items():
                value = as_property(row, read, prop, path, picked, state.get(prop))
                if value is None or (value in ({}, [], "") and state.get(prop) is None):
                    absent.add(prop)
                else:
                    found[prop] = value
        if row.tagging:
            found |= self._read_tags(row, client, {**state, **self._derived(row, {**state, **found}), **found})
        return _Live({prop: value for prop, value in found.items() if not prop.startswith("@")}, frozenset(absent))

    def _read_tags(self, row: ResourceType, client: Any, state: State) -> dict[str, Any]:
        tagging = row.tagging
        assert tagging
        try:
            response = self._call(row, client, tagging.read, self._params(tagging.target, state))
        except ClientError as error:
            if not _is(error, tagging.optional):
                raise
            response = {}
        tags = tags_from(at(response, tagging.path) or {}, tagging.style)
        tags = {key: value for key, value in tags.items() if not key.startswith("aws:")}
        defaults = default_tags(state, self.settings)
        declared = state.get("tags") or {}
        own = {k: v for k, v in tags.items() if k in declared or defaults.get(k) != v}
        return {"tagsAll": tags} | ({"tags": own} if own or declared else {})

    def _tag(
        self, row: ResourceType, client: Any, state: State, old: Mapping[str, str], new: Mapping[str, str]
    ) -> None:
        tagging = row.tagging
        assert tagging
        target = self._params(tagging.target, state)
        removed, changed = sorted(old.keys() - new.keys()), {k: v for k, v in new.items() if old.get(k) != v}
        if not tagging.keys:
            changed, removed = dict(new), [] if new else removed
        if removed:
            keys = {tagging.keys: removed} if tagging.keys else {}
            self._call(row, client, tagging.untag, target | keys)
        if changed:
            parameters = dict(target)
            _put(parameters, tagging.param, tags_to(changed, tagging.style))
            self._call(row, client, tagging.tag, parameters)

    def _outputs(self, row: ResourceType, inputs: Mapping[str, Any], state: State) -> dict[str, Any]:
        """The inputs as declared, with their secret marks, and the properties that only the service knows."""
        declared = {key: value for key, value in inputs.items() if not key.startswith("__")}
        known = {key: value for key, value in state.items() if not key.startswith("@") and value is not None}
        allowed = {*row.defaults, *row.outputs, *(prop for read in row.reads for prop in read.gives), "tagsAll"}
        learnt = {key: value for key, value in known.items() if key in allowed and key not in declared}
        return declared | learnt | self._derived(row, state)

    def _derived(self, row: ResourceType, state: State) -> dict[str, Any]:
        return {prop: form.format_map(_Lenient(state)) for prop, form in row.outputs.items()}

    def _wait(self, row: ResourceType, client: Any, state: State) -> dict[str, Any]:
        """Waits until the service is done. Returns the properties that it set to other values than declared."""
        wait = row.wait
        if not wait:
            return {}
        status, response = self._settled(row, client, state)
        if status not in wait.ready:
            reason = at(response, wait.reason) or "no reason given"
            raise RuntimeError(f"{row.kind.split(':')[-1]} {state['@id']} is {status}: {reason}")
        return {prop: at(response, path) for prop, path in wait.decides.items()}

    def _settled(self, row: ResourceType, client: Any, state: State) -> tuple[Any, Any]:
        """Waits until the status is no longer pending. Returns (status, response). Raises Stopped."""
        wait = row.wait
        assert wait
        while True:
            response = self._call(row, client, wait.operation, self._params(wait.sends, state))
            status = at(response, wait.path)
            if status not in wait.pending:
                return status, response
            if self.cancelled.wait(POLL_SECONDS):
                raise Stopped(f"interrupted while {row.kind} {state['@id']} was {status}")

    def _until_gone(self, row: ResourceType, client: Any, state: State) -> None:
        assert row.wait
        while not self.cancelled.is_set():
            try:
                self._call(row, client, row.wait.operation, self._params(row.wait.sends, state))
            except ClientError as error:
                if _is(error, row.gone):
                    return
                raise
            time.sleep(POLL_SECONDS)


def _region(row: ResourceType, state: State) -> str | None:
    return state["@region"] if row.regional else None


def _written(properties: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The properties, without secrets."""
    kept = sorted(names & properties.keys())
    return {name: plain(properties[name]) for name in kept if not has_secret(properties[name])}


@dataclass(frozen=True)
class _Live:
    properties: dict[str, Any]
    absent: frozenset[str]


class _Lenient(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""


def _absent(value: Any, cleared: bool) -> bool:
    return value is None or (cleared and not value and value is not False)


def _outputs_only(row: ResourceType, olds: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in olds.items() if key not in row.inputs or key in row.computed}


def _put(parameters: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        parameters = parameters.setdefault(part, {})
    parameters[last] = value


def _is(error: ClientError, marks: tuple[str, ...]) -> bool:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    return any(code == mark or message.startswith(mark) for mark in marks)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
