"""How a failing run is made as small as possible."""
