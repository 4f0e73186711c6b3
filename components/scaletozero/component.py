"""The base class of every component: its type token, and its children's options, names and tags."""

import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, ParamSpec, TypeVar

import pulumi
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.settings import get_monitor

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.validation import LATER, Settings, parse, show
from scaletozero.settings.names import logical_name, safe_name

T = TypeVar("T", bound=Settings)
V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")

LONGEST_NAME = 200
"""Maximum length of a component's name: children's names are made from it, and services allow 255. An environment's
endpoints have 100 at most, and the components inside them are named after them."""

_NAME = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*")


class DeclarationError(FindingsError, pulumi.RunError):
    """All findings on a declaration. The engine shows its text without a traceback."""


def shown_as_it_is(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function of a Pulumi program, so that its findings reach the engine as `DeclarationError`."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except FindingsError as error:
            raise DeclarationError(error.findings) from None

    return wrapped


class Component(pulumi.ComponentResource):
    """A component resource whose children all carry its region, its tags and its name.

    The caller's options reach this resource only: children inherit from it what the engine lets them inherit
    (providers, protect, transforms, ...) and nothing else, so that no `parent`, `import_` or alias leaks into them.
    """

    # Not annotated, because the plugin takes every annotation of a component for an output.
    type_name = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__init__ = shown_as_it_is(cls.__init__)

    def __init__(
        self,
        name: str,
        opts: pulumi.ResourceOptions | None,
        *,
        region: str,
        tags: Mapping[str, str],
    ) -> None:
        # No inputs: they would be stored in the state in clear, secrets among them.
        super().__init__(self.type_name, name, None, opts)
        self._component_name = name
        self._region = region
        self._own_tags = {"managed-by": "scaletozero", "stack": f"{pulumi.get_project()}/{pulumi.get_stack()}"}
        self._tags = {**self._own_tags, **tags}

    def child(self, suffix: str = "", *, limit: int | None = None) -> str:
        """The logical name of a child; see `scaletozero.settings.names.logical_name`."""
        return logical_name(self._component_name, suffix, limit=limit)

    def physical_name(self, *more: str, limit: int) -> str:
        """A physical name for the service object that callers address by name; unique across stacks."""
        return safe_name(pulumi.get_project(), pulumi.get_stack(), self._component_name, *more, limit=limit)

    def options(self, *, depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        """The options of a child."""
        return pulumi.ResourceOptions(parent=self, depends_on=list(depends_on))


def validated(
    model: type[T], args: Mapping[str, Any], *, name: str, inputs: Sequence[str] = ()
) -> tuple[T, dict[str, Any]]:
    """Validates a component's args: plain values at once, outputs of other resources when they are known.

    Args:
        model: the settings of the component.
        args: the caller's arguments.
        name: the component's name, the root of every finding's path.
        inputs: keys of `args` that may be outputs of other resources, or contain some.

    Returns:
        The settings, with `LATER` for values that are not known yet; and the value of every key of `inputs`: as given
        if it is plain (None if it was omitted), or else an output that is checked before it is used.

    Raises:
        FindingsError: with everything that is wrong.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise refuse(
            "the component's name",
            f"must begin with a letter and have letters, digits and single hyphens, at most {LONGEST_NAME}",
            name,
            "the services' own names are made from it, and they would refuse it",
            "write a name such as `sentences`",
        )
    if not isinstance(args, Mapping):
        raise refuse(name, "must be a mapping of arguments", show(args), fix=f"pass `{{...}}`, see `{model.__name__}`")
    given = {key: value for key, value in args.items() if value is not None}
    late = {key: value for key, value in given.items() if _has_output(value)}
    if misplaced := [key for key in late if key not in inputs]:
        raise FindingsError(
            Finding(
                f"{name}.{key}",
                "must be a plain value",
                "an output of another resource",
                "the declaration could not be checked before it is deployed",
                "pass the value itself, for example from the stack's configuration",
            )
            for key in misplaced
        )
    plain = {key: _plain(value) for key, value in given.items()}
    settings = parse(model, plain, name)
    if not late:
        return settings, {key: given.get(key) for key in inputs}

    def check(known: Mapping[str, Any]) -> Mapping[str, Any]:
        empty = [key for key in late if known[key] is None or known[key] == ""]
        if empty and _is_mocked() and all(known[key] is None for key in empty):
            parse(model, {**plain, **known, **dict.fromkeys(empty, LATER)}, name)
            return known
        if empty:
            raise FindingsError(
                Finding(
                    f"{name}.{key}",
                    "must have a value once it is known",
                    "an output that turned out empty",
                    "the service would refuse it, or use its own default",
                    "omit the argument if there is no value",
                )
                for key in empty
            )
        parse(model, {**plain, **known}, name)
        return known

    known = checked(pulumi.Output.all(**late), check, {f"{name}.{key}": value for key, value in late.items()})
    return settings, {key: known[key] if key in late else given.get(key) for key in inputs}


def _is_mocked() -> bool:
    """Whether this is a unit test of somebody's stack: the mocks of Pulumi's guide leave out what only a service makes
    up, such as a bucket's name or an ARN."""
    return type(get_monitor()) is MockMonitor


def checked(
    value: pulumi.Output[V], check: Callable[[V], R], sources: Mapping[str, Any] | None = None
) -> pulumi.Output[R]:
    """Applies `check` to a value that is known later. Its findings do not show secrets.

    Args:
        value: the value.
        check: returns the value to use, or raises FindingsError.
        sources: path of an argument -> its input. If an input is a secret, a finding at or below its path does not show
            it, and neither does any other text. Without sources, everything is secret if `value` is.
    """
    if sources and not any(map(_has_output, sources.values())):
        return value.apply(shown_as_it_is(check))  # no input is a secret
    paths = list(sources or {"": value})
    secret = [pulumi.Output.from_input(each).is_secret() for each in (sources or {"": value}).values()]

    @shown_as_it_is
    def run(known: Sequence[Any]) -> R:
        value, parts, secrets = known
        try:
            return check(value)
        except FindingsError as error:
            hidden = {path: part for path, part, is_secret in zip(paths, parts, secrets, strict=True) if is_secret}
            raise FindingsError(without_secrets(found, hidden) for found in error.findings) from None

    return pulumi.Output.all(value, list((sources or {"": value}).values()), secret).apply(run)


SECRET = "[secret]"  # noqa: S105 - what is shown instead of one


def without_secrets(found: Finding, hidden: Mapping[str, Any]) -> Finding:
    """A finding without secrets: neither the values at the hidden paths, nor text that contains one of them."""
    for path, value in hidden.items():
        if found.path == path or found.path.startswith(f"{path}.") or not path:
            # A fix may be derived from the value, and is then just as secret.
            found = replace(found, got=SECRET, fix="")
        for text in _texts(value):
            found = Finding(*(getattr(found, field.name).replace(text, SECRET) for field in fields(found)))
    return found


def _texts(value: Any) -> list[str]:
    """Every string in a value, the longest first, except strings so short that any text contains them."""
    if isinstance(value, Mapping):
        found = [text for each in value.values() for text in _texts(each)]
    elif isinstance(value, list | tuple):
        found = [text for each in value for text in _texts(each)]
    else:
        found = [value] if isinstance(value, str) and len(value) > 3 else []
    return sorted(found, key=len, reverse=True)


def _has_output(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_output(each) for each in value.values())
    if isinstance(value, list | tuple):
        return any(_has_output(each) for each in value)
    return isinstance(value, pulumi.Output)


def _plain(value: Any) -> Any:
    """The value with `LATER` in place of outputs of other resources."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, os.PathLike):  # for example an open artifact
        return os.fspath(value)
    return LATER if isinstance(value, pulumi.Output) else value
