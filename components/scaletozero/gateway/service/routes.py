"""The routes: what each takes, what it holds, and what it answers with."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from scaletozero.gateway.service import answers
from scaletozero.gateway.service.bodies import (
    LARGEST_BODY,
    ChatRequest,
    chat_request,
    dumped,
    embedding_request,
    read_object,
)
from scaletozero.gateway.service.door import Door, Ending, Held
from scaletozero.gateway.service.errors import RefusedError, json_response, wrong
from scaletozero.gateway.service.upstream import EndpointTarget, FailedError, ProviderTarget

BODY_SECONDS = 30.0
"""In which a request's body has to come."""


class Routes:
    """The handlers of the application.

    Args:
        door: admits requests.
        body_seconds: in which a request's body has to come.
    """

    def __init__(self, door: Door, body_seconds: float = BODY_SECONDS) -> None:
        self._door, self._body_seconds = door, body_seconds

    async def health(self, _: Request) -> Response:
        """Says that the process answers. It asks no endpoint, so that it wakes none."""
        return json_response({"status": "ok"})

    async def models(self, request: Request) -> Response:
        """The models that the customer may ask for."""
        customer = self._door.customer(request.headers)
        allowed = [each for each in self._door.models if each in self._door.settings(customer).models]
        return json_response(answers.models(allowed))

    async def model(self, request: Request) -> Response:
        """One of them."""
        customer, name = self._door.customer(request.headers), request.path_params["name"]
        self._door.model(customer, name)
        return json_response(answers.model(name))

    async def usage(self, request: Request) -> Response:
        """The customer's own figures."""
        customer = self._door.customer(request.headers)
        return json_response(answers.usage(customer, await self._door.balances(customer)))

    async def chat(self, request: Request) -> Response:
        """A chat completion, in one piece or in parts."""
        customer = self._door.customer(request.headers)
        asked = chat_request(read_object(await self._body(request)))
        target = self._door.model(customer, asked.model)
        if not isinstance(target, ProviderTarget):
            raise wrong(f"{asked.model} is no chat model; it has embeddings.", "model", "model_not_supported")
        body = asked.upstream(target.model)
        most = target.meter.most(len(body), asked.output_tokens(target.model) * asked.choices)
        async with self._door.holding(customer, most, asked.model) as held:
            if asked.stream:
                return await self._streamed(held, target, asked, body)
            answer = await target.ask("/chat/completions", body)
            said = answers.text_bytes(answer.get("choices"))
            held.cost = target.meter.settled(
                answer.get("usage"), body_bytes=len(body), answer_bytes=said, most=held.lease.held
            )
            return Ending(self._door, held, json_response({**answer, "model": asked.model}))

    async def _streamed(self, held: Held, target: ProviderTarget, asked: ChatRequest, body: bytes) -> Response:
        parts = target.stream("/chat/completions", body)
        try:
            first = await anext(parts)
        except StopAsyncIteration:
            first = None
        return Ending(self._door, held, _Relay(held, target, asked, body, first, parts))

    async def embeddings(self, request: Request) -> Response:
        """Embeddings of texts, by a provider or by an encoder on an endpoint."""
        customer = self._door.customer(request.headers)
        asked = embedding_request(read_object(await self._body(request)))
        target = self._door.model(customer, asked.model)
        if isinstance(target, EndpointTarget):
            if asked.inputs is None:
                raise wrong(f"{asked.model} takes texts, not tokens.", "input")
            if asked.fields.get("dimensions") is not None:
                raise wrong(f"{asked.model} has one number of dimensions.", "dimensions", "unsupported_parameter")
            return await self._own_embeddings(customer, target, asked.model, asked.inputs, asked.base64)
        body = asked.upstream(target.model)
        async with self._door.holding(customer, target.meter.most(len(body), 0), asked.model) as held:
            answer = await target.ask("/embeddings", body)
            held.cost = target.meter.settled(
                answer.get("usage"), body_bytes=len(body), answer_bytes=0, most=held.lease.held
            )
            return Ending(self._door, held, json_response({**answer, "model": asked.model}))

    async def _own_embeddings(
        self, customer: str, target: EndpointTarget, name: str, inputs: tuple[str, ...], as_base64: bool
    ) -> Response:
        body = dumped({"inputs": list(inputs)})
        async with self._door.holding(customer, target.meter.most(len(body)), name) as held:
            content, _, seconds = await target.invoke(body, "application/json", "application/json")
            held.cost = target.meter.settled(seconds, len(body), len(content))
            return Ending(
                self._door, held, json_response(answers.embeddings(name, content, len(inputs), as_base64=as_base64))
            )

    async def invocations(self, request: Request) -> Response:
        """An endpoint's own answer, as `InvokeEndpoint` of SageMaker has it."""
        customer = self._door.customer(request.headers)
        target = self._door.endpoint(customer, request.path_params["name"])
        body = await self._body(request)
        kind, accept = request.headers.get("content-type", "application/json"), request.headers.get("accept", "*/*")
        async with self._door.holding(customer, target.meter.most(len(body)), request.path_params["name"]) as held:
            content, media, seconds = await target.invoke(body, kind, accept)
            held.cost = target.meter.settled(seconds, len(body), len(content))
            return Ending(self._door, held, Response(content, 200, media_type=media))

    async def _body(self, request: Request) -> bytes:
        """The request's body.

        Raises:
            RefusedError: 413 if it is too long, 408 if it does not come.
        """
        too_long = RefusedError(413, f"The body may have at most {LARGEST_BODY} bytes.", "request_too_large")
        told = request.headers.get("content-length", "")
        if told.isdigit() and int(told[:20]) > LARGEST_BODY:
            raise too_long
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_seconds):
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    if size > LARGEST_BODY:
                        raise too_long
        except TimeoutError:
            raise RefusedError(408, "The body did not come in time.", "request_timeout") from None
        except ClientDisconnect:
            raise wrong("The body did not come.") from None
        return b"".join(parts)


