"""All materials by the name that families call them."""

from __future__ import annotations

from ragstone.training.materials.base import Material
from ragstone.training.materials.gaps import Gaps
from ragstone.training.materials.images import ImageMaterial
from ragstone.training.materials.pairs import Pairs
from ragstone.training.materials.texts import Texts
from ragstone.training.materials.waves import Waves

MATERIALS: dict[str, Material] = {
    "text": Texts(),
    "gaps": Gaps(),
    "pairs": Pairs(),
    "images": ImageMaterial(),
    "waves": Waves(),
}
