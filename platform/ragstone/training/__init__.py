"""Training of what Ragstone's own search is made of, on the data of a workspace."""