class _Relay(Response):
    """Passes the parts of an answer on, and finds out what it cost.

    A caller that goes away is not waited for, but the provider is: what it counts at the end is what was used. Behind a
    Lambda function nobody learns that the caller has gone, so that it could not be otherwise there.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        held: Held,
        target: ProviderTarget,
        asked: ChatRequest,
        body: bytes,
        first: dict[str, Any] | None,
        rest: AsyncGenerator[dict[str, Any]],
    ) -> None:
        self._held, self._target, self._asked, self._body, self._rest = held, target, asked, body, rest
        self._usage: object = None
        self._said = 0
        self._first = [] if first is None else self._passed(first)
        self.settle()
        super().__init__(None, 200, {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = False
        async with contextlib.aclosing(self._events()) as events:
            async for event in events:
                try:
                    if not gone:
                        await send({"type": "http.response.body", "body": event, "more_body": True})
                except OSError:
                    gone = True
        if not gone:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncGenerator[bytes]:
        try:
            for event in self._first:
                yield event
            async with contextlib.aclosing(self._rest) as rest:
                async for part in rest:
                    for event in self._passed(part):
                        yield event
            yield b"data: [DONE]\n\n"
        except FailedError as error:
            yield _event(error.refusal.content())

    def settle(self) -> None:
        """Sets what the request has cost so far."""
        self._held.cost = self._target.meter.settled(
            self._usage, body_bytes=len(self._body), answer_bytes=self._said, most=self._held.lease.held
        )

    def _passed(self, part: dict[str, Any]) -> list[bytes]:
        choices = part.get("choices")
        deltas = [each.get("delta") for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
        self._said += answers.text_bytes(deltas)
        usage = part.get("usage")
        if usage is not None:
            self._usage = usage
        self.settle()
        if usage is not None and not choices and not self._asked.with_usage:
            return []
        kept = part if self._asked.with_usage else {key: value for key, value in part.items() if key != "usage"}
        return [_event({**kept, "model": self._asked.model})]


def _event(content: object) -> bytes:
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"
