"""The task of pose estimation: its recipes, datasets, network inputs and validations."""
