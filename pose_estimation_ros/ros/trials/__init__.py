"""Measured runs of the nodes: the demo and the overhead benchmark."""
