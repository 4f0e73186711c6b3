"""Quantization of weights: dynamic and static int8 for ONNX, FP8 and W4A16 for vLLM."""
