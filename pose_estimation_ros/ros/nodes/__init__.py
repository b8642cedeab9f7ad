"""Node programs and what runs inside them."""
