"""Sources of images, datasets, transforms, bags and messages."""
