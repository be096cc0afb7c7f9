"""How random calls are made up."""
