"""The Kubernetes plugin's side of the engine's protocol, on the servicer of `pulumi.provider.experimental`."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc.aio
from google.protobuf import empty_pb2
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import proto

from scaletozero.sandbox.providers.kube import configuration, manifests, releases
from scaletozero.sandbox.providers.kube.paths import Change, Path, format_path, parse_path
from scaletozero.sandbox.providers.kube.rendered import Rendered
from scaletozero.sandbox.providers.kube.target import ImmutableError, Operation, Target, UnreadyError
from scaletozero.sandbox.providers.protocol import DIFF_KINDS, Engine, incomplete, logical_of, token_of
from scaletozero.sandbox.providers.values import UNKNOWN, decode_map, encode_map, has_unknown, plain

READY_SECONDS = 600
"""How long an object may take to become ready by default (the official provider's default)."""


class _IncompleteError(RuntimeError):
    def __init__(self, status: grpc.Status) -> None:
        super().__init__(status.details)
        self.status = status


def _blocking(method: Callable[[Any, Any], Any]) -> Any:
    """Runs a call in a thread; an error reaches the engine as one line."""

    @functools.wraps(method)
    async def answer(self: KubernetesServicer, request: Any, context: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, method, self, request)
        except _IncompleteError as error:
            await context.abort_with_status(error.status)
        except (ValueError, RuntimeError, OSError) as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return answer


class KubernetesServicer(ProviderServicer):
    """Implements the engine's protocol for Kubernetes objects.

    Args:
        version: version of `pulumi-kubernetes`.
        engine: receives warnings.
    """

    def __init__(self, version: str, engine: Engine) -> None:
        super().__init__([], version, Provider(), "")
        self.pool = ThreadPoolExecutor(64, thread_name_prefix="object")
        self._engine = engine
        self._cancelled = threading.Event()
        self._config: Mapping[str, Any] = {}
        self._target: Target | None = None

    async def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802 - the protocol's name
        self._cancelled.set()
        return empty_pb2.Empty()

    async def GetSchema(self, request: Any, context: Any) -> proto.GetSchemaResponse:  # noqa: N802
        return proto.GetSchemaResponse(schema=json.dumps({"name": "kubernetes", "version": self._version}))

    async def CheckConfig(self, request: Any, context: Any) -> proto.CheckResponse:  # noqa: N802
        found = configuration.failures(plain(decode_map(request.news)))
        return proto.CheckResponse(inputs=request.news, failures=_failures(found))

    async def DiffConfig(self, request: Any, context: Any) -> proto.DiffResponse:  # noqa: N802
        return proto.DiffResponse(changes=proto.DiffResponse.DIFF_NONE)

    @_blocking
    def Configure(self, request: Any) -> proto.ConfigureResponse:  # noqa: N802
        self._config = plain(decode_map(request.args))
        self._target = configuration.target_from(self._config)
        return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=False)

    async def Invoke(self, request: Any, context: Any) -> proto.InvokeResponse:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the sandbox's provider does not know {request.tok}")
        raise AssertionError

    @_blocking
    def Check(self, request: Any) -> proto.CheckResponse:  # noqa: N802
        token, news, olds = token_of(request.urn), decode_map(request.news), decode_map(request.olds)
        if token in manifests.RELEASES:
            return proto.CheckResponse(inputs=request.news, failures=_failures(releases.failures(plain(news))))
        inputs = manifests.completed(token, news, olds, logical=logical_of(request.urn), seed=request.randomSeed)
        found = manifests.failures(plain(inputs))
        if self._target and not found and not has_unknown(inputs.get("metadata")):
            located = self._target.located(plain(inputs))["metadata"]
            namespace = located.get("namespace")
            if namespace and "namespace" not in plain(inputs["metadata"]):
                inputs["metadata"] = {**plain(inputs["metadata"]), "namespace": namespace}
        return proto.CheckResponse(inputs=encode_map(inputs), failures=_failures(found))

    @_blocking
    def Diff(self, request: Any) -> proto.DiffResponse:  # noqa: N802
        token, news = token_of(request.urn), decode_map(request.news)
        olds, state = decode_map(request.old_inputs), decode_map(request.olds)
        ignored = [parse_path(path) for path in request.ignoreChanges]
        found = manifests.input_changes(olds, news, ignored)
        if not found:
            return proto.DiffResponse(changes=proto.DiffResponse.DIFF_NONE, hasDetailedDiff=True)
        if token in manifests.RELEASES:
            return _diff(found, [change for change in found if releases.replaces(str(change.path[0]))], True)
        replacing = [change for change in found if manifests.moves(change, olds, news)]
        if replacing or has_unknown(news) or self._target is None:
            moved = any(manifests.within(change.path, manifests.IDENTITY) for change in replacing)
            return _diff(found, replacing, not moved)
        manifest = manifests.sent(news)
        try:
            if not self._target.differs(manifest, self._operation(request.urn, news, state, ignored=ignored)):
                return proto.DiffResponse(changes=proto.DiffResponse.DIFF_NONE, hasDetailedDiff=True)
        except ImmutableError as error:
            automatic = manifests.annotation(manifest, manifests.AUTONAMED) == "true"
            return _diff(found, _named_by(error.fields, found), not automatic)
        return _diff(found, [], False)

    @_blocking
    def Create(self, request: Any) -> proto.CreateResponse:  # noqa: N802
        inputs = decode_map(request.properties)
        operation = self._operation(request.urn, inputs, {}, timeout=request.timeout)
        if token_of(request.urn) in manifests.RELEASES:
            return self._record(request, inputs, operation, proto.CreateResponse)
        if request.preview:
            return proto.CreateResponse(properties=encode_map(self._foreseen(inputs, operation, new=True)))
        manifest = self._known_target().located(manifests.sent(inputs))
        live = self._applied(self._known_target().create, manifest, inputs, operation)
        state = manifests.state_of(live, inputs, operation.manager)
        return proto.CreateResponse(id=manifests.id_of(live), properties=encode_map(state))

    @_blocking
    def Update(self, request: Any) -> proto.UpdateResponse:  # noqa: N802
        inputs, state = decode_map(request.news), decode_map(request.olds)
        ignored = [parse_path(path) for path in request.ignoreChanges]
        operation = self._operation(request.urn, inputs, state, timeout=request.timeout, ignored=ignored)
        if token_of(request.urn) in manifests.RELEASES:
            return self._record(request, inputs, operation, proto.UpdateResponse)
        if request.preview:
            return proto.UpdateResponse(properties=encode_map(self._foreseen(inputs, operation, new=False)))
        live = self._applied(self._known_target().update, manifests.sent(inputs), inputs, operation)
        return proto.UpdateResponse(properties=encode_map(manifests.state_of(live, inputs, operation.manager)))

    @_blocking
    def Read(self, request: Any) -> proto.ReadResponse:  # noqa: N802
        token, state, inputs = token_of(request.urn), decode_map(request.properties), decode_map(request.inputs)
        if token in manifests.RELEASES:
            there = self._known_target().read(releases.manifest(plain(inputs), logical_of(request.urn)))
            if there is None:
                return proto.ReadResponse()
            return proto.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        api_version, kind = manifests.kind_of(token)
        live = self._known_target().read(manifests.named(request.id, api_version, kind))
        if live is None:
            return proto.ReadResponse()
        inputs = manifests.drifted(inputs, state, live) if inputs else manifests.imported(live)
        found = manifests.state_of(live, inputs, manifests.manager_of(request.urn, manifests.sent(inputs), state))
        return proto.ReadResponse(id=request.id, properties=encode_map(found), inputs=encode_map(inputs))

    @_blocking
    def Delete(self, request: Any) -> empty_pb2.Empty:  # noqa: N802
        token, state = token_of(request.urn), decode_map(request.properties)
        if token in manifests.RELEASES:
            manifest = releases.manifest(plain(state), logical_of(request.urn))
        else:
            api_version, kind = manifests.kind_of(token)
            manifest = manifests.named(request.id, api_version, kind)
            annotations = plain(state.get("metadata") or {}).get("annotations")
            manifest["metadata"]["annotations"] = annotations or {}
        self._known_target().delete(manifest, self._operation(request.urn, manifest, state, timeout=request.timeout))
        return empty_pb2.Empty()

    def _known_target(self) -> Target:
        if self._target is None:
            raise ValueError("the cluster's kubeconfig is not known yet")
        return self._target

    def _operation(
        self,
        urn: str,
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],
        *,
        timeout: float = 0,
        ignored: list[Path] | None = None,
    ) -> Operation:
        manifest = manifests.sent(inputs)
        wait = manifests.annotation(manifest, manifests.TIMEOUT)
        return Operation(
            manager=manifests.manager_of(urn, manifest, state),
            force=configuration.forces(self._config) or manifests.annotation(manifest, manifests.FORCE) == "true",
            timeout=timeout or (float(wait) if wait.isdigit() else READY_SECONDS),
            ignored=ignored or [],
            cancelled=self._cancelled,
            warn=functools.partial(self._engine.warn, urn),
        )

    def _applied(
        self,
        apply: Callable[[dict[str, Any], Operation], dict[str, Any]],
        manifest: dict[str, Any],
        inputs: Mapping[str, Any],
        operation: Operation,
    ) -> dict[str, Any]:
        try:
            return apply(manifest, operation)
        except UnreadyError as error:
            state = manifests.state_of(error.live, inputs, operation.manager)
            raise _IncompleteError(incomplete(manifests.id_of(error.live), state, str(error), inputs)) from None

    def _foreseen(self, inputs: Mapping[str, Any], operation: Operation, *, new: bool) -> dict[str, Any]:
        known = dict(inputs)
        if self._target is None or has_unknown(inputs):
            return manifests.foreseen(known)
        manifest = self._target.located(manifests.sent(inputs))
        predict = self._target.foresee if new else self._target.foresee_update
        predicted = predict(manifest, operation)
        if predicted is None:
            return manifests.foreseen(known)
        return manifests.foreseen(known, manifests.state_of(predicted, inputs, operation.manager))

    def _record(self, request: Any, inputs: Mapping[str, Any], operation: Operation, response: Any) -> Any:
        if not isinstance(self._target, Rendered):
            raise ValueError(releases.refusal(plain(inputs)))
        recorded = releases.manifest(plain(inputs), logical_of(request.urn))
        if request.preview:
            return response(properties=encode_map({**inputs, "status": UNKNOWN}))
        self._engine.warn(request.urn, "recorded, not installed: the sandbox fetches no charts")
        self._target.create(recorded, operation)
        state = encode_map({**releases.state(recorded), **inputs})
        if response is proto.CreateResponse:
            return response(id=manifests.id_of(recorded), properties=state)
        return response(properties=state)


def _named_by(fields: tuple[str, ...], found: list[Change]) -> list[Change]:
    """The changes that the cluster reports as impossible; all changes if it names none."""
    paths = []
    for field in fields:
        try:
            paths.append(parse_path(field))
        except ValueError:
            continue
    hit = [c for c in found if manifests.within(c.path, paths) or any(p[: len(c.path)] == c.path for p in paths)]
    return hit or found


def _diff(found: list[Change], replacing: list[Change], deletes_first: bool) -> proto.DiffResponse:
    detailed = {
        format_path(change.path): proto.PropertyDiff(kind=DIFF_KINDS[change.kind, change in replacing], inputDiff=True)
        for change in found
    }
    return proto.DiffResponse(
        changes=proto.DiffResponse.DIFF_SOME,
        replaces=[format_path(change.path) for change in replacing],
        diffs=sorted({str(change.path[0]) for change in found}),
        deleteBeforeReplace=bool(replacing) and deletes_first,
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def _failures(found: list[tuple[str, str]]) -> list[Any]:
    return [proto.CheckFailure(property=path, reason=reason) for path, reason in found]
