"""botocore's descriptions of services, parsed once by a test process and not once by each session.

A session shares them among its clients already, as nothing changes them.
"""

import functools
from typing import Any

from botocore.loaders import JSONFileLoader

_load: Any = JSONFileLoader.load_file


@functools.cache
def _once(path: str) -> Any:
    return _load(JSONFileLoader(), path)


def share_service_models() -> None:
    """Makes all sessions of this process share them."""

    def load_file(_: JSONFileLoader, file_path: str) -> Any:
        return _once(file_path)

    JSONFileLoader.load_file = load_file  # type: ignore[method-assign]
