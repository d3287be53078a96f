"""Deduplication: what is there already is found, named and annotated; nothing is thrown away."""
