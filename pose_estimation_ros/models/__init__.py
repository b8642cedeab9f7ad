"""A model on disk: its file, folder, metadata and export."""
