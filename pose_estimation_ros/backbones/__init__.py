"""Torch building blocks that several systems share."""
