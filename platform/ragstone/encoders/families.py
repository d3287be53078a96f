"""The two-tower networks that Ragstone knows, one row each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ragstone.errors import EncoderUnavailable
from ragstone.schemas.records import Modality

if TYPE_CHECKING:
    from ragstone.encoders.weights import NetworkFiles

_UNLIMITED = 2**20  # tokenizers without a limit report a huge number


@dataclass(frozen=True, slots=True)
class Family:
    """How the networks of one `model_type` are loaded and fed.

    Parameters
    ----------
    model
        Class in `transformers`.
    modality
        What the other tower reads beside text.
    dimension
        Where the configuration says how long the vectors are, and the library's default.
    tokens
        Longest text when the configuration does not say: the positions that the library gives it.
    reserved
        Positions that no token ever takes.
    fixed
        Every text is padded to the longest, as in the network's training.
    masked
        The text tower is told which tokens are padding. SigLIP was trained without.
    """

    model: str
    modality: Modality
    dimension: tuple[tuple[str, ...], int]
    tokens: int
    reserved: int = 0
    fixed: bool = False
    masked: bool = True

    @property
    def padding(self) -> Literal["longest", "max_length"]:
        """The tokenizer's name for how texts of one batch are made equally long."""
        return "max_length" if self.fixed else "longest"

    def width(self, files: NetworkFiles) -> int:
        """Length of the vectors that the files promise."""
        path, default = self.dimension
        return files.number(*path, default=default)

    def max_tokens(self, files: NetworkFiles) -> int:
        """Tokens of a text that the network reads, special ones included."""
        positions = files.number("text_config", "max_position_embeddings", default=self.tokens)
        # ALIGN's positions reach to 512 and its training to 64.
        limits = [self.tokens if self.fixed else positions - self.reserved, positions]
        declared = files.settings("tokenizer_config.json").get("model_max_length")
        if isinstance(declared, int) and 0 < declared < _UNLIMITED:
            limits.append(declared)
        return min(limits)


_PROJECTION = ("projection_dim",)
_VISION = ("vision_config", "hidden_size")

FAMILIES = {
    "clip": Family("CLIPModel", Modality.IMAGE, (_PROJECTION, 512), 77),
    "metaclip_2": Family("MetaClip2Model", Modality.IMAGE, (_PROJECTION, 512), 77),
    "chinese_clip": Family("ChineseCLIPModel", Modality.IMAGE, (_PROJECTION, 512), 512),
    "altclip": Family("AltCLIPModel", Modality.IMAGE, (_PROJECTION, 768), 514, reserved=2),
    "align": Family("AlignModel", Modality.IMAGE, (_PROJECTION, 640), 64, fixed=True),
    "siglip": Family("SiglipModel", Modality.IMAGE, (_VISION, 768), 64, fixed=True, masked=False),
    "siglip2": Family("Siglip2Model", Modality.IMAGE, (_VISION, 768), 64, fixed=True, masked=False),
    "clap": Family("ClapModel", Modality.AUDIO, (_PROJECTION, 512), 514, reserved=2),
}


def family_of(files: NetworkFiles) -> Family:
    """Return the row of a network.

    Raises
    ------
    EncoderUnavailable
        It is of no family in the table.
    """
    if files.architecture not in FAMILIES:
        raise EncoderUnavailable(
            files.name,
            f"its architecture is {files.architecture or 'not named'!r}, and those that embed "
            f"images or sounds together with text are {', '.join(FAMILIES)}",
        )
    return FAMILIES[files.architecture]
