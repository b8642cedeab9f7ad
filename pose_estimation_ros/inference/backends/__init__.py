"""Runtimes behind one protocol: torch, ONNX Runtime, OpenVINO."""
