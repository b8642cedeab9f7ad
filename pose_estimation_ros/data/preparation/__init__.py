"""Published datasets laid out here: fetched or from archives, unpacked, counted, whole or not at all."""
