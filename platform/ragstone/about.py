"""What a workspace runs with: settings and who says so, libraries, encoders."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ragstone.config import API_KEY_VARIABLE, Settings, outer_layers
from ragstone.schemas.insight import About, EncoderUse, SettingInfo, SettingOrigin

if TYPE_CHECKING:
    from ragstone.storage.store import Store

LIBRARIES = (
    "duckdb",
    "pyarrow",
    "faiss-cpu",
    "tantivy",
    "numpy",
    "torch",
    "transformers",
    "tokenizers",
    "pydantic",
    "fastapi",
    "uvicorn",
    "httpx",
    "pillow",
    "pypdfium2",
    "streamlit",
)
# What stands between the slashes and the @ of an address may be a password.
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def about(store: Store, settings: Settings) -> About:
    """See `Workspace.about`."""
    return About(
        release=version("ragstone"),
        python=platform.python_version(),
        libraries=dict(_libraries()),
        api_key=bool(os.environ.get(API_KEY_VARIABLE)),
        settings=list(_settings(settings, outer_layers(store.root))),
        encoders=list(_encoders(store)),
    )


def _libraries() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue


def _settings(settings: Settings, layers: Mapping[str, Mapping[str, Any]]) -> Iterator[SettingInfo]:
    file, environment = layers.values()
    plain = settings.model_dump(mode="json")
    for section in type(settings).model_fields:
        kept: BaseModel = getattr(settings, section)
        defaults = type(kept)().model_dump(mode="json")
        for name, field in type(kept).model_fields.items():
            value, default = plain[section][name], defaults[name]
            origin: SettingOrigin = "default" if value == default else "call"
            for who, layer in (("file", file), ("environment", environment)):
                if name in layer.get(section, {}) and _is(kept, name, layer[section][name]):
                    origin = "file" if who == "file" else "environment"
            yield SettingInfo(
                f"{section}.{name}", masked(value), masked(default), origin, field.description or ""
            )


def _is(section: BaseModel, name: str, written: Any) -> bool:
    """Whether what a layer says is what is in force: a later one may have said otherwise."""
    read = type(section).model_validate({**section.model_dump(), name: written})
    return bool(getattr(read, name) == getattr(section, name))


def masked(value: Any) -> Any:
    """Return a value without the passwords in its addresses."""
    if isinstance(value, str):
        return _CREDENTIALS.sub("…", value)
    return [masked(entry) for entry in value] if isinstance(value, list) else value


def _encoders(store: Store) -> Iterator[EncoderUse]:
    for head in store.heads():
        yield EncoderUse(head.dataset, "text", head.encoder, head.space)
        for modality, held in sorted(head.media.items()):
            yield EncoderUse(head.dataset, modality, held.encoder, held.space)
