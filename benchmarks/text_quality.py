"""How much of a document's true text the parsers find, and how much else.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/text_quality.py

The measure is the F1 of the words (lower-cased runs of letters and digits, as a bag) against the
expected text; articles also by F1 over runs of four words, as the published benchmark of article
extraction counts. Every extraction runs beside a plain one that takes all text there is. Writes
Markdown tables to standard output.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import sys
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from lxml import html

from ragstone.config import LimitSettings
from ragstone.errors import Rejected
from ragstone.ingestion.parsers import parse
from ragstone.schemas.records import Raw

_WORD = re.compile(r"\w+")
_SHINGLE = 4
_WORST = 5
# Markdown's own words, which are no words of the document.
_MARKUP = re.compile(r"<!--.*?-->|\]\([^)]*\)|</?[a-z][^>]*>|&(?:amp|lt|gt|nbsp);", re.S)


@dataclass(frozen=True, slots=True)
class Score:
    """One file's result; `baseline` is None where no plain extraction exists."""

    name: str
    f1: float
    baseline: float | None = None
    reason: str = ""


def bag_f1(found: str, expected: str) -> float:
    """Return the F1 of two texts as bags of lower-cased words; 1 when both are empty."""
    bags = [Counter(_WORD.findall(text.lower())) for text in (found, expected)]
    total = sum(map(Counter.total, bags))
    return 2 * (bags[0] & bags[1]).total() / total if total else 1.0


def shingle_scores(found: str, expected: str) -> tuple[float, float]:
    """Return precision and recall over runs of four words."""
    bags = [Counter(_shingles(_WORD.findall(text))) for text in (found, expected)]
    shared = (bags[0] & bags[1]).total()
    return tuple(shared / bag.total() if bag else 0.0 for bag in bags)  # type: ignore[return-value]


def _shingles(words: list[str]) -> list[tuple[str, ...]]:
    if not words:
        return []
    last = max(1, len(words) - _SHINGLE + 1)
    return [tuple(words[i : i + _SHINGLE]) for i in range(last)]


def all_text(content: bytes) -> str:
    """Return all text nodes of a page: the plain way."""
    tree = html.document_fromstring(content)
    for element in tree.xpath("//script|//style"):
        element.drop_tree()
    return " ".join(tree.itertext())


def extract(path: Path) -> tuple[str, str]:
    """Return the text that the parsers take out, or "" and the reason."""
    content = path.read_bytes()
    raw = Raw(source=str(path), name=path.name, path=path)
    try:
        return parse(raw, content, LimitSettings()).text, ""
    except Rejected as error:
        return "", str(error)


def articles(folder: Path) -> str:
    """Measure article extraction."""
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    ours: list[tuple[float, float]] = []
    plain: list[tuple[float, float]] = []
    scores = []
    for name, entry in truth.items():
        path = folder / "html" / f"{name}.html.gz"
        found, reason = extract(path)
        everything = all_text(gzip.decompress(path.read_bytes()))
        expected = entry["articleBody"]
        ours.append(shingle_scores(found, expected))
        plain.append(shingle_scores(everything, expected))
        f1, baseline = bag_f1(found, expected), bag_f1(everything, expected)
        scores.append(Score(name[:12], f1, baseline, reason))
    lines = ["| extraction | shingle F1 | precision | recall |", "|---|---|---|---|"]
    for label, values in (("Ragstone", ours), ("all text (lxml)", plain)):
        precision, recall = (mean(column) for column in zip(*values, strict=True))
        f1 = 2 * precision * recall / (precision + recall)
        lines.append(f"| {label} | {f1:.3f} | {precision:.3f} | {recall:.3f} |")
    return "\n".join([*lines, "", table({"html (articles)": scores})])


def documents(folder: Path) -> str:
    """Measure the formats for which there is expected Markdown."""
    scores: dict[str, list[Score]] = defaultdict(list)
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["groundtruth_md"]:
                continue
            path = folder / row["file"]
            expected = _MARKUP.sub(
                " ", (folder / row["groundtruth_md"]).read_text(encoding="utf-8")
            ).replace("\\_", "_")
            found, reason = extract(path)
            baseline = None
            if row["extension"] == "html":
                baseline = bag_f1(all_text(path.read_bytes()), expected)
            score = Score(path.name, bag_f1(found, expected), baseline, reason)
            scores[row["extension"]].append(score)
    return table(dict(sorted(scores.items())))


def table(scores: dict[str, list[Score]]) -> str:
    """Return a Markdown table; refused files are counted apart from the mean."""
    lines = [
        "| format | files | refused | mean F1 | all text | worst |",
        "|---|---|---|---|---|---|",
    ]
    for name, entries in scores.items():
        read = [entry for entry in entries if not entry.reason]
        plain = [entry.baseline for entry in read if entry.baseline is not None]
        worst = sorted(read, key=lambda entry: entry.f1)[:_WORST]
        lines.append(
            f"| {name} | {len(entries)} | {len(entries) - len(read)} | "
            f"{f'{mean(e.f1 for e in read):.3f}' if read else '-'} | "
            f"{f'{mean(plain):.3f}' if plain else '-'} | "
            f"{', '.join(f'{entry.name} {entry.f1:.2f}' for entry in worst)} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Print both tables; return 1 when the data is not there."""
    warnings.simplefilter("ignore")
    data = os.environ.get("RAGSTONE_DATA")
    if not data:
        sys.stderr.write("Set RAGSTONE_DATA to the folder that holds the data sets.\n")
        return 1
    sys.stdout.write(articles(Path(data) / "html_article_extraction") + "\n\n")
    sys.stdout.write(documents(Path(data) / "documents_messy") + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
