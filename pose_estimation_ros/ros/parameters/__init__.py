"""Node parameters: table, declaration, validation."""
