"""A model as an ONNX graph: read, checked, optimised, assembled for serving."""
