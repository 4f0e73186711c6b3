"""The plugin's side of the engine's protocol, on the servicer of `pulumi.provider.experimental`.

That servicer sends a traceback with every error and loses asset hashes and unknown values, so the calls about resources
are handled here, on the protobuf messages themselves; the rest is inherited.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc.aio
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import proto

from scaletozero.sandbox.inventory import Inventory
from scaletozero.sandbox.providers.apply import Applier, Incomplete, Stopped
from scaletozero.sandbox.providers.check import DEFAULTED, Settings, check
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.configuration import config_failures, settings_from
from scaletozero.sandbox.providers.diff import Change, changes, deletes_first
from scaletozero.sandbox.providers.functions import FUNCTIONS
from scaletozero.sandbox.providers.protocol import DIFF_KINDS, incomplete, logical_of, token_of
from scaletozero.sandbox.providers.shapes import Failure, nearest
from scaletozero.sandbox.providers.table import ResourceType
from scaletozero.sandbox.providers.values import UNKNOWN, decode_map, encode_map, plain


class TableServicer(ProviderServicer):
    """Implements the engine's protocol for the resource table."""

    def __init__(
        self,
        version: str,
        table: Mapping[str, ResourceType],
        clients: Clients,
        inventory: Inventory | None = None,
    ) -> None:
        super().__init__([], version, Provider(), "")
        self._table = table
        self._cancelled = threading.Event()
        self._applier = Applier(clients, Settings(), self._cancelled, inventory)
        self._pool = ThreadPoolExecutor(64, thread_name_prefix="resource")

    async def _work(self, context: Any, work: Callable[[], Any]) -> Any:
        """Runs blocking work in a thread. An error reaches the engine as one line."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except Incomplete as error:
            await context.abort_with_status(incomplete(error.id, error.outputs, str(error)))
        except Stopped as error:
            await context.abort(grpc.StatusCode.CANCELLED, str(error))
        except (ClientError, BotoCoreError, ValueError, RuntimeError, OSError) as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))

    def _row(self, urn: str) -> ResourceType:
        token = token_of(urn)
        if token in self._table:
            return self._table[token]
        raise ValueError(
            f"{token} is not in the sandbox's table of AWS types ({nearest(token, [*self._table])}). "
            "Declare it outside the `local` environment only, or add a row to scaletozero/sandbox/providers/resources"
        )

    async def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802 - the protocol's name
        self._cancelled.set()
        return empty_pb2.Empty()

    async def GetSchema(self, request: Any, context: Any) -> proto.GetSchemaResponse:  # noqa: N802
        return proto.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": self._version}))

    async def CheckConfig(self, request: Any, context: Any) -> proto.CheckResponse:  # noqa: N802
        news = decode_map(request.news)
        failures = _failures(config_failures(plain(news)))
        return proto.CheckResponse(inputs=encode_map(news), failures=failures)

    async def DiffConfig(self, request: Any, context: Any) -> proto.DiffResponse:  # noqa: N802
        return proto.DiffResponse(changes=proto.DiffResponse.DIFF_NONE)

    async def Configure(self, request: Any, context: Any) -> proto.ConfigureResponse:  # noqa: N802
        async def configure() -> proto.ConfigureResponse:
            arguments = plain(decode_map(request.args))
            self._applier.settings = await self._work(context, lambda: settings_from(arguments, self._applier.clients))
            return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=False)

        return await configure()

    async def Invoke(self, request: Any, context: Any) -> proto.InvokeResponse:  # noqa: N802
        function = FUNCTIONS.get(request.tok)
        if function is None:
            known = nearest(request.tok, [*FUNCTIONS])
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the sandbox does not know {request.tok}; {known}")
            raise AssertionError
        arguments = plain(decode_map(request.args))
        result = await self._work(context, lambda: function(arguments, self._applier))
        if isinstance(result, Failure):
            return proto.InvokeResponse(failures=_failures([result]))
        return proto.InvokeResponse(**{"return": encode_map(result)})  # pyright: ignore[reportArgumentType]

    async def Check(self, request: Any, context: Any) -> proto.CheckResponse:  # noqa: N802
        def work() -> proto.CheckResponse:
            row = self._row(request.urn)
            inputs, failures = check(
                row,
                decode_map(request.news),
                decode_map(request.olds),
                logical=logical_of(request.urn),
                seed=request.randomSeed,
                settings=self._applier.settings,
            )
            return proto.CheckResponse(inputs=encode_map(inputs), failures=_failures(failures))

        return await self._work(context, work)

    async def Diff(self, request: Any, context: Any) -> proto.DiffResponse:  # noqa: N802
        def work() -> proto.DiffResponse:
            row, news = self._row(request.urn), decode_map(request.news)
            found = changes(row, decode_map(request.olds), news, request.ignoreChanges)
            return _diff(row, found, news)

        return await self._work(context, work)

    async def Create(self, request: Any, context: Any) -> proto.CreateResponse:  # noqa: N802
        def work() -> proto.CreateResponse:
            row, inputs = self._row(request.urn), decode_map(request.properties)
            if request.preview:
                return proto.CreateResponse(properties=encode_map(_foreseen(row, inputs)))
            id_, outputs = self._applier.create(row, inputs)
            return proto.CreateResponse(id=id_, properties=encode_map(outputs))

        return await self._work(context, work)

    async def Update(self, request: Any, context: Any) -> proto.UpdateResponse:  # noqa: N802
        def work() -> proto.UpdateResponse:
            row, news, olds = self._row(request.urn), decode_map(request.news), decode_map(request.olds)
            if request.preview:
                stable = {key: value for key, value in olds.items() if key not in row.inputs}
                return proto.UpdateResponse(properties=encode_map(_foreseen(row, news) | stable))
            found = changes(row, olds, news, request.ignoreChanges)
            return proto.UpdateResponse(properties=encode_map(self._applier.update(row, request.id, olds, news, found)))

        return await self._work(context, work)

    async def Read(self, request: Any, context: Any) -> proto.ReadResponse:  # noqa: N802
        def work() -> proto.ReadResponse:
            row = self._row(request.urn)
            found = self._applier.read(row, request.id, decode_map(request.properties), decode_map(request.inputs))
            if found is None:
                return proto.ReadResponse()
            outputs, inputs = found
            return proto.ReadResponse(id=request.id, properties=encode_map(outputs), inputs=encode_map(inputs))

        return await self._work(context, work)

    async def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802
        def work() -> empty_pb2.Empty:
            self._applier.delete(self._row(request.urn), request.id, decode_map(request.properties))
            return empty_pb2.Empty()

        return await self._work(context, work)


def _failures(failures: list[Failure]) -> Any:
    return [proto.CheckFailure(property=failure.path, reason=failure.reason) for failure in failures]


def _foreseen(row: ResourceType, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A preview's result for a resource: its inputs; all other properties are unknown."""
    learnt = {prop for read in row.reads for prop in read.gives} | {*row.outputs}
    unknown = {prop: UNKNOWN for prop in learnt if prop not in inputs and prop not in row.defaults}
    if row.computed:
        unknown = {prop: value for prop, value in unknown.items() if prop not in row.inputs or prop in row.computed}
    declared = {key: value for key, value in inputs.items() if key != DEFAULTED}
    return {**row.defaults, **unknown, **declared}


def _diff(row: ResourceType, found: list[Change], news: Mapping[str, Any]) -> proto.DiffResponse:
    return proto.DiffResponse(
        changes=proto.DiffResponse.DIFF_SOME if found else proto.DiffResponse.DIFF_NONE,
        replaces=sorted({change.path for change in found if change.replaces}),
        diffs=sorted({change.prop for change in found}),
        deleteBeforeReplace=deletes_first(row, found, news),
        detailedDiff={c.path: proto.PropertyDiff(kind=DIFF_KINDS[c.kind, c.replaces]) for c in found},
        hasDetailedDiff=True,
    )
