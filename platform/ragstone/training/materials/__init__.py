"""What models learn from, and make: one module for each kind of data."""
