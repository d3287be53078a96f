"""Versions that leave a workspace and come into another: export and import."""
