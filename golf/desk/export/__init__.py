"""A checkpoint as an ONNX model that computes the same, and what serves it."""
