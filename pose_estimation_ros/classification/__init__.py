"""Classification of images: the classifier's input, its best classes, their labels and a drawing. NumPy and OpenCV."""
