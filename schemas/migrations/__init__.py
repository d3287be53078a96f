"""Numbered catalog migrations (.sql)."""
