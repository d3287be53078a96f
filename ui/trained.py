"""What pages about models share: families and models as the server knows them, and their words."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ragstone.schemas.models import FamilyInfo, ModelInfo, ModelOffer, Sample
from ragstone.ui import session

# Okabe and Ito's colours, which people with any kind of sight tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MINUTE, _HOUR = 60, 3_600
_LARGE = 1_000  # from here on a number is shown whole


def families() -> list[FamilyInfo]:
    """Return the families of models that can be trained; the first call loads them."""
    return _families(session.client().url)


def offer(model: ModelInfo) -> ModelOffer:
    """Return what a model can be asked for; raises as `Client.offer`."""
    return _offer(session.client().url, reference(model), model.digest)


def sample(model: ModelInfo, **asked: Any) -> Sample:
    """Return what a model makes, kept for a while: the same request makes the same."""
    return _sample(session.client().url, reference(model), model.digest, asked)


def modalities(version: str, digest: str) -> set[str]:
    """Return what kinds of items a version has, which its digest names; raises as `facets`."""
    return _modalities(session.client().url, version, digest)


def reference(model: ModelInfo) -> str:
    """Return `NAME@NUMBER`."""
    return f"{model.name}@{model.number}"


def learnt_from(model: ModelInfo) -> str:
    """Return the version that a model learnt from, `D@V`."""
    return f"{model.data.dataset}@{model.data.version}"


def lasting(seconds: float) -> str:
    """Return `12 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s" if whole else "less than a second"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE} min"


def figure(value: float | None) -> str:
    """Return a measured number with four digits that count, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.4g}"


@st.cache_resource(max_entries=4, show_spinner=False)
def _families(url: str) -> list[FamilyInfo]:  # noqa: ARG001  (another server may know others)
    return session.client().families()


@st.cache_resource(max_entries=64, show_spinner=False)
def _modalities(url: str, version: str, digest: str) -> set[str]:  # noqa: ARG001
    (found,) = session.client().facets(version, ["modality"])
    return {entry.value for entry in found.values if entry.items}


@st.cache_resource(max_entries=64, show_spinner=False)
def _offer(url: str, model: str, digest: str) -> ModelOffer:  # noqa: ARG001
    return session.client().offer(model)


@st.cache_resource(ttl=600, max_entries=32, show_spinner=False)
def _sample(url: str, model: str, digest: str, asked: dict[str, Any]) -> Sample:  # noqa: ARG001
    return session.client().sample(model, **asked)
