"""The registry of endpoint kinds. A new kind needs one entry here and its own files."""

from scaletozero.endpoints.asynchronous_kind import AsynchronousKind
from scaletozero.endpoints.gpu_kind import GpuKind
from scaletozero.endpoints.kind import EndpointSettings, Kind
from scaletozero.endpoints.serverless_kind import ServerlessKind

KINDS: dict[str, Kind] = {kind.name: kind for kind in (ServerlessKind(), AsynchronousKind(), GpuKind())}
"""Name of a kind, as it is written in an environment -> the kind; the first is the default."""

DEFAULT = next(iter(KINDS))
"""The default kind of an endpoint."""


def kind_of(settings: EndpointSettings) -> Kind:
    """The kind of an endpoint, from its validated settings."""
    return KINDS[settings.kind]
