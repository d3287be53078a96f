"""Synonyms: words that a query finds beside its own, from a file that a person writes.

lorry, truck            each finds the other
pc => personal computer    the left side finds the right one, and not the reverse
# a remark
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ragstone.errors import InvalidConfig
from ragstone.storage.analysis import Analysis

_Rules: TypeAlias = "dict[str, list[tuple[tuple[str, ...], str]]]"  # by the first term


@dataclass(slots=True)
class Synonyms:
    """Which words stand for which others."""

    pairs: list[tuple[str, str]] = field(default_factory=list)  # (asked for, found as well)
    _by_analysis: dict[Analysis, _Rules] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Synonyms:
        """Read the file at `path`.

        Raises
        ------
        InvalidConfig
            It cannot be read, or a line says nothing.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfig(str(path), [f"it cannot be read ({error})"]) from error
        found = cls()
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip()
            pairs = _pairs(text)
            if text and not pairs:
                problem = f"line {number}: expected 'a, b' or 'a => b', not {text!r}"
                raise InvalidConfig(str(path), [problem])
            found.pairs += pairs
        return found

    def of(self, analysis: Analysis, terms: Sequence[str]) -> list[str]:
        """Return what is to be found beside the analysed words `terms` of a query, each once."""
        if analysis not in self._by_analysis:
            self._by_analysis[analysis] = self._analysed(analysis)
        rules = self._by_analysis[analysis]
        found = {
            other: None
            for place, term in enumerate(terms)
            for asked, other in rules.get(term, ())
            if tuple(terms[place : place + len(asked)]) == asked
        }
        return list(found)

    def _analysed(self, analysis: Analysis) -> _Rules:
        rules: _Rules = {}
        for asked, other in self.pairs:
            terms = tuple(analysis.terms(asked))
            if terms:
                rules.setdefault(terms[0], []).append((terms, other))
        return rules


def _pairs(line: str) -> list[tuple[str, str]]:
    left, arrow, right = line.partition("=>")
    asked, others = _listed(left), _listed(right)
    if arrow:
        return [(one, other) for one in asked for other in others]
    return [(one, other) for one in asked for other in asked if one != other]


def _listed(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]
