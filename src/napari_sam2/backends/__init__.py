"""Backends other than PyTorch: OpenVINO for the image encoder, and export to ONNX and bioimage.io."""
