"""Every argument type agrees with its settings: names, requiredness, types, allowed values, and what may come later."""

import collections.abc
import inspect
import types
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, StrEnum
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Literal,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

import pulumi
import pytest
from pydantic import BaseModel, create_model

import scaletozero
from model_packaging.validation import Settings, Text, may_be_later
from scaletozero.args.framework_image import FrameworkImageArgs
from scaletozero.plugin import COMPONENTS
from scaletozero.scaling.warm_calls import WarmCallsSettings
from scaletozero.settings.alarms import EndpointAlarmsSettings
from scaletozero.settings.asynchronous import AsyncEndpointSettings
from scaletozero.settings.common import ArtifactStoreSettings
from scaletozero.settings.dashboards import EndpointDashboardSettings, EnvironmentDashboardSettings
from scaletozero.settings.framework_images import FrameworkImage
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_pools import GpuNodeGroupSettings, GpuNodePoolSettings
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings
from scaletozero.settings.inference_gateway import InferenceGatewaySettings
from scaletozero.settings.pools import InstancePoolSettings, ProvisionedPoolSettings
from scaletozero.settings.prerequisites import PrerequisitesSettings
from scaletozero.settings.residency_guard import ResidencyGuardSettings
from scaletozero.settings.serverless import ServerlessEndpointSettings
from scaletozero.settings.serving_image import ServingImageSettings
from scaletozero.settings.spending_guard import SpendingGuardSettings

SETTINGS: dict[str, tuple[type[BaseModel], ...]] = {
    "ArtifactStore": (ArtifactStoreSettings,),
    "AsyncEndpoint": (AsyncEndpointSettings,),
    "ClusterPrerequisites": (PrerequisitesSettings,),
    "EndpointAlarms": (EndpointAlarmsSettings,),
    "EndpointDashboard": (EndpointDashboardSettings,),
    "EnvironmentDashboard": (EnvironmentDashboardSettings,),
    "GpuEndpoint": (GpuEndpointSettings,),
    "GpuNodeGroup": (GpuNodeGroupSettings,),
    "GpuNodePool": (GpuNodePoolSettings,),
    "GpuWarmPool": (GpuWarmPoolSettings,),
    "InferenceGateway": (InferenceGatewaySettings,),
    "ResidencyGuard": (ResidencyGuardSettings,),
    "ServerlessEndpoint": (ServerlessEndpointSettings,),
    "ServingImage": (ServingImageSettings,),
    "SpendingGuard": (SpendingGuardSettings,),
    "WarmCalls": (WarmCallsSettings,),
    "WarmPool": (ProvisionedPoolSettings, InstancePoolSettings),  # which of them, `unit` decides
}

FORMER_NAMES = {("WindowArgs", "on"): "date"}
WRITTEN_OTHERWISE = {
    ("WindowArgs", "start"): str,  # "08:00"
    ("WindowArgs", "end"): str,
    ("WindowArgs", "days"): list[str],  # names and ranges of names
    ("WindowArgs", "date"): str,  # "2026-11-27"
    ("QuietHoursArgs", "start"): str,
    ("GatewayCustomerArgs", "expires"): str,
    ("AsyncEndpointArgs", "image"): Any,  # the SDK knows no unions
    ("ServerlessEndpointArgs", "image"): Any,
}
"""Where a user writes text that the settings hold as a number or a date."""


@dataclass(frozen=True)
class Shape:
    """What a value may be.

    Attributes:
        kind: `str`, `int`, `float`, `bool`, `date`, `any`, `one of`, `list`, `mapping` or `group`.
        values: the allowed values of `one of`.
        inner: the items of a list or a mapping.
        groups: the settings, or the one argument type, of a group.
        later: whether it may be an output of another resource.
    """

    kind: str
    values: frozenset[str] = frozenset()
    inner: "Shape | None" = None
    groups: tuple[Any, ...] = ()
    later: bool = False


PLAIN = {str: "str", int: "int", float: "float", Decimal: "float", bool: "bool", date: "date", Any: "any"}


