"""Values that every layer shares: skeletons, poses, images, geometry, OKS, drawing, tables, errors."""
