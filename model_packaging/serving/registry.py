"""The tasks that a model can be packaged for, one entry each. Standard library only: the serving container reads it.

A new task is an entry here, a class for requests and responses (`serving`), and a class for packaging (`packaging`).
The classes are named and not imported, so that a start loads the module of the served task only, and so that a spec is
checked without any library for models.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

DEFAULT = "sentence-embedding"
"""The default task of a spec or card."""


class TaskKind(NamedTuple):
    """One task.

    Attributes:
        inputs: `texts`, which need a tokenizer, or `tensors`, which need a user's probe.
        serving: `module:class` of its `serving.task.Task`.
        packaging: `module:class` of its `tasks.Packaging`.
        thresholds: `module:class` of its `thresholds.Floor`.
        classes: whether it returns probabilities of classes, which have labels and an activation.
        transformers: the class of transformers that loads a Hugging Face folder for it; empty if a folder cannot be
            exported for this task.
        output: the name of the graph's output after such an export.
    """

    inputs: str
    serving: str
    packaging: str
    thresholds: str
    classes: bool = False
    transformers: str = ""
    output: str = "logits"


TASKS: dict[str, TaskKind] = {
    "sentence-embedding": TaskKind(
        inputs="texts",
        serving="model_packaging.serving.texts:SentenceEmbedding",
        packaging="model_packaging.tasks.texts:SentenceEmbedding",
        thresholds="model_packaging.thresholds:QualityFloor",
        transformers="AutoModel",
        output="sentence_embedding",
    ),
    "text-classification": TaskKind(
        inputs="texts",
        serving="model_packaging.serving.texts:TextClassification",
        packaging="model_packaging.tasks.texts:TextClassification",
        thresholds="model_packaging.thresholds:ClassFloor",
        classes=True,
        transformers="AutoModelForSequenceClassification",
    ),
    "token-classification": TaskKind(
        inputs="texts",
        serving="model_packaging.serving.texts:TokenClassification",
        packaging="model_packaging.tasks.texts:TokenClassification",
        thresholds="model_packaging.thresholds:ClassFloor",
        classes=True,
        transformers="AutoModelForTokenClassification",
    ),
    "image-classification": TaskKind(
        inputs="tensors",
        serving="model_packaging.serving.tensors:ImageClassification",
        packaging="model_packaging.tasks.tensors:ImageClassification",
        thresholds="model_packaging.thresholds:ClassFloor",
        classes=True,
        transformers="AutoModelForImageClassification",
    ),
    "generic": TaskKind(
        inputs="tensors",
        serving="model_packaging.serving.tensors:Generic",
        packaging="model_packaging.tasks.tensors:Generic",
        thresholds="model_packaging.thresholds:TensorFloor",
    ),
}


def load(name: str) -> Any:
    """Imports the class that `module:class` names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
