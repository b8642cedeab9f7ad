"""Identities and smoothing over time."""
