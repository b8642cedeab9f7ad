"""Conversion between messages and the package's own types."""
