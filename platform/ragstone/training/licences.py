"""Licences of what a version holds, what they ask for, and where they do not go together."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ragstone.schemas.models import LicenceCount, LicenceSummary
from ragstone.schemas.synthetic import model_of
from ragstone.training.dividing import licences_of
from ragstone.training.snapshots import living_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

# What a licence asks for, by how its identifier or its name says so.
_TERMS = {
    "no derivatives": r"-nd\b|no[- ]?deriv",
    "not commercial": r"-nc\b|non[- ]?commercial|research[- ]only|academic",
    "share alike": r"-sa\b|share[- ]?alike|\b[al]?gpl|\bodbl",
    "all rights reserved": r"all rights reserved|proprietary|©|\(c\)",
    "attribution": r"\bby\b|attribution|\bmit\b|\bbsd|apache",
}


def licences(store: Store, manifest: Manifest) -> LicenceSummary:
    """Count the licences of the items of a version, by the metadata `licence` or `license`.

    What models made is counted apart: what its licence is depends on what they learnt from.
    """
    counts: Counter[str] = Counter()
    missing = synthetic = items = 0
    for row in living_rows(store.root, manifest):
        items += 1
        found = licences_of(row["metadata"])
        counts.update(found)
        if model_of(row["metadata"]):
            synthetic += 1
        elif not found:
            missing += 1
    name = f"{manifest.dataset}@{manifest.version}"
    return summary(name, items, counts, missing, synthetic)


def summary(
    name: str, items: int, counts: Mapping[str, int], missing: int, synthetic: int = 0
) -> LicenceSummary:
    """Return licences with what they ask for, most frequent first, and their conflicts."""
    listed = [
        LicenceCount(licence, number, terms(licence))
        for licence, number in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
    return LicenceSummary(name, items, listed, missing, synthetic, _conflicts(listed, missing))


def terms(licence: str) -> list[str]:
    """Return what a licence asks for, as far as its name says; nothing where it says nothing."""
    return [term for term, form in _TERMS.items() if re.search(form, licence.lower())]


def _conflicts(listed: Sequence[LicenceCount], missing: int) -> list[str]:
    asking = {term: [one for one in listed if term in one.terms] for term in _TERMS}
    found = []
    if several := asking["no derivatives"]:
        found.append(f"{_named(several)} forbid what is derived, as what a model makes may be")
    if several := asking["not commercial"]:
        found.append(f"{_named(several)} forbid commercial use")
    if len({one.licence for one in asking["share alike"]}) > 1:
        found.append(f"{_named(asking['share alike'])} each want what is derived under themselves")
    if asking["share alike"] and asking["no derivatives"]:
        found.append("share alike and no derivatives cannot both be kept by what is derived")
    if several := asking["all rights reserved"]:
        found.append(f"{_named(several)} allow nothing by themselves")
    if missing:
        found.append(f"{missing:,} items name no licence: nothing is known to be allowed")
    return found


def _named(several: Iterable[LicenceCount]) -> str:
    return ", ".join(f"{one.licence} ({one.items:,})" for one in several)
