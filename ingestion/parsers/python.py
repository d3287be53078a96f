"""Python source: the text is the source, cut at its classes and functions."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from itertools import accumulate, pairwise

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.base import clean, source_document
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.ingestion.parsers.plain import licence_metadata, paragraphs
from ragstone.schemas.records import Block, BlockKind, Document

MEDIA_TYPE = "text/x-python"
_NAME = re.compile(r"(?:async\s+def|def|class)\s+\w+")
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def parse_python(content: bytes, limits: LimitSettings) -> Document:
    """Read Python source: `class Name` and `def name` are headings, nested by class.

    Source that this Python cannot compile is read as text. The title is the first line of the
    module's docstring.
    """
    decoded, encoding = decode(content)
    text = clean(decoded)
    tree = _tree(text)
    headings = sorted(_headings(tree, _LineOffsets(text), 1)) if tree else []
    blocks = list(paragraphs(text, 0, headings[0][0] if headings else len(text), BlockKind.CODE))
    for (start, end, level), (following, _, _) in pairwise([*headings, (len(text), 0, 0)]):
        blocks.append(Block(start, end, BlockKind.HEADING, level))
        blocks.extend(paragraphs(text, end, following, BlockKind.CODE))
    docstring = (ast.get_docstring(tree) or "") if tree else ""
    title = docstring.strip().splitlines()[0] if docstring.strip() else ""
    metadata = {**encoding_metadata(encoding), **licence_metadata(text)}
    return source_document(text, blocks, MEDIA_TYPE, limits, title=title, metadata=metadata)


class _LineOffsets:
    """Turns ast positions (line from 1, column in UTF-8 bytes) into code point offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        # ast ends lines at \n, \r\n and \r only; str.splitlines knows more ends.
        self._lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
        self._starts = [0, *accumulate(len(line) for line in self._lines)]

    def __call__(self, line: int, column: int) -> int:
        before = self._lines[line - 1].encode()[:column]
        return self._starts[line - 1] + len(before.decode())


def _tree(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the source's own invalid escapes
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _headings(
    node: ast.Module | ast.ClassDef, offset: _LineOffsets, level: int
) -> Iterator[tuple[int, int, int]]:
    for child in node.body:
        if isinstance(child, _Definition):
            yield (*_span(child, offset), level)
        if isinstance(child, ast.ClassDef):
            yield from _headings(child, offset, level + 1)


def _span(node: _Definition, offset: _LineOffsets) -> tuple[int, int]:
    """Return where the heading begins, decorators included, and ends: behind the name."""
    start = offset(node.lineno, node.col_offset)
    match = _NAME.match(offset.text, start)
    name_end = match.end() if match else start
    if node.decorator_list:
        first = node.decorator_list[0]
        start = offset(first.lineno, first.col_offset) - 1
    return start, max(name_end, start + 1)
