"""The report of a comparison of families: a page that needs no other file, and Markdown.

Names of datasets, models and labels come from outside: all of them are escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from PIL import Image

from ragstone.evaluation.charts import Series, chart
from ragstone.evaluation.sheets import Pixels, block, png, side_by_side
from ragstone.models.images import LABEL, ImageModel, unscaled
from ragstone.storage import runs
from ragstone.storage.files import write_durably
from ragstone.training.model_files import open_model

if TYPE_CHECKING:
    from ragstone.schemas.models import Contestant, FamilyComparison, ModelInfo, ModelMeasures
    from ragstone.schemas.runs import RunPoint
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_COLUMNS, _ROWS = 10, 4  # of the sheet of a model
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


@dataclass(frozen=True, slots=True)
class _Figure:
    """A picture of the report."""

    file: str
    title: str
    data: bytes

    @property
    def html(self) -> str:
        """The picture as a part of a page."""
        if self.file.endswith(".svg"):
            return f"<figure>{self.data.decode()}</figure>"
        found = base64.b64encode(self.data).decode()
        source = f"data:image/png;base64,{found}"
        return f'<figure><img alt="{escape(self.title)}" src="{source}"></figure>'


def write_report(store: Store, registry: Registry, comparison: FamilyComparison, out: Path) -> None:
    """Write `report.html`, `report.md`, the pictures that the latter shows, and `samples.png`."""
    known = [one for one in comparison.contestants if one.model is not None]
    figures = []
    if known:
        figures.append(_samples(registry, comparison, known))
        figures += _curves(store, known)
        figures += _costs(registry, comparison, known)
    for figure in figures:
        write_durably(out / figure.file, figure.data)
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


# ------------------------------------------------------------ the pictures


def _samples(registry: Registry, comparison: FamilyComparison, known: list[Contestant]) -> _Figure:
    blocks: dict[str, Image.Image] = {}
    for one in known:
        if one.model is None:
            continue
        network, _ = open_model(registry.folder(f"{one.model.name}@{one.model.number}"))
        pixels = sheet_of(cast("ImageModel", network), comparison.seed)
        blocks[one.family] = block(pixels, _COLUMNS)
    title = f"Samples of all families, of seed {comparison.seed}"
    return _Figure("samples.png", title, png(side_by_side(blocks)))


@torch.inference_mode()
def sheet_of(model: ImageModel, seed: int) -> Pixels:
    """Return four rows of ten samples; each column of a label where the model is told of labels."""
    rng = torch.Generator().manual_seed(seed)
    if not (model.config.labels and LABEL in model.conditioning):
        return unscaled(model.sample(rng, _COLUMNS * _ROWS, None)).cpu().numpy()
    columns = []
    for number in range(_COLUMNS):
        made = model.sample(rng, _ROWS, number % model.config.labels)
        columns.append(unscaled(made).cpu().numpy())
    return np.stack(columns, 1).reshape(-1, *columns[0].shape[1:])


def _curves(store: Store, known: list[Contestant]) -> list[_Figure]:
    """Return a chart of each family's losses, and of coverage where it was recorded."""
    figures, covered = [], []
    for one in known:
        if one.model is None or not one.model.run:
            continue
        points = runs.find(store.catalog, one.model.run).points
        found = chart(one.family, _losses(points), "step", "loss", log=(False, False))
        if found:
            figures.append(
                _Figure(f"loss-{one.family}.svg", f"Losses of {one.family}", found.encode())
            )
        steps = [
            (p.step / points[-1].step, p.figures["coverage"])
            for p in points
            if "coverage" in p.figures
        ]
        covered.append(Series(one.family, steps, marked=True))
    found = chart(
        "Coverage while it learns", covered, "part of the training", "coverage", log=(False, False)
    )
    return figures + ([_Figure("coverage.svg", "Coverage", found.encode())] if found else [])


def _losses(points: list[RunPoint]) -> list[Series]:
    validated = [(p.step, p.validation) for p in points if p.validation is not None]
    return [
        Series("training", [(p.step, p.loss) for p in points]),
        Series("held out", validated, marked=True, dashed=True),
    ]


def _costs(
    registry: Registry, comparison: FamilyComparison, known: list[Contestant]
) -> list[_Figure]:
    """Return charts of the distance beside the seconds of training, and of sampling.

    Models of the same families and version that were compared with other minutes are shown, too.
    """
    if not comparison.extractor:
        return []
    distance = f"FD-{registry.info(comparison.extractor).digest[:8]}"
    training, making = [], []
    for one in known:
        points: Mapping[float, float] = {
            info.seconds: info.measures[distance]
            for info in registry.all()
            if one.model and _alike(info, one.model) and distance in info.measures
        }
        training.append(Series(one.family, sorted(points.items()), marked=True))
        found = one.measures.measures if one.measures else {}
        if distance in found:
            cost = 1_000 / found["samples_per_second"]
            making.append(Series(one.family, [(cost, found[distance])], marked=True))
    both = [
        ("fd-training.svg", f"{distance} and seconds of training", training, "seconds of training"),
        (
            "fd-sampling.svg",
            f"{distance} and seconds of sampling",
            making,
            "seconds for 1,000 samples",
        ),
    ]
    drawn = [
        (file, title, chart(title, series, across, distance, log=(True, True)))
        for file, title, series, across in both
    ]
    return [_Figure(file, title, found.encode()) for file, title, found in drawn if found]


def _alike(info: ModelInfo, other: ModelInfo) -> bool:
    """Tell whether two models differ in how long they were trained alone."""
    same = (info.family, info.data.digest, info.config, info.material)
    compared = info.name.endswith(f"m-{info.family}")  # measured with about as many samples
    return compared and same == (other.family, other.data.digest, other.config, other.material)


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


def _html(comparison: FamilyComparison, figures: list[_Figure]) -> str:
    title, told = (escape(text) for text in _head(comparison))
    head, *rows = _table(comparison)
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = [f"<tr>{cells}</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows]
    notes = "".join(f"<p>{escape(text)}</p>" for text in (*_notes(comparison), *_EXPLAINED))
    pictures = "\n".join(figure.html for figure in figures)
    table = "\n".join(lines)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n<p>{told}</p>\n"
        f"<table>\n{table}\n</table>\n{notes}\n{pictures}\n</html>\n"
    )


def _markdown(comparison: FamilyComparison, figures: list[_Figure]) -> str:
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
