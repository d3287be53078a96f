"""Writing a static encoder: the table, its settings, its tokenizer, and a card that says how."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.numpy import save_file

from ragstone.encoders.static_files import KIND, WEIGHTS
from ragstone.encoders.writing import written_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.encoders.distilling import Distilled

REVISION = 1  # of the method; in the settings, and so in the digest of a folder

_CARD = """# A static text encoder

Distilled by `ragstone distill` from `{teacher}` (digest `{digest}`).

The teacher read each of the {tokens:,} tokens of its vocabulary alone. Their vectors were centred,
weighted by smooth inverse frequency (Arora, Liang and Ma 2017){fit}, and reduced
to {dimension} dimensions by principal components: the method of Model2Vec (Tulkens and van Dongen,
MinishLab 2024). Each number of the table has four bits, each row a scale. Nothing is random.

The vector of a text is the sum of the vectors of its first {max_tokens} tokens, scaled to length 1.

{figures}
"""


def write_static(
    made: Distilled, tensors: dict[str, NDArray[np.generic]], tokenizer_file: Path, folder: Path
) -> None:
    """Write the encoder into `folder`."""
    with written_whole(folder) as place:
        save_file(tensors, place / WEIGHTS)
        (place / WEIGHTS).chmod(0o644)  # the library lets nobody else read it
        shutil.copyfile(tokenizer_file, place / "tokenizer.json")
        (place / "config.json").write_text(_config(made), encoding="utf-8")
        (place / "card.md").write_text(_card(made), encoding="utf-8")


def _config(made: Distilled) -> str:
    settings = {
        "model_type": KIND,
        "revision": REVISION,
        "teacher": made.teacher,
        "teacher_digest": made.digest,
        "dimension": made.dimension,
        "max_tokens": made.max_tokens,
    }
    return json.dumps(settings, indent=2) + "\n"


def _card(made: Distilled) -> str:
    fit = figures = ""
    if made.texts:
        fit = f",\nfitted to its vectors of {made.texts:,} texts by ridge regression"
        figures = (
            f"Similarities between {made.held_out:,} held-out texts correlate with the teacher's\n"
            f"by {made.after:.4f}, and by {made.before:.4f} without the fit.\n\n"
        )
    figures += f"{made.size:,} bytes, made in {made.seconds:,.0f} seconds."
    return _CARD.format(
        teacher=made.teacher,
        digest=made.digest,
        tokens=made.tokens,
        dimension=made.dimension,
        max_tokens=made.max_tokens,
        fit=fit,
        figures=figures,
    )
