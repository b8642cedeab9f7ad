"""Where pictures come from: files, cameras, synthetic people, downloads."""
