"""Backends that run a network, and pipelines from a picture to poses."""
