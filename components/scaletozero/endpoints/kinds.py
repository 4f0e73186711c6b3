"""The registry of endpoint kinds. A new kind is one entry here and files of its own."""

from scaletozero.endpoints.asynchronous_kind import AsynchronousKind
from scaletozero.endpoints.gpu_kind import GpuKind
from scaletozero.endpoints.kind import EndpointSettings, Kind
from scaletozero.endpoints.serverless_kind import ServerlessKind

KINDS: dict[str, Kind] = {kind.name: kind for kind in (ServerlessKind(), AsynchronousKind(), GpuKind())}
"""Name, as it is written in an environment, to kind; the first is the default."""

DEFAULT = next(iter(KINDS))
"""The kind of an endpoint that names none."""


def kind_of(settings: EndpointSettings) -> Kind:
    """The kind of an endpoint, by its validated settings."""
    return KINDS[settings.kind]
