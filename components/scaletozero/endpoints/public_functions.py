"""Functions that anybody can call without end: those behind a URL without a signature, and without a bound. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from model_packaging.findings import Finding
from scaletozero.spending.resources import Declared

FUNCTION, URL = "aws:lambda/function:Function", "aws:lambda/functionUrl:FunctionUrl"


def unbounded_functions(resources: Iterable[Declared]) -> Iterator[tuple[str, Finding]]:
    """The URN of each function behind a public URL that has no reserved concurrency, with the finding on it.

    A function of another stack, and a bound that is not known yet, are not judged.

    Args:
        resources: the resources of a stack.
    """
    known = list(resources)
    functions = [each for each in known if each.type == FUNCTION]
    for url in known:
        if url.type != URL or url.properties.get("authorizationType") != "NONE":
            continue
        behind, name = url.depends.get("functionName", ()), url.properties.get("functionName")
        for each in functions:
            named = isinstance(name, str) and name in (each.properties.get("name"), each.properties.get("arn"))
            if each.urn not in behind and not named:
                continue
            bound = each.properties.get("reservedConcurrentExecutions")
            if bound is None or (isinstance(bound, int | float) and bound < 0):
                yield (
                    each.urn,
                    Finding(
                        f"{each.name}.reservedConcurrentExecutions",
                        f"is required behind {url.name}, a URL that anybody may call",
                        "none",
                        "callers could keep all of the account's concurrency busy: no month has a worst case",
                        "write the most requests at a time, as `InferenceGateway` has `concurrency`",
                    ),
                )
