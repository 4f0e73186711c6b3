"""The program that serves a packaged model: SageMaker's container contract over onnxruntime.

It imports onnxruntime, numpy, tokenizers and the standard library, and nothing else.
"""
