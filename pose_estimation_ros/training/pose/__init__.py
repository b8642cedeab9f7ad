"""The task of pose estimation: its recipes, data sets, network inputs and validations."""
