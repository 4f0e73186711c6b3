"""The program that answers for a packaged model: SageMaker's container contract over onnxruntime.

It imports onnxruntime, numpy, tokenizers and the standard library, and nothing else.
"""
