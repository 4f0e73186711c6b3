"""From a spec to an artifact: the stages in their order, each kept until the end."""

from model_packaging.pipeline.run import package

__all__ = ["package"]
