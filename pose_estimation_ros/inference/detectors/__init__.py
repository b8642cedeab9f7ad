"""Person detectors for top-down estimation."""
