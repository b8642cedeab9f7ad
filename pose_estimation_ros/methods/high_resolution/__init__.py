"""High-resolution pose estimation: two passes over a network of Lightweight OpenPose."""
