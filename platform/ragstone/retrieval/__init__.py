"""Search: arms, fusion, filters and highlights."""
