"""Transforms of samples: geometric steps in one map (`warp`), photometric changes, and whole augmentations."""
