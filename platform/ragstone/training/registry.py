"""Models of a workspace: `models/NAME/NUMBER/` with weights, settings, tokenizer and card.

The files are the truth. A number never changes once it is there; training the name again makes the
next one. What is being trained stands in `models/NAME/.training` and goes on from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from shutil import copytree

from filelock import FileLock, Timeout

from ragstone.errors import DamagedFile, InvalidArgument, ModelBusy, UnknownModel
from ragstone.schemas.models import DamagedModel, DatastoreInfo, ModelData, ModelInfo
from ragstone.storage.files import TEMPORARY, make_folder, publish_folder, remove, stamp
from ragstone.training.cards import card

WEIGHTS = "model.safetensors"
CONFIG, CARD = "config.json", "card.md"
_INFO, _MEASURES = "model.json", "measures.json"
TRAINING = ".training"
DATASTORE = "knn"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Registry:
    """The models in `root`, the folder `models` of a workspace."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def all(self) -> list[ModelInfo]:
        """Return all models that say what they are, by name and number; see `damaged`."""
        return [info for info in self._each() if isinstance(info, ModelInfo)]

    def damaged(self) -> list[DamagedModel]:
        """Return those that do not, by name and number."""
        return [found for found in self._each() if isinstance(found, DamagedModel)]

    def _each(self) -> Iterator[ModelInfo | DamagedModel]:
        folders = [path for path in self._root.glob("*/[0-9]*") if path.name.isdecimal()]
        for folder in sorted(folders, key=lambda path: (path.parent.name, int(path.name))):
            try:
                yield read_info(folder)
            except DamagedFile as error:
                yield DamagedModel(folder.parent.name, int(folder.name), error.reason)

    def folder(self, reference: str) -> Path:
        """Return the folder of NAME, its newest, or NAME@NUMBER.

        Raises
        ------
        UnknownModel
            There is none.
        """
        name, _, number = reference.partition("@")
        numbers = self._numbers(name)
        wanted = int(number) if number.isdecimal() else max(numbers, default=0) * (not number)
        if wanted not in numbers:
            known = [f"{info.name}@{info.number}" for info in self.all()]
            raise UnknownModel(reference, known)
        return self._root / name / str(wanted)

    def info(self, reference: str) -> ModelInfo:
        """Return what is known of a model.

        Raises
        ------
        UnknownModel
            There is none.
        """
        return read_info(self.folder(reference))

    def training_folder(self, name: str) -> Path:
        """Return where a model that is to be called `name` is trained.

        Raises
        ------
        InvalidArgument
            Nothing can be called so.
        """
        check_name(name)
        return self._root / name / TRAINING

    @contextmanager
    def training(self, name: str) -> Iterator[Path]:
        """Train under a name alone; gives `training_folder`.

        Raises
        ------
        InvalidArgument
            Nothing can be called so.
        ModelBusy
            Something is trained under it, here or in another process.
        """
        folder = self.training_folder(name)
        make_folder(folder.parent)
        lock = FileLock(folder.with_name(f"{TRAINING}.lock"), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise ModelBusy(name) from error
        try:
            yield folder
        finally:
            lock.release()

    def begin_anew(self, name: str) -> None:
        """Forget what a training of this name has done so far.

        Raises
        ------
        InvalidArgument, ModelBusy
            As `training`.
        """
        with self.training(name) as folder:
            remove(folder)

    def unfinished(self) -> list[str]:
        """Return the names that a training has begun under, and not ended."""
        return sorted(path.parent.name for path in self._root.glob(f"*/{TRAINING}"))

    def next_number(self, name: str) -> int:
        """Return the number that the next model of this name gets."""
        return max(self._numbers(name), default=0) + 1

    def add(self, info: ModelInfo, write: Callable[[Path], None]) -> ModelInfo:
        """Keep a model that was trained; return it with the digest of its weights.

        Parameters
        ----------
        write
            Writes weights, settings and tokenizer into a folder.
        """
        training = self.training_folder(info.name)
        make_folder(training)
        place = training / "model"
        remove(place)
        place.mkdir()
        write(place)
        info = replace(info, digest=stamp(place / WEIGHTS).blake3)
        _write_info(place, info)
        final = self._root / info.name / str(info.number)
        publish_folder(place, final, sorted(place.iterdir()))
        remove(training)
        return info

    def take(self, folder: Path, name: str, check: Callable[[Path], object]) -> ModelInfo:
        """Keep a copy of a model's folder as the next number of `name`, or of its own name.

        Parameters
        ----------
        check
            Raises where what lies in a folder is no whole model.
        """
        info = read_info(folder)
        name = name or info.name
        self.training_folder(name)  # it can be called so
        info = replace(info, name=name, number=self.next_number(name))
        make_folder(self._root / name)
        place = self._root / name / f"{TEMPORARY}{info.number}"
        remove(place)
        try:
            copytree(folder, place)
            check(place)
            _write_info(place, info)
            files = sorted(path for path in place.rglob("*") if path.is_file())
            publish_folder(place, self._root / name / str(info.number), files)
        finally:
            remove(place)  # where it was not taken
        return replace(info, datastore=self.info(f"{name}@{info.number}").datastore)

    def measured(self, reference: str, measures: Mapping[str, float]) -> None:
        """Keep what was measured of a model, for its card."""
        folder = self.folder(reference)
        place = folder / f"{TEMPORARY}{_MEASURES}"
        place.write_text(json.dumps(measures, indent=2) + "\n", encoding="utf-8")
        place.replace(folder / _MEASURES)

    def card(self, reference: str) -> str:
        """Return the card of a model, Markdown.

        Raises
        ------
        UnknownModel
            There is none.
        """
        folder = self.folder(reference)
        return card(read_info(folder))

    def _numbers(self, name: str) -> list[int]:
        if not _NAME.fullmatch(name):
            return []
        found = self._root.glob(f"{name}/[0-9]*")
        return [int(path.name) for path in found if path.name.isdecimal()]


def check_name(name: str) -> None:
    """Refuse what no model can be called.

    Raises
    ------
    InvalidArgument
        So it is.
    """
    if not _NAME.fullmatch(name):
        expected = "up to 64 small letters, digits, '.', '_' and '-', a letter or digit first"
        raise InvalidArgument("name", name, expected)


def read_info(folder: Path) -> ModelInfo:
    """Return what is known of the model in `folder`.

    Raises
    ------
    DamagedFile
        Nothing is, or nothing whole.
    """
    try:
        values = json.loads((folder / _INFO).read_text(encoding="utf-8"))
        values["data"] = ModelData(**values["data"])
        values["datastore"] = _read_datastore(folder)
        values["measures"] = _read_measures(folder)
        return ModelInfo(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFile(folder / _INFO, f"it does not describe a model ({error})") from error


def _write_info(folder: Path, info: ModelInfo) -> None:
    (folder / CARD).write_text(card(info), encoding="utf-8")
    (folder / _INFO).write_text(json.dumps(asdict(info), indent=2) + "\n", encoding="utf-8")


def _read_measures(folder: Path) -> dict[str, float]:
    path = folder / _MEASURES
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _read_datastore(folder: Path) -> DatastoreInfo | None:
    path = folder / DATASTORE / "knn.json"
    if not path.is_file():
        return None
    return DatastoreInfo(**json.loads(path.read_text(encoding="utf-8")))
