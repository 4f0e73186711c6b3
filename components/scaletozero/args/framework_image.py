"""An image of AWS, as an argument of the endpoints on SageMaker."""

from typing import TYPE_CHECKING, Any, TypedDict

import pulumi


class FrameworkImageArgs(TypedDict):
    """An image of AWS, by framework and version. A preview shows its complete address."""

    framework: str
    """`djl-lmi`, `huggingface-tei`, `huggingface-tei-cpu`, `llama-cpp`, `pytorch`, `sglang` or `vllm`."""
    version: str
    """The version, or its beginning: `0.30` selects the newest known version of 0.30."""


if TYPE_CHECKING:
    ServedImage = pulumi.Input[str] | FrameworkImageArgs
else:
    # The engine's SDK, which reads the annotations, has no unions; the plugin's schema has this one again.
    ServedImage = Any
