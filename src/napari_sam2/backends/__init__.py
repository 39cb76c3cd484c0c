"""Backends other than PyTorch: OpenVINO for the image encoder."""
