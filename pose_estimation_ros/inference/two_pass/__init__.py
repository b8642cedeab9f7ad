"""Looking twice: the whole picture at low cost, then closely where people are."""