def shape(annotation: Any, later: bool = False) -> Shape:
    """The shape that an annotation of either side stands for."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (NotRequired, Required):
        return shape(inner[0], later)
    if origin is Annotated:
        return shape(inner[0], later or may_be_later in inner[1:])
    if origin in (Union, types.UnionType):
        later = later or any(map(_asynchronous, inner))
        kept = [each for each in inner if each is not type(None) and not _asynchronous(each)]
        if len(kept) == 1:
            return shape(kept[0], later)
        return Shape("group", groups=tuple(each for one in kept for each in shape(one).groups), later=later)
    if annotation in PLAIN:
        return Shape(PLAIN[annotation], later=later)
    if origin is Literal:
        return Shape("one of", frozenset(inner), later=later)
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return Shape("one of", frozenset(each.value for each in annotation), later=later)
    if origin in (list, tuple):
        return Shape("list", inner=shape(inner[0]), later=later)
    if origin is dict:
        return Shape("mapping", inner=shape(inner[1]), later=later)
    assert is_typeddict(annotation) or issubclass(annotation, BaseModel), annotation
    return Shape("group", groups=(annotation,), later=later)


def _asynchronous(annotation: Any) -> bool:
    # `pulumi.Input` names its output by a string.
    return get_origin(annotation) in (pulumi.Output, collections.abc.Awaitable) or isinstance(annotation, ForwardRef)


def differences(args: Any, settings: tuple[type[BaseModel], ...], path: str) -> list[str]:
    """What an argument type says otherwise than the settings that it becomes."""
    given = inspect.get_annotations(args)
    fields = {name for each in settings for name in each.model_fields}
    union = len(settings) > 1
    if not union and "kind" in fields and not any(each.model_fields["kind"].is_required() for each in settings):
        fields.remove("kind")  # an environment's endpoints have it; a component is of one kind
    if union:
        fields -= {"warm_by", "reserve_concurrency"}  # an endpoint's; a pool is one of the two ways
    former = {name for owner, name in FORMER_NAMES if owner == args.__name__}
    found = [f"{path}.{name}: only in the arguments" for name in set(given) - fields - former]
    found += [f"{path}.{name}: only in the settings" for name in fields - set(given)]
    for name in sorted(fields & set(given)):
        here = [each.model_fields[name] for each in settings if name in each.model_fields]
        required = len(here) == len(settings) and all(each.is_required() for each in here)
        required = required or (union and name == "kind")  # which tells the members of a union apart
        if required != (name in args.__required_keys__):
            found.append(f"{path}.{name}: required on one side only")
        wanted = [
            shape(Annotated[(each.annotation, *each.metadata)] if each.metadata else each.annotation) for each in here
        ]
        have = shape(given[name])
        if other := WRITTEN_OTHERWISE.get((args.__name__, name)):
            wanted = [shape(other)]
        found += _compare(have, wanted, f"{path}.{name}")
    return found


def _compare(have: Shape, wanted: list[Shape], path: str) -> list[str]:
    found = []
    if {each.kind for each in wanted} != {have.kind}:
        return [f"{path}: {have.kind} in the arguments, {', '.join(each.kind for each in wanted)} in the settings"]
    if have.later != any(each.later or _within(each) for each in wanted) and not _within(have):
        found.append(f"{path}: may come from another resource on one side only")
    if have.values != frozenset(value for each in wanted for value in each.values):
        found.append(f"{path}: one of {sorted(have.values)} in the arguments")
    if have.inner:
        found += _compare(have.inner, [each.inner for each in wanted if each.inner], f"{path}[]")
    if have.groups:
        (args,) = have.groups
        found += differences(args, tuple(dict.fromkeys(group for each in wanted for group in each.groups)), path)
    return found


def _within(of: Shape) -> bool:
    return bool(of.inner and (of.inner.later or _within(of.inner)))


def test_every_component_is_here() -> None:
    assert set(SETTINGS) == {component.__name__ for component in COMPONENTS}


@pytest.mark.parametrize("name", SETTINGS)
def test_arguments_and_settings_say_the_same(name: str) -> None:
    args = inspect.get_annotations(getattr(scaletozero, name).__init__)["args"]
    assert differences(args, SETTINGS[name], name) == []


def test_the_arguments_of_an_image_by_name_are_its_settings() -> None:
    assert differences(FrameworkImageArgs, (FrameworkImage,), "image") == []


class Mode(StrEnum):
    A = "a"
    B = "b"


class OneArgs(TypedDict):
    size: str
    mode: NotRequired[Mode]
    more: NotRequired[list[str]]
    at: NotRequired[pulumi.Input[str]]


class One(Settings):
    size: Text
    mode: Literal["a", "b"] = "a"
    more: tuple[Text, ...] = ()
    at: Annotated[Text, may_be_later] | None = None


def test_what_agrees_has_no_differences() -> None:
    assert differences(OneArgs, (One,), "one") == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"size": (int, ...)}, "one.size: str in the arguments, int in the settings"),
        ({"size": (Text, "x")}, "one.size: required on one side only"),
        ({"extra": (Text, "x")}, "one.extra: only in the settings"),
        ({"mode": (Literal["a", "c"], "a")}, "one.mode: one of ['a', 'b'] in the arguments"),
        ({"more": (tuple[int, ...], ())}, "one.more[]: str in the arguments, int in the settings"),
        ({"at": (Text | None, None)}, "one.at: may come from another resource on one side only"),
    ],
)
def test_each_difference_is_found(change: Any, found: str) -> None:
    other = create_model("Other", __base__=One, **change)
    assert differences(OneArgs, (other,), "one") == [found]
