"""Torch building blocks that several systems share, and reading weights files."""
