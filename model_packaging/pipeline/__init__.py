"""The pipeline from a spec to an artifact, whose stages are kept until the end."""

from model_packaging.pipeline.run import package

__all__ = ["package"]
