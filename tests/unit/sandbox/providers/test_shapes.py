"""Property-based: what a service model permits passes, and one step outside is refused with its path."""

import json
import math
import re
from typing import Any

import pytest
from botocore.model import DenormalizedStructureBuilder
from google.protobuf import struct_pb2
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pulumi.runtime import rpc

from scaletozero.sandbox.providers.check import operation, shape_at
from scaletozero.sandbox.providers.diff import changes
from scaletozero.sandbox.providers.resources import TABLE
from scaletozero.sandbox.providers.shapes import bind, camel, compiled, member_name, unbind
from scaletozero.sandbox.providers.values import UNKNOWN, Asset, Secret, decode, encode, mark_like, plain

MODELLED = [
    ("sagemaker", "create_endpoint_config", "ProductionVariants"),
    ("sagemaker", "create_endpoint_config", "AsyncInferenceConfig"),
    ("sagemaker", "create_model", "PrimaryContainer"),
    ("s3", "put_bucket_lifecycle_configuration", "LifecycleConfiguration"),
    ("application-autoscaling", "put_scaling_policy", "TargetTrackingScalingPolicyConfiguration"),
    ("scheduler", "create_schedule", "Target"),
    ("lambda", "create_function", "VpcConfig"),
]
UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

JUDGED = [case for case in MODELLED if case[2] not in ("AsyncInferenceConfig", "VpcConfig")]
"""Those that have a limit on what they require."""

SHAPES = [pytest.param(operation(s, o).input_shape, p, id=f"{o}.{p}") for s, o, p in MODELLED]


def texts(shape: Any) -> SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(shape.enum)
    low, high = shape.metadata.get("min", 0), min(shape.metadata.get("max", 20), 200)
    if "pattern" in shape.metadata:
        found = st.from_regex(compiled(shape.metadata["pattern"]), alphabet=st.characters(codec="ascii"))
        return found.filter(lambda text: low <= len(text) <= shape.metadata.get("max", math.inf))
    return st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=low, max_size=max(low, high))


def numbers(shape: Any) -> SearchStrategy[Any]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in ("integer", "long"):
        return st.integers(low if low is not None else -(2**31), high if high is not None else 2**31)
    return st.floats(low, high, allow_nan=False, allow_infinity=False, width=32)


def values(shape: Any, depth: int = 0) -> SearchStrategy[Any]:
    """Values that the model permits, in the spelling of properties."""
    kind = shape.type_name
    if kind == "structure":
        required = set(shape.required_members)
        names = [name for name in shape.members if name in required or depth < 1]
        fields = {camel(name): values(shape.members[name], depth + 1) for name in names}
        needed = {key: fields[key] for key in fields if key in {camel(name) for name in required}}
        return st.fixed_dictionaries(needed, optional={key: fields[key] for key in fields.keys() - needed.keys()})
    if kind in ("list", "map"):
        low, high = shape.metadata.get("min", 0), min(shape.metadata.get("max", 3), 3)
        high = max(low, high)
        if kind == "list":
            return st.lists(values(shape.member, depth + 1), min_size=low, max_size=high)
        return st.dictionaries(texts(shape.key), values(shape.value, depth + 1), min_size=low, max_size=high)
    if kind in ("integer", "long", "float", "double"):
        return numbers(shape)
    if kind == "boolean":
        return st.booleans()
    if kind == "timestamp":
        return st.just("2030-01-31T00:00:00Z")
    return texts(shape)


@pytest.mark.parametrize(("shape", "parameter"), SHAPES)
@settings(max_examples=20, suppress_health_check=UNHURRIED)
@given(data=st.data())
def test_what_the_model_permits_passes_and_comes_back(shape: Any, parameter: str, data: st.DataObject) -> None:
    inner = shape_at(shape, parameter)
    value = data.draw(values(inner))
    bound, failures = bind(inner, value, "prop", {})
    assert failures == []
    back = unbind(inner, bound, value, {})
    assert json.dumps(back, sort_keys=True, default=str) == json.dumps(value, sort_keys=True, default=str)


def leaves(shape: Any, value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """(path, shape) of every scalar in a value."""
    if isinstance(value, dict) and shape.type_name == "structure":
        found = []
        for key, item in value.items():
            found += leaves(shape.members[member_name(shape, key, {})], item, (*path, key))
        return found
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value) for leaf in leaves(shape.member, item, (*path, i))]
    return [(path, shape)] if path and not isinstance(value, dict) else []


