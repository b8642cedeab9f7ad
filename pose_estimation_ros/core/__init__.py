"""Values that every layer shares: skeletons, poses, images, geometry, drawing, errors. NumPy and OpenCV only."""
