"""Receipts of answers: made again, and followed to their sources and back."""
