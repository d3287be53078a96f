"""Answers: generators, prompts, grounding and citations."""
