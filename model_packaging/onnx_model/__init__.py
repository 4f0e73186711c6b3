"""ONNX graphs: reads, checks, optimises and assembles them for serving."""
