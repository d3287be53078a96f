"""How things come in: sources, parsers, chunking, the pipeline and its engines."""
