"""SimpleBaselines: network, targets, decoding, weights."""
