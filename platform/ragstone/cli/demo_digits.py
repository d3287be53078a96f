"""The demonstration's model: handwritten digits that come with scikit-learn, learnt and drawn.

The digits are real: "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI
Machine Learning Repository), 8 x 8 pixels, as `sklearn.datasets.load_digits` has them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.cli.hits import show_hits
from ragstone.cli.ingest import show_result
from ragstone.cli.output import say, styled
from ragstone.cli.progress import learning, reporting
from ragstone.cli.provenance import write_sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragstone.workspace import Workspace

DIGITS = "digits"
WANTED = "3"
_MANY = 600  # of 1,797: reading them all takes a minute
_FULL = 16  # of a pixel as scikit-learn has it
SETTINGS: dict[str, Any] = {"label": "digit", "steps": 500, "width": 16, "latent": 16}


def write_digits(folder: Path, many: int) -> Path:
    """Write the first digits as images, with a table that names them; return the folder."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    folder.mkdir(parents=True, exist_ok=True)
    found = load_digits()
    rows = []
    for number in range(many):
        digit = str(found.target[number])
        pixels = np.rint(found.images[number] * 255 / _FULL).astype(np.uint8)
        name = f"{digit}-{number:04}.png"
        Image.fromarray(pixels).save(folder / name)
        rows.append(json.dumps({"file_name": name, "digit": digit}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def draw(ws: Workspace, place: Path, command: Callable[[str], None]) -> None:
    """Learn to draw digits, keep some that were drawn, and show that a search leaves them out.

    Parameters
    ----------
    place
        Folder of the demonstration.
    command
        Shows what one would type for it.
    """
    folder = write_digits(place / DIGITS, _MANY)
    command(f"ingest {folder.name} --dataset {DIGITS}")
    with reporting(as_json=False) as reporter:
        show_result(ws.ingest([folder], DIGITS, on_progress=reporter))
    command(f"dedup policy {DIGITS} --keep image=all    (a digit that looks like another counts)")
    ws.set_duplicate_policy(DIGITS, keep={"image": "all"})
    settings = " ".join(f"--set {name}={value}" for name, value in SETTINGS.items())
    command(f"train vae {DIGITS} {settings}")
    with learning(as_json=False) as show:
        made = ws.train_model("vae", DIGITS, settings=SETTINGS, on_progress=show)
    say(f"{made.name}@{made.number}: {made.parameters:,} parameters, loss {made.loss:.4f}")
    asked = f"{DIGITS} --condition label={WANTED} --count 16"
    command(f"sample {asked} --out threes.png --ingest {DIGITS}")
    drawn = ws.sample(DIGITS, conditions={"label": WANTED}, count=16, ingest=DIGITS)
    write_sample(place / "threes.png", drawn)
    if drawn.ingested is not None:
        show_result(drawn.ingested)
    _look(ws, place, command)


def _look(ws: Workspace, place: Path, command: Callable[[str], None]) -> None:
    """Search for what was drawn: among what is real, then among what is not."""
    one = place / "three.png"
    write_sample(one, ws.sample(DIGITS, conditions={"label": WANTED}))
    search = f'search "" --image {one.name} --dataset {DIGITS} -k 2'
    say(styled("What was drawn is among the items, and no search finds it unless it is told to:"))
    command(search)
    show_hits(ws.search("", DIGITS, image=one, k=2))
    command(f"{search} --only-synthetic")
    show_hits(ws.search("", DIGITS, image=one, k=2, synthetic="only"))
