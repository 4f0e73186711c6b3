"""Clients of AWS's services in memory: each call is held against botocore's model, kept, and answered from a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import validate_parameters


@cache
def model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def refused(operation: str, code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class Clients:
    """The services.

    Attributes:
        answers: operation of botocore's client -> its response, an error to raise, or what makes one from the call.
        calls: every call: the operation and its parameters.
    """

    answers: Mapping[str, Any]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, service: str, **_: Any) -> "_Client":
        return _Client(self, service)

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == operation]


@dataclass
class _Client:
    clients: Clients
    service: str

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        name = "".join(part.capitalize() for part in operation.split("_"))
        names: Any = model(self.service).operation_names
        found = next((each for each in names if each.lower() == name.lower()), None)
        if found is None:
            raise AttributeError(operation)

        def call(**given: Any) -> Any:
            validate_parameters(given, model(self.service).operation_model(found).input_shape)
            self.clients.calls.append((operation, given))
            answer = self.clients.answers.get(operation, {})
            answer = answer(given) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, operation: str) -> "_Paginator":
        return _Paginator(getattr(self, operation))


@dataclass
class _Paginator:
    call: Callable[..., Any]

    def paginate(self, **given: Any) -> list[Any]:
        return [self.call(**given)]
