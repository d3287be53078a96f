"""Whether a model gives back what it learnt from, as far as that was measured."""

from __future__ import annotations

from collections.abc import Mapping

from ragstone.schemas.models import Copying, ModelInfo, Verdict

# Part of the samples that is as near to one training image as 5 % of real, unseen ones are.
_MEMORISED, _MOST_MEMORISED, _CERTAIN = 0.15, 0.5, -3.0
_NEARER = 0.5  # of the distance to what was held out
_COPIED, _MORE = 0.2, 0.1  # part of the stretches of texts, and more than of texts held out


def copying(info: ModelInfo) -> Copying:
    """Return what the measures of a model say of copies; see `ragstone evaluate model`.

    Images: `memorised` (with `memorised_z`), else the distances to the nearest images that were
    learnt from and held out. Texts: `copied`, beside that of texts that were held out.
    """
    name, measures = f"{info.name}@{info.number}", info.measures
    if "memorised" in measures:
        return _memorised(name, measures)
    if "nearest_training" in measures:
        near, far = measures["nearest_training"], measures["nearest_held_out"]
        figures = {"nearest_training": near, "nearest_held_out": far}
        said = f"samples are {near:.3g} from what was learnt, {far:.3g} from what was held out"
        return Copying(name, "copies" if near < _NEARER * far else "no", figures, said)
    if "copied" in measures:
        part, other = measures["copied"], measures["copied_held_out"]
        figures = {"copied": part, "copied_held_out": other}
        said = f"{part:.0%} of what it writes stands in its data, {other:.0%} of texts held out"
        many = part >= _COPIED and part - other >= _MORE
        return Copying(name, "copies" if many else "no", figures, said)
    return Copying(name, "unknown", {}, "it was not measured whether it copies")


def _memorised(name: str, measures: Mapping[str, float]) -> Copying:
    share, z = measures["memorised"], measures.get("memorised_z", 0.0)
    said = f"{share:.0%} of its samples are as near to one image of its data as 5 % of others are"
    sure = share >= _MOST_MEMORISED or (share >= _MEMORISED and z <= _CERTAIN)
    some: Verdict = "some" if share >= _MEMORISED else "no"
    verdict: Verdict = "copies" if sure else some
    return Copying(name, verdict, {"memorised": share, "memorised_z": z}, said)
