"""The benchmark command: measurements and tables."""
