"""Receipts of answers: made again, followed to their sources and back, and judged by people."""
