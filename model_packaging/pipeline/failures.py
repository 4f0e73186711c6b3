"""Turns failures that are not caused by the spec into findings."""

from __future__ import annotations

import errno

from model_packaging.evaluation.measure import NotReadyError
from model_packaging.findings import FindingsError, refuse
from model_packaging.serving.limited_run import RunTooLongError
from model_packaging.spec import FolderSpec, PackageSpec

FULL = (errno.ENOSPC, errno.EDQUOT)


def refused(spec: PackageSpec | FolderSpec, error: Exception) -> FindingsError:
    """The finding for a failure that ended a run. The work folder is kept: nothing in it depends on the failure."""
    kept, again = "finished stages are kept", "and run the same command again"
    if isinstance(error, OSError):
        if error.errno in FULL:
            rule = "packaging needs free space of about eight times the model"
            path = error.filename if isinstance(error.filename, str) else spec.out
            return refuse(str(path), rule, error.strerror or "", kept, f"free some space {again}")
        path = error.filename if isinstance(error.filename, str) else spec.out
        rule, got = "must be readable, and writable where packaging writes", error.strerror or error
        return refuse(str(path), rule, got, kept, f"name another path or give access to it, {again}")
    got = str(error) or type(error).__name__
    if isinstance(error, ImportError):
        rule, install = "needs the libraries of packaging", "install `scaletozero[packaging]`"
        return refuse(spec.name, rule, got, kept, f"{install} {again}")
    if of_the_machine(error):
        rule = "this machine must be able to load, start and run the model in time"
        return refuse(spec.name, rule, got, kept, f"free memory and processors {again}, or name other `recipes`")
    rule, then = "must load and give the results that were measured", "an endpoint would never become healthy"
    return refuse(spec.name, rule, got, then, "export the model again, or try another one")


def of_the_machine(error: BaseException | None) -> bool:
    """Whether a failure, or its cause, is independent of the model, so that the next run may succeed."""
    while error is not None:
        if isinstance(error, MemoryError | OSError | ImportError | NotReadyError | RunTooLongError):
            return True
        error = error.__cause__
    return False
