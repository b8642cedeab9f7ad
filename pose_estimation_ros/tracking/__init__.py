"""Tracking of people and smoothing of their keypoints over time."""
