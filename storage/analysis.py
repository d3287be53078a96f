"""Analysis: the terms that a text is found by, in the language it is written in.

A text is cut into words in small letters, without the stop words of its language, each reduced to
its stem. Scripts without spaces between words (Chinese, Japanese, Korean, Thai and their
neighbours) are cut into overlapping pairs of characters instead, in texts of any language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import tantivy

ANALYZER = "ragstone_en_1"  # written into the index: a changed analyzer needs a new name
ENGLISH = "en"
_REVISION = 1  # of the analyzers beside the English one, written into the index with their names
_LONGEST_WORD = 60
_SURE = 0.9  # confidence; a wrong language costs stop words, and the stems of no other are tried
_LANGUAGES = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
_REGION = re.compile("[-_.]")  # what "de-AT" is cut at
# Thai, Lao, Myanmar, Khmer, kana, Han and Hangul, with their full-width and half-width forms.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]+"
)


@dataclass(frozen=True, slots=True)
class Term:
    """A term and where it stands."""

    text: str
    position: int  # in words, or characters of a script without spaces
    start: int  # code points of the text
    end: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """How texts of one language become terms."""

    language: str  # ISO 639-1
    pairs: bool = True  # in scripts without spaces; the oldest indexes have whole runs

    @property
    def name(self) -> str:
        """What the index calls it; the texts it analysed are analysed so for ever."""
        return f"{self.language}_{_REVISION}"

    def terms(self, query: str) -> list[str]:
        """Return the terms of `query`, in order."""
        if self.pairs and has_unspaced(query):
            return [term.text for term in self.asked(query)]
        return analyzer(self.language).analyze(query)

    def asked(self, query: str) -> list[Term]:
        """Return the terms of `query` with their places: of pairs without what is in the last."""
        found = self.placed(query)
        return [
            term
            for before, term in zip([None, *found], found, strict=False)
            if before is None or before.end < term.end
        ]

    def placed(self, text: str) -> list[Term]:
        """Return the terms of `text` with their places."""
        if not self.pairs:
            return self._words(text, 0, 0)
        found: list[Term] = []
        position = 0
        for start, end, without_spaces in _stretches(text):
            piece = _pairs if without_spaces else self._words
            found += piece(text[start:end], position, start)
            position = found[-1].position + 1 if found else 0
        return found

    def is_stop_word(self, word: str) -> bool:
        """Tell whether the language has `word` for its grammar alone."""
        return not analyzer(self.language).analyze(word)

    def add_to(self, document: tantivy.Document, field: str, text: str) -> None:
        """Put the terms of `text` into a field that has the English analyzer."""
        if has_unspaced(text):
            tokens = [tantivy.Token(t.text, t.position, t.start, t.end) for t in self.placed(text)]
            document.add_pre_tokenized_text(field, tantivy.PreTokenizedString(text, tokens))
        elif self.language == ENGLISH:
            document.add_text(field, text)  # twice as fast
        else:
            document.add_pre_tokenized_text(field, analyzer(self.language).pre_tokenize(text))

    def _words(self, text: str, position: int, start: int) -> list[Term]:
        tokens = analyzer(self.language).pre_tokenize(text).tokens
        return [
            Term(
                token.text,
                position + token.position,
                start + token.char_offset_from,
                start + token.char_offset_to,
            )
            for token in tokens
        ]


IN_ENGLISH = Analysis(ENGLISH)
AS_BEFORE = Analysis(ENGLISH, pairs=False)


@cache
def analyzer(language: str = ENGLISH) -> tantivy.TextAnalyzer:
    """Return the analyzer: words, lower case, no stop words of the language, stems.

    Except in English, accents are left out at the end.
    """
    name = _LANGUAGES[language]
    builder = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(_LONGEST_WORD))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.stopword(name))
        .filter(tantivy.Filter.stemmer(name))
    )
    return (builder if language == ENGLISH else builder.filter(tantivy.Filter.ascii_fold())).build()


def analysis_of(row: Mapping[str, Any]) -> Analysis:
    """Return the analysis for a chunk, by the language in the metadata (JSON) of its item.

    English where the language is not known, not certain, or has no analyzer.
    """
    held = row.get("metadata")
    if not held or '"language"' not in held:
        return IN_ENGLISH
    metadata = {"language": "", **json.loads(held)}
    confidence = metadata.get("language_confidence", 1.0)
    unsure = not isinstance(confidence, int | float) or confidence < _SURE
    code = _REGION.split(str(metadata["language"]).lower(), maxsplit=1)[0]
    return IN_ENGLISH if unsure or code not in _LANGUAGES else _analysis(code)


def analysis_named(name: str) -> Analysis:
    """Return the analysis that an index calls `name`."""
    return _analysis(name.partition("_")[0])


def unspaced(text: str) -> bool:
    """Tell whether `text` is wholly of a script without spaces between words."""
    return bool(_UNSPACED.fullmatch(text))


def has_unspaced(text: str) -> bool:
    """Tell whether some of `text` is of such a script."""
    return not text.isascii() and bool(_UNSPACED.search(text))


@cache
def _analysis(language: str) -> Analysis:
    return Analysis(language)


def _stretches(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the stretches of `text`, and whether their script has no spaces between words."""
    place = 0
    for match in _UNSPACED.finditer(text):
        if match.start() > place:
            yield place, match.start(), False
        yield match.start(), match.end(), True
        place = match.end()
    if place < len(text):
        yield place, len(text), False


def _pairs(run: str, position: int, start: int) -> list[Term]:
    """Return each character of `run` with the next one; the last stands alone."""
    return [
        Term(run[i : i + 2], position + i, start + i, min(start + i + 2, start + len(run)))
        for i in range(len(run))
    ]
