"""Turns missing libraries into errors that say what to install."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from importlib import util

from model_packaging.findings import Finding, FindingsError


class NotInstalledError(FindingsError, ImportError):
    """An extra of this distribution is needed but not installed."""


_SANDBOX = ("cryptography", "kubernetes_validate", "moto", "flask")
_SERVING = ("numpy", "onnxruntime", "tokenizers")


def require_sandbox(*, serving: bool) -> None:
    """Raises an error unless everything that the sandbox needs is installed.

    Args:
        serving: whether models are started in it.

    Raises:
        NotInstalledError: something is not installed.
    """
    _require("sandbox", _SANDBOX)
    if serving:
        require_serving()


def require_serving() -> None:
    """Raises an error unless everything that starts a model on this machine is installed.

    Raises:
        NotInstalledError: something is not installed.
    """
    _require("packaging", _SERVING)


def _require(extra: str, modules: Iterable[str]) -> None:
    if missing := [name for name in modules if util.find_spec(name) is None]:
        raise not_installed(extra, ", ".join(missing))


def not_installed(extra: str, missing: str) -> NotInstalledError:
    """The error for an extra with a missing library."""
    name = f"scaletozero[{extra}]"
    rule, then = "must be installed for this", "nothing was begun"
    return NotInstalledError([Finding(name, rule, f"no {missing}", then, f"pip install '{name}'")])


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turns a failed import of a module that is not installed into a finding.

    Raises:
        NotInstalledError: a module from outside this distribution is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("scaletozero", "model_packaging"):
            raise
        raise not_installed(extra, error.name) from None
