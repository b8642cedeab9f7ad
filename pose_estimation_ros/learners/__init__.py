"""The published learner API."""
