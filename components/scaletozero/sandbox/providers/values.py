"""Converts property values between the engine's protobuf form and plain Python.

The engine marks secrets, unknown values and assets inside ordinary structures. They become `Secret`, `UNKNOWN` and
`Asset`, so that the rest of the provider works with plain dicts and lists and preserves every mark.
(`pulumi.provider.experimental.PropertyValue` loses the hash of an asset and has no unknown values.)
"""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime import rpc


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""A value that is only known after an `up`."""


@dataclass(frozen=True)
class Secret:
    """A value that must be stored encrypted and never printed."""

    value: Any

    def __repr__(self) -> str:
        return "[secret]"


@dataclass(frozen=True)
class Asset:
    """A program's file, text or folder, with the engine's fields (`path`, `text`, `uri`, `hash`)."""

    kind: str
    fields: tuple[tuple[str, str], ...]
    assets: tuple[tuple[str, Asset], ...] = ()

    def __getitem__(self, field: str) -> str:
        return dict(self.fields).get(field, "")

    @property
    def is_archive(self) -> bool:
        return self.kind == rpc._special_archive_sig

    def read(self) -> bytes:
        """Reads the content. Raises OSError if it does not exist."""
        if path := self["path"]:
            return Path(path).read_bytes()
        if uri := self["uri"]:
            with urllib.request.urlopen(uri) as response:  # noqa: S310 - the program's own address
                return response.read()
        return self["text"].encode()

    def same_content(self, other: Asset) -> bool:
        if self["hash"] and other["hash"]:
            return self["hash"] == other["hash"]
        return self == other


def decode(value: struct_pb2.Value) -> Any:
    """Converts a protobuf value to Python; whole numbers become ints."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [decode(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _decode_struct(value.struct_value.fields)
    return None


_UNKNOWNS: Final = frozenset(
    {
        rpc.UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
"""The engine's marks for an unknown value, by type (pulumi `sdk/go/common/resource/plugin/rpc.go`)."""


def _decode_struct(fields: Mapping[str, struct_pb2.Value]) -> Any:
    signature = fields[rpc._special_sig_key].string_value if rpc._special_sig_key in fields else None
    if signature is None:
        return {key: decode(item) for key, item in fields.items()}
    if signature == rpc._special_secret_sig:
        return Secret(decode(fields["value"]))
    if signature == rpc._special_output_value_sig:
        inner = decode(fields["value"]) if "value" in fields else UNKNOWN
        return Secret(inner) if "secret" in fields and fields["secret"].bool_value else inner
    if signature in (rpc._special_asset_sig, rpc._special_archive_sig):
        texts = tuple((k, v.string_value) for k, v in sorted(fields.items()) if v.HasField("string_value"))
        texts = tuple(pair for pair in texts if pair[0] != rpc._special_sig_key)
        parts = fields["assets"].struct_value.fields if "assets" in fields else {}
        return Asset(signature, texts, tuple((name, decode(part)) for name, part in sorted(parts.items())))
    if signature == rpc._special_resource_sig:
        return decode(fields["id"]) if "id" in fields else decode(fields["urn"])
    raise ValueError(f"the engine sent a value with the signature {signature}, which this provider does not know")


def encode(value: Any) -> struct_pb2.Value:
    """Converts a result of `decode` back to its protobuf form."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=rpc.UNKNOWN)
    if isinstance(value, Secret):
        return _signed(rpc._special_secret_sig, {"value": encode(value.value)})
    if isinstance(value, Asset):
        fields = {key: struct_pb2.Value(string_value=text) for key, text in value.fields}
        if value.assets:
            parts = {name: encode(part) for name, part in value.assets}
            fields["assets"] = struct_pb2.Value(struct_value=struct_pb2.Struct(fields=parts))
        return _signed(value.kind, fields)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=encode_map(value))
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[encode(item) for item in value]))


def _signed(signature: str, fields: dict[str, struct_pb2.Value]) -> struct_pb2.Value:
    mark = {rpc._special_sig_key: struct_pb2.Value(string_value=signature)}
    return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=mark | fields))


def decode_map(value: struct_pb2.Struct) -> dict[str, Any]:
    return {key: decode(item) for key, item in value.fields.items()}


def encode_map(value: Mapping[str, Any]) -> struct_pb2.Struct:
    return struct_pb2.Struct(fields={key: encode(item) for key, item in value.items()})


def plain(value: Any) -> Any:
    """The value without its secret marks, at every depth."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def has_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(has_secret, value.values()))
    return isinstance(value, Secret) or (isinstance(value, list) and any(map(has_secret, value)))


def has_unknown(value: Any) -> bool:
    value = plain(value)
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    return value is UNKNOWN or (isinstance(value, list) and any(map(has_unknown, value)))


def mark_like(value: Any, model: Any) -> Any:
    """`value` with the secret marks of `model`, because values that are read back must not lose their marks."""
    if isinstance(model, Secret):
        return Secret(plain(value))
    if isinstance(model, Mapping) and isinstance(value, Mapping):
        return {key: mark_like(item, model.get(key)) for key, item in value.items()}
    if isinstance(model, list) and isinstance(value, list):
        models = model + [None] * (len(value) - len(model))
        return [mark_like(item, item_model) for item, item_model in zip(value, models, strict=False)]
    return value


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
