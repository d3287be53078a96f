"""The report of a comparison of families: a page that needs no other file, and Markdown.

Names of datasets, models and labels come from outside: all of them are escaped.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.evaluation.contest_pictures import Figure, pictures
from ragstone.storage.files import write_durably

if TYPE_CHECKING:
    from ragstone.schemas.models import FamilyComparison, ModelInfo, ModelMeasures
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:1200px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;font-size:13px}td,th{border-bottom:1px solid #ddd;"
    "padding:3px 8px;text-align:right;white-space:nowrap}td:first-child,th:first-child"
    "{text-align:left}img{max-width:100%}figure{display:inline-block;margin:6px}"
)
_EXPLAINED = (
    "All families learnt from the same version for the same time, with the same seed, and made as "
    "many steps as fit: a step of one costs many of another's, and with equal steps the slow "
    "ones would be given more of the machine. Settings are the families' own.",
    "FD and KID: distance to the images that were learnt from, 0 is alike. Precision, recall, "
    "density, coverage: beside images that were held out. Memorised: part of the samples that "
    "look copied; 0.05 is that of a model that copies nothing. FD alone is the best for a model "
    "that gives its training images back.",
    "The losses of different families cannot be compared; bits per dimension can, where a bound "
    "(≤) may be better than it says.",
)


def write_report(store: Store, registry: Registry, comparison: FamilyComparison, out: Path) -> None:
    """Write `report.html`, `report.md`, the pictures that the latter shows, and `samples.png`."""
    figures = pictures(store, registry, comparison)
    for figure in figures:
        data = figure.data
        write_durably(out / figure.file, data.encode() if isinstance(data, str) else data)
    write_durably(out / "report.html", _html(comparison, figures).encode())
    write_durably(out / "report.md", _markdown(comparison, figures).encode())


# ------------------------------------------------------------ the table


def _columns(comparison: FamilyComparison) -> dict[str, Callable[[ModelInfo, ModelMeasures], str]]:
    """Return what each column says of a model."""

    def measure(name: str, form: str = ".3f") -> Callable[[ModelInfo, ModelMeasures], str]:
        def told(_: ModelInfo, found: ModelMeasures) -> str:
            return format(found.measures[name], form) if name in found.measures else ""

        return told

    measured = [one.measures.measures for one in comparison.contestants if one.measures]
    distances = [
        name
        for kind in ("FD-", "KID-")
        for name in dict.fromkeys(name for each in measured for name in each)
        if name.startswith(kind) and not name.endswith("_held_out")
    ]
    return {
        "parameters": lambda info, _: f"{info.parameters:,}",
        "steps": lambda info, _: f"{info.steps:,}",
        "seconds": lambda info, _: f"{info.seconds:,.0f}",
        "loss": lambda _, found: f"{found.loss:.4f}",
        "bits per dimension": lambda _, found: _bits(found),
        **{name: measure(name, ".2f") for name in distances},
        **{name: measure(name) for name in ("precision", "recall", "density", "coverage")},
        "diversity": measure("diversity", ".2f"),
        "label accuracy": measure("label_accuracy"),
        "memorised": measure("memorised"),
        "samples/s": measure("samples_per_second", ",.0f"),
    }


def _bits(found: ModelMeasures) -> str:
    if found.bits_per_byte is None:
        return ""
    return f"{'≤ ' if found.likelihood == 'bound' else ''}{found.bits_per_byte:.3f}"


def _table(comparison: FamilyComparison) -> list[list[str]]:
    """Return head and rows, the last of real images; columns that say nothing are left out."""
    columns = _columns(comparison)
    rows = [["family", *columns]]
    for one in comparison.contestants:
        if one.model is None or one.measures is None:
            rows.append([one.family, *("" for _ in columns)])
        else:
            told = [say(one.model, one.measures) for say in columns.values()]
            rows.append([one.family, *told])
    rows.append(_real(comparison, list(columns)))
    kept = [n for n in range(len(rows[0])) if any(row[n] for row in rows[1:])]
    return [[row[number] for number in kept] for row in rows]


def _real(comparison: FamilyComparison, columns: list[str]) -> list[str]:
    """Return the row of images that were held out, of what was measured of them."""
    found: dict[str, float] = {}
    for one in comparison.contestants:
        found |= one.measures.measures if one.measures else {}
    found = {name.replace("_", " "): value for name, value in found.items()}
    told = [f"{found[f'{n} held out']:.3f}" if f"{n} held out" in found else "" for n in columns]
    return ["real, held out", *told]


# ------------------------------------------------------------ the files


def _head(comparison: FamilyComparison) -> tuple[str, str]:
    families = ", ".join(one.family for one in comparison.contestants)
    measured = comparison.extractor or "no extractor"
    return (
        f"Models of {comparison.data} compared",
        f"{families}: {comparison.minutes:g} minutes each, seed {comparison.seed}, "
        f"{comparison.samples:,} samples each, measured by {measured}.",
    )


def _notes(comparison: FamilyComparison) -> list[str]:
    notes = [f"{one.family}: {one.problem}" for one in comparison.contestants if one.problem]
    measured = [one.measures for one in comparison.contestants if one.measures]
    return notes + list(dict.fromkeys(note for found in measured for note in found.notes))


def _html(comparison: FamilyComparison, figures: list[Figure]) -> str:
    title, told = (escape(text) for text in _head(comparison))
    head, *rows = _table(comparison)
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = [f"<tr>{cells}</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows]
    notes = "".join(f"<p>{escape(text)}</p>" for text in (*_notes(comparison), *_EXPLAINED))
    drawn = "\n".join(figure.html for figure in figures)
    table = "\n".join(lines)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n<p>{told}</p>\n"
        f"<table>\n{table}\n</table>\n{notes}\n{drawn}\n</html>\n"
    )


def _markdown(comparison: FamilyComparison, figures: list[Figure]) -> str:
    title, told = (_plain(text) for text in _head(comparison))
    head, *rows = [[_plain(cell) for cell in row] for row in _table(comparison)]
    lines = [
        f"# {title}",
        "",
        told,
        "",
        _row(head),
        _row(["---"] * len(head)),
        *map(_row, rows),
        "",
    ]
    for text in (*_notes(comparison), *_EXPLAINED):
        lines += [_plain(text), ""]
    for figure in figures:
        lines += [f"![{_plain(figure.title)}]({figure.file})", ""]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
