"""Backends that run a network, and pipelines from an image to poses."""
