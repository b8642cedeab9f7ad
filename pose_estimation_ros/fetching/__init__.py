"""Downloads, and preparation of published datasets from archives."""
