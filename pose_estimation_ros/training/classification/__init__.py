"""Training a classifier of images: recipe, augmented images by class, cross entropy, top-1 and top-5 error."""
