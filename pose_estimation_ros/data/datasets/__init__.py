"""Datasets of annotated people behind one interface, `keypoint_dataset.KeypointDataset`."""
