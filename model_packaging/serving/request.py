"""Validates requests. Standard library only, so that they can be refused before the libraries are loaded."""

from __future__ import annotations

from typing import Any

from model_packaging.serving.limits import REQUEST_BYTES

MAX_PAYLOAD = REQUEST_BYTES
JSON, NPY = "application/json", "application/x-npy"
MAX_INPUTS = 512  # 512 embeddings of 768 numbers fill the 4 MB that a serverless response may have


class BadRequestError(ValueError):
    """The request is invalid for the model; the text is the reason."""


class AnswerTooLongError(BadRequestError):
    """The response would be longer than the service allows."""


def media_of(accept: str, gives: tuple[str, ...] = (JSON, NPY)) -> str | None:
    """The first media type of an Accept header that is in `gives`; JSON if any is accepted, None if none matches."""
    for part in accept.split(","):
        media = part.partition(";")[0].strip().lower()
        if media in ("", "*/*", "application/*", JSON):
            return JSON
        if media in gives:
            return media
    return None


def texts_of(request: Any) -> list[str]:
    """The texts in a decoded JSON request.

    Raises:
        BadRequestError: what was expected, where, and what was received.
    """
    if isinstance(request, dict):
        unknown = sorted(set(request) - {"inputs"})
        if unknown or "inputs" not in request:
            got = f"unknown key {unknown[0]!r}" if unknown else "no such key"
            raise BadRequestError(f'expected {{"inputs": ["text", ...]}}, got {got}')
        request = request["inputs"]
    texts = [request] if isinstance(request, str) else request
    if not isinstance(texts, list):
        raise BadRequestError(f"inputs: expected a text or a list of texts, got {json_type(texts)}")
    if not texts:
        raise BadRequestError("inputs: expected at least one text, got an empty list")
    if len(texts) > MAX_INPUTS:
        raise BadRequestError(f"inputs: expected at most {MAX_INPUTS} texts, got {len(texts)}")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise BadRequestError(f"inputs[{index}]: expected a text, got {json_type(text)}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadRequestError(f"inputs[{index}]: expected valid Unicode, got a lone surrogate") from error
    return texts


def json_type(value: Any) -> str:
    """The type of a decoded JSON value, for messages."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")
