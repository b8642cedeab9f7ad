"""A system of its own in one folder: it finds the best cell of each keypoint's heatmap, so one person in an image.

It measures how much a new system has to write; test_toy_system.py registers it by one line and runs everything on it.
"""
