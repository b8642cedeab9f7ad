"""Runs of the nodes that are measured or shown: the demo and the overhead benchmark."""
