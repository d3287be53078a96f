"""Plain splitters, run by `chunking.py` in an environment with langchain-text-splitters.

Run: python benchmarks/_splitters.py tokenizer.json FILE...

Prints one line of JSON: {splitter: {file: [[start, end], ...]}}, in characters.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from langchain_text_splitters import RecursiveCharacterTextSplitter
from tokenizers import Tokenizer

# Those of the publication: the library's own lack the ends of sentences.
SEPARATORS = ["\n\n", "\n", ".", "?", "!", " ", ""]
Spans = list[tuple[int, int]]


def recursive(tokenizer: Tokenizer, text: str, size: int, overlap: int) -> Spans:
    """Cut by paragraphs, lines, sentences and words, whichever fit first."""

    def length(piece: str) -> int:
        return len(tokenizer.encode(piece, add_special_tokens=False).ids)

    splitter = RecursiveCharacterTextSplitter(
        separators=SEPARATORS,
        chunk_size=size,
        chunk_overlap=overlap,
        length_function=length,
        add_start_index=True,
    )
    spans = []
    for piece in splitter.create_documents([text]):
        start = piece.metadata["start_index"]
        spans.append((start, start + len(piece.page_content)))
    return spans


def windows(tokenizer: Tokenizer, text: str, size: int, overlap: int) -> Spans:
    """Cut after every so many tokens."""
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    step = size - overlap
    begins = range(0, max(len(offsets) - overlap, 1), step)
    return [(offsets[b][0], offsets[min(b + size, len(offsets)) - 1][1]) for b in begins]


# Tokens, and how many of them two neighbours share: the best of the publication first.
SPLITTERS = (
    ("recursive", recursive, 200, 0),
    ("token windows", windows, 250, 125),
    ("recursive", recursive, 250, 0),
    ("token windows", windows, 250, 0),
    ("recursive", recursive, 250, 125),
)


def main() -> None:
    """Print the spans of all splitters."""
    tokenizer = Tokenizer.from_file(sys.argv[1])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = {Path(name).stem: Path(name).read_text(encoding="utf-8") for name in sys.argv[2:]}
    found = {}
    for label, cut, size, shared in SPLITTERS:
        spans = {name: cut(tokenizer, text, size, shared) for name, text in texts.items()}
        found[f"{label} {size}/{shared}"] = spans
    print(json.dumps(found))


if __name__ == "__main__":
    main()
