"""How good what models make is, one module for each kind of data."""
