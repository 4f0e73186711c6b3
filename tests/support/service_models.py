"""botocore's descriptions of services, parsed once by a test process and not once by each session.

A session shares them among its clients already. S3's own are left out: its first client takes the bucket out of the
paths of its operations, which then say nothing to others (`remove_bucket_from_url_paths_from_model`).
"""

import functools
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader

OWN = (("s3",), ("s3control",))
"""Services whose clients change their description."""

_load: Any = JSONFileLoader.load_file


@functools.cache
def _once(path: str) -> Any:
    return _load(JSONFileLoader(), path)


def share_service_models() -> None:
    """Makes all sessions of this process share them."""

    def load_file(_: JSONFileLoader, file_path: str) -> Any:
        own = Path(file_path).parts[-3:-2] in OWN
        return _load(JSONFileLoader(), file_path) if own else _once(file_path)

    JSONFileLoader.load_file = load_file  # type: ignore[method-assign]
