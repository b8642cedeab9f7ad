"""Where images come from: files, cameras, synthetic people, downloads."""