def outside(shape: Any) -> list[Any]:
    """Values one step outside of what a scalar's shape permits."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in ("integer", "long"):
        return [
            bound
            for bound in (None if low is None else low - 1, None if high is None else high + 1)
            if bound is not None
        ]
    if shape.type_name == "string":
        wrong = ["no-such-value"] if shape.enum else []
        if high is not None and high < 3000 and not shape.enum:
            wrong.append("a" * (high + 1))
        if low and not shape.enum:
            wrong.append("a" * (low - 1))
        return wrong
    return ["neither"] if shape.type_name == "boolean" else []


def put(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    if not path:
        return leaf
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], leaf)
    return copy


def dotted(path: tuple[Any, ...]) -> str:
    return "prop" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


@pytest.mark.parametrize(("service", "method", "parameter"), JUDGED)
@settings(max_examples=20, suppress_health_check=UNHURRIED)
@given(data=st.data())
def test_one_step_outside_is_refused_by_its_path(
    service: str, method: str, parameter: str, data: st.DataObject
) -> None:
    inner = shape_at(operation(service, method).input_shape, parameter)
    value = data.draw(values(inner))
    cases = [(path, wrong) for path, leaf in leaves(inner, value) for wrong in outside(leaf)]
    assume(cases)
    path, wrong = data.draw(st.sampled_from(cases))
    failures = bind(inner, put(value, path, wrong), "prop", {})[1]
    assert {failure.path for failure in failures} == {dotted(path)}


@given(st.dictionaries(st.sampled_from(["a", "b", "colour", "memorySizeInMB"]), st.integers()))
def test_an_unknown_property_is_refused_and_a_missing_one_named(value: dict[str, int]) -> None:
    members = {"MemorySizeInMB": {"type": "integer"}, "Name": {"type": "string"}}
    shape: Any = DenormalizedStructureBuilder().with_members(members).build_model()
    shape.metadata["required"] = ["Name"]
    found = {failure.path for failure in bind(shape, value, "p", {})[1]}
    assert found == {f"p.{key}" for key in value if key != "memorySizeInMB"} | {"p.name"}


@pytest.mark.parametrize(
    ("api", "pulumi"),
    [
        ("MemorySizeInMB", "memorySizeInMb"),
        ("KMSKeyId", "kmsKeyId"),
        ("EnableSSMAccess", "enableSsmAccess"),
        ("S3Uri", "s3Uri"),
        ("id", "id"),
    ],
)
def test_terraforms_spelling(api: str, pulumi: str) -> None:
    assert camel(api) == pulumi


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", ["Grüße 7", "a/b"], ["a#b"]),
        (r"\p{Print}+", ["a b~"], ["", "\n"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", ["a\n😀"], ["\x00"]),
        (r"[a-z]", ["a"], ["ab", "a\n"]),
    ],
)
def test_java_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    assert all(compiled(pattern).search(text) for text in yes)
    assert not any(compiled(pattern).search(text) for text in no)


assets = st.builds(
    Asset,
    st.just(rpc._special_asset_sig),
    st.tuples(st.tuples(st.just("hash"), st.text()), st.tuples(st.just("text"), st.text())),
)
scalars = st.none() | st.booleans() | st.integers(-(2**52), 2**52) | st.text() | st.just(UNKNOWN) | assets
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)
marked = trees | trees.map(Secret) | st.dictionaries(st.text(max_size=4), trees.map(Secret), max_size=3)


@given(marked)
def test_values_survive_the_engines_form(value: Any) -> None:
    wire = struct_pb2.Value.FromString(encode(value).SerializeToString())
    assert decode(wire) == value


@given(marked)
def test_marks_can_be_taken_off_and_put_back(value: Any) -> None:
    assert not re.search("secret", repr(plain(value))) or "secret" in repr(value)
    assert mark_like(plain(value), value) == value


def test_a_floats_and_a_texts_number_is_the_same_and_json_compares_as_such() -> None:
    row = TABLE["aws:iam/rolePolicy:RolePolicy"]
    old = {"role": "r", "name": "n", "policy": '{"a": 1, "b": [2]}'}
    assert changes(row, old, old | {"policy": '{"b":[2],"a":1}'}, []) == []
    assert [c.path for c in changes(row, old, old | {"policy": '{"b":[3],"a":1}'}, [])] == ["policy"]


def test_what_is_ignored_and_what_is_unknown() -> None:
    row = TABLE["aws:cloudwatch/logGroup:LogGroup"]
    old = {"name": "n", "retentionInDays": 7, "tags": {"a": "1"}, "skipDestroy": False}
    new = {"name": "n", "retentionInDays": UNKNOWN, "tags": {"a": "2", "b": "3"}}
    found = {(c.path, c.kind) for c in changes(row, old, new, [])}
    assert found == {("retentionInDays", "update"), ("tags.a", "update"), ("tags.b", "add")}
    assert {c.path for c in changes(row, old, new, ["tags.a", "retentionInDays"])} == {"tags.b"}
    assert changes(row, old, new, ["tags", "retentionInDays"]) == []


@pytest.mark.parametrize(
    ("kind", "prop", "replaces"),
    [
        ("EndpointConfiguration", "productionVariants", True),
        ("EndpointConfiguration", "tags", False),
        ("Model", "primaryContainer", True),
        ("Model", "tags", False),
        ("Endpoint", "name", True),
        ("Endpoint", "endpointConfigName", False),
        ("Bucket", "bucket", True),
        ("Bucket", "forceDestroy", False),
        ("Bucket", "region", True),
        ("BucketObjectv2", "key", True),
        ("BucketObjectv2", "source", False),
        ("Role", "path", True),
        ("Role", "assumeRolePolicy", False),
        ("LogGroup", "name", True),
        ("LogGroup", "retentionInDays", False),
        ("Target", "resourceId", True),
        ("Target", "maxCapacity", False),
        ("Repository", "encryptionConfigurations", True),
        ("LifecyclePolicy", "policy", True),
        ("Function", "packageType", True),
        ("Function", "code", False),
    ],
)
def test_what_needs_a_new_resource(kind: str, prop: str, replaces: bool) -> None:
    row = next(row for name, row in TABLE.items() if name.endswith(f":{kind}"))
    assert row.replaced_by(prop) == replaces
