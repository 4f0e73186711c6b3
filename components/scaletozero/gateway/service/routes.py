"""The routes: what each takes, what it holds, and what it answers with."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from model_packaging.serving.limits import INVOCATION_SECONDS
from scaletozero.gateway.cache.control import Directions, directions
from scaletozero.gateway.cache.store import Kept
from scaletozero.gateway.service import answers
from scaletozero.gateway.service.attempts import Attempts, Candidate
from scaletozero.gateway.service.bedrock import BedrockTarget
from scaletozero.gateway.service.bodies import (
    LARGEST_BODY,
    EmbeddingRequest,
    chat_request,
    dumped,
    embedding_request,
    read_object,
)
from scaletozero.gateway.service.body_log import Noted
from scaletozero.gateway.service.cluster import ClusterTarget
from scaletozero.gateway.service.conversations import Conversation
from scaletozero.gateway.service.door import Door, Ending, Held
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.errors import RefusedError, json_response, wrong
from scaletozero.gateway.service.invocations import JSON, Invocation
from scaletozero.gateway.service.messages import messages_request
from scaletozero.gateway.service.providers import ProviderTarget
from scaletozero.gateway.service.questions import conversation_question, embedding_question
from scaletozero.gateway.service.readings import Reading
from scaletozero.gateway.service.relay import Relay
from scaletozero.gateway.service.responses import responses_request
from scaletozero.gateway.service.ways import ModelRoute, in_order

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
        return await self._converse(request, customer, chat_request(read_object(await self._body(request))))

    async def messages(self, request: Request) -> Response:
        """A message as Anthropic has it, in one piece or in parts."""
        customer = self._door.customer(request.headers)
        return await self._converse(request, customer, messages_request(read_object(await self._body(request))))

    async def responses(self, request: Request) -> Response:
        """A response as OpenAI has it, in one piece or in parts; none is stored."""
        customer = self._door.customer(request.headers)
        return await self._converse(request, customer, responses_request(read_object(await self._body(request))))

    async def _converse(self, request: Request, customer: str, asked: Conversation) -> Response:
        """An answer of the first target that gives one, in the caller's protocol."""
        route = self._door.model(customer, asked.model)
        attempts = Attempts(self._door, route, self._conversing(route, asked))
        question = conversation_question(route, asked, customer, _allowed(request))
        async with self._door.holding(customer, attempts.most, asked.model, question) as held:
            held.bodies = _noted(route, request)
            if held.found is not None:
                return self._kept(held, held.found)

            async def send(candidate: Candidate, seconds: float) -> Response:
                target = candidate.way.target
                assert not isinstance(target, EndpointTarget)
                reading = Reading(candidate.path)
                if asked.stream:
                    relay = Relay(held, candidate, reading, asked.events(candidate.path))
                    await relay.begin(seconds, attempts.left)
                    return Ending(self._door, held, relay)
                content = await target.ask(candidate.path, candidate.body, seconds)
                reading.answer(content)
                held.cost = reading.cost(target.meter, len(candidate.body), candidate.most)
                return self._answered(held, asked.answer(candidate.path, content), sound=reading.whole)

            response = await attempts.reached(held, send)
        if route.mirror is not None:
            route.mirror.reflect(self._door, route, asked)
        return response

    def _conversing(self, route: ModelRoute, asked: Conversation) -> list[Candidate]:
        """The targets that can answer, with what each would be sent.

        Raises:
            RefusedError: none can.
        """
        found: list[Candidate] = []
        wrongs: list[RefusedError] = []
        for way in in_order(route.ways):
            if isinstance(way.target, EndpointTarget):
                continue
            try:
                path, body = asked.sent(way.target.spoken, route.model)
                body = way.target.prepared(path, body)
            except RefusedError as error:
                wrongs.append(error)
                continue
            tokens = asked.output_tokens(route.model) * asked.choices
            found.append(Candidate(way, path, body, way.target.meter.most(len(body), tokens)))
        if found:
            return found
        if wrongs:
            raise wrongs[0]
        raise wrong(f"{asked.model} is no chat model; it has embeddings.", "model", "model_not_supported")

    async def embeddings(self, request: Request) -> Response:
        """Embeddings of texts, by a provider or by an encoder on an endpoint."""
        customer = self._door.customer(request.headers)
        asked = embedding_request(read_object(await self._body(request)))
        route = self._door.model(customer, asked.model)
        if len(route.ways) > 1 and not route.model.same_vectors:
            rule = "has several targets that are not declared to have the same vectors"
            raise wrong(f"{asked.model} {rule}.", "model", "model_not_supported")
        attempts = Attempts(self._door, route, self._embedding(route, asked))
        question = embedding_question(route, asked, customer, _allowed(request))
        async with self._door.holding(customer, attempts.most, asked.model, question) as held:
            held.bodies = _noted(route, request)
            if held.found is not None:
                return self._kept(held, held.found)

            async def send(candidate: Candidate, seconds: float) -> Response:
                target, sound = candidate.way.target, True
                if isinstance(target, EndpointTarget):
                    content = await Invocation(self._door, route.model, target).answer(held, candidate.body, seconds)
                    assert asked.inputs is not None
                    answer = answers.embeddings(asked.model, content, len(asked.inputs), as_base64=asked.base64)
                else:
                    assert isinstance(target, ProviderTarget)
                    content = await target.ask(candidate.path, candidate.body, seconds)
                    reading = Reading(candidate.path)
                    reading.answer(content)
                    held.cost = reading.cost(target.meter, len(candidate.body), candidate.most)
                    sound, answer = reading.whole, {**content, "model": asked.model}
                return self._answered(held, answer, sound=sound)

            return await attempts.reached(held, send)

    def _embedding(self, route: ModelRoute, asked: EmbeddingRequest) -> list[Candidate]:
        """The targets that can answer. Raises as `_conversing`."""
        found: list[Candidate] = []
        wrongs: list[RefusedError] = []
        for way in in_order(route.ways):
            target = way.target
            if isinstance(target, BedrockTarget) or (isinstance(target, ClusterTarget) and not target.at.embeds):
                wrongs.append(wrong(f"{asked.model} has no embeddings.", "model", "model_not_supported"))
            elif isinstance(target, ProviderTarget):
                body = asked.sent(target.spoken)
                found.append(Candidate(way, "/embeddings", body, target.meter.most(len(body), 0)))
            elif asked.inputs is None:
                wrongs.append(wrong(f"{asked.model} takes texts, not tokens.", "input"))
            elif asked.fields.get("dimensions") is not None:
                rule = f"{asked.model} has one number of dimensions."
                wrongs.append(wrong(rule, "dimensions", "unsupported_parameter"))
            else:
                body = dumped({"inputs": list(asked.inputs)})
                found.append(Candidate(way, "", body, target.meter.most(len(body))))
        if not found:
            raise wrongs[0]
        return found

    async def invocations(self, request: Request) -> Response:
        """An endpoint's own answer, as `InvokeEndpoint` of SageMaker has it."""
        customer = self._door.customer(request.headers)
        target = self._door.endpoint(customer, request.path_params["name"])
        body = await self._body(request)
        kind, accept = request.headers.get("content-type", "application/json"), request.headers.get("accept", "*/*")
        async with self._door.holding(customer, target.meter.most(len(body)), request.path_params["name"]) as held:
            held.ask(target.label)
            content, media, seconds = await target.invoke(body, kind, accept, INVOCATION_SECONDS)
            held.cost = target.meter.settled(seconds, len(body), len(content))
            return Ending(self._door, held, Response(content, 200, media_type=media))

    def _answered(self, held: Held, content: object, *, sound: bool) -> Response:
        """An answer in one piece, which is kept where its model keeps answers.

        Args:
            sound: whether the answer is certainly whole: its provider counted its tokens, or it was checked here.
        """
        response = json_response(content)
        held.told(bytes(response.body))
        if sound:
            held.keep(bytes(response.body), JSON)
        return Ending(self._door, held, response)

    def _kept(self, held: Held, found: Kept) -> Response:
        """An answer that was kept; a stream in one go."""
        held.told(found.body)
        return Ending(self._door, held, Response(found.body, 200, media_type=found.media))

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
        request.state.body = b"".join(parts)
        return request.state.body


def _noted(route: ModelRoute, request: Request) -> Noted | None:
    """What is to be kept of a request to a model."""
    policy = route.model.bodies
    return None if policy is None else Noted(policy, route.name, request.state.body)


def _allowed(request: Request) -> Directions:
    """What a request allows of keeping its answer."""
    return directions(request.headers.getlist("cache-control"))
