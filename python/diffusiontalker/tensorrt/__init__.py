"""A bundle on an NVIDIA GPU: ONNX graphs, engines, and which engine fits. No torch here."""
