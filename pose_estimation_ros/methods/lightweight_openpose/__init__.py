"""Lightweight OpenPose: network, decoding, weights."""
