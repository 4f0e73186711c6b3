"""The tokenizer of a packaged model. It needs no numpy, so that it is made while numpy is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def load_tokenizer(card: dict[str, Any], folder: Path) -> Any:
    """The tokenizer that a verified card names, as a `tokenizers.Tokenizer`."""
    # Its thread pool costs more at the start than it saves on the few texts of one request.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / card["tokenizer"]["file"]))
    tokenizer.enable_truncation(card["tokenizer"]["max_length"])
    return tokenizer
