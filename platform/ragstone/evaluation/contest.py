"""Families of models compared: all are trained for the same time on one version, and measured.

What is done stays done: a model of the same family, version, time, seed and data settings is not
trained again, and what was measured of it with as many samples and the same extractor is read from
the folder of the report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ragstone.errors import InvalidArgument, TrainingDiverged
from ragstone.evaluation.contest_report import write_report
from ragstone.models.classifier import ClassifierConfig
from ragstone.models.families import family
from ragstone.schemas.models import Contestant, FamilyComparison, ModelInfo, ModelMeasures
from ragstone.storage.files import make_folder, write_durably
from ragstone.training.learning import Chosen, train_model
from ragstone.training.progress import Progress
from ragstone.training.sampling import evaluate_model

if TYPE_CHECKING:
    from ragstone.models.base import GenerativeModel
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_MEASURES = "measures.json"
_ENDLESS = 10**7  # steps: the minutes decide
_EYE = ClassifierConfig.family
_EYE_MINUTES = 2.0  # for a classifier that is not there yet, at most

OnFamily = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is the same for all.

    Parameters
    ----------
    minutes
        Of training, for each. Not steps: a step of one family costs many of another's.
    values
        Settings of trainer and data for all; FAMILY.SETTING is for one alone.
    """

    minutes: float
    samples: int
    seed: int
    extractor: str
    values: Mapping[str, Any]

    def settings(self, name: str) -> dict[str, Any]:
        """Return the settings of a family's training."""
        own = {k.partition(".")[2]: v for k, v in self.values.items() if k.startswith(f"{name}.")}
        for_all = {k: v for k, v in self.values.items() if "." not in k}
        limits = {"steps": _ENDLESS, "minutes": self.minutes, "seed": self.seed}
        return {**limits, **for_all, **own}


def compare_models(
    store: Store,
    registry: Registry,
    families: Sequence[str],
    dataset: str,
    rules: Rules,
    out: Path,
    *,
    on_family: OnFamily = lambda *_: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> FamilyComparison:
    """See `Workspace.compare_models`."""
    _check(registry, families, rules)
    manifest = store.resolve(dataset)
    data = f"{manifest.dataset}@{manifest.version}"
    contest = _Contest(store, registry, data, manifest.digest, rules, out, on_progress)
    make_folder(out)
    total = len(families) + 1
    on_family(_EYE, 1, total)
    eye = contest.eye()
    found = []
    for number, name in enumerate(families, 2):
        on_family(name, number, total)
        found.append(contest.contestant(name, eye))
    if all(one.model is None for one in found):
        raise InvalidArgument(
            "families", ",".join(families), f"one that learns: {found[0].problem}"
        )
    comparison = FamilyComparison(
        data=data,
        minutes=rules.minutes,
        samples=rules.samples,
        seed=rules.seed,
        extractor=eye,
        contestants=found,
        report=str(out),
    )
    write_report(store, registry, comparison, out)
    return comparison


def _check(registry: Registry, families: Sequence[str], rules: Rules) -> None:
    """Raise where a comparison cannot be: before anything is trained."""
    if not families or len(set(families)) < len(families):
        raise InvalidArgument("families", ",".join(families), "names of families, each once")
    if rules.extractor:
        registry.info(rules.extractor)
    if rules.minutes <= 0:
        raise InvalidArgument("minutes", rules.minutes, "more than 0")
    if rules.samples < 1:
        raise InvalidArgument("samples", rules.samples, "at least 1")
    for name in families:
        known = family(name)
        made_by = cast("type[GenerativeModel]", known.build)
        if known.material != "images" or "sample" not in made_by.capabilities:
            raise InvalidArgument("family", name, "one that makes images, such as vae or diffusion")
        Chosen.of(known, rules.settings(name))
    for one in rules.values:
        if "." in one:
            family(one.partition(".")[0])


@dataclass(frozen=True, slots=True)
class _Contest:
    """A comparison on one version, which stands in the folder of its report."""

    store: Store
    registry: Registry
    data: str
    digest: str  # of the version
    rules: Rules
    out: Path
    on_progress: Callable[[Progress], None]

    def eye(self) -> str:
        """Return what all are measured by; train it where labels are told and there is none."""
        asked = self.rules.extractor
        if asked:
            info = self.registry.info(asked)
            return f"{info.name}@{info.number}"
        settings = {k: v for k, v in self.rules.settings(_EYE).items() if k != "steps"}
        settings["minutes"] = min(self.rules.minutes, _EYE_MINUTES)
        material = Chosen.of(family(_EYE), settings).material
        known = self._known(_EYE, lambda info: info.material == material)
        if known is None and not material.get("label"):
            return ""
        made = known or self._train(_EYE, settings)
        return f"{made.name}@{made.number}"

    def contestant(self, name: str, eye: str) -> Contestant:
        """Train a family where that is not done, and measure it."""
        settings = self.rules.settings(name)
        chosen = Chosen.of(family(name), settings)

        def same(info: ModelInfo) -> bool:
            told = {key: info.training.get(key) for key in ("minutes", "seed", "batch")}
            wanted = {key: getattr(chosen.training, key) for key in told}
            network = {key: info.config.get(key) for key in chosen.network}
            ours = info.material == chosen.material and network == chosen.network
            return told == wanted and ours and info.name == self._name(name)

        try:
            info = self._known(name, same) or self._train(name, settings)
        except (TrainingDiverged, InvalidArgument) as error:  # images of a side that it cannot make
            return Contestant(name, None, None, error.message)
        found = self._measures(info, eye)
        return Contestant(name, self.registry.info(found.model), found)  # with its measures

    def _known(self, name: str, same: Callable[[ModelInfo], bool]) -> ModelInfo | None:
        """Return the newest model of a family that learnt from the version, and is the `same`."""
        found = [
            info
            for info in self.registry.all()
            if info.family == name and info.data.digest == self.digest and same(info)
        ]
        return max(found, key=lambda info: info.created, default=None)

    def _name(self, name: str) -> str:
        dataset = self.data.partition("@")[0].lower()
        return f"{dataset}-{name}" if name == _EYE else f"{dataset}-{self.rules.minutes:g}m-{name}"

    def _train(self, name: str, settings: Mapping[str, Any]) -> ModelInfo:
        return train_model(
            self.store,
            self.registry,
            name,
            self.data,
            self._name(name),
            settings,
            on_progress=self.on_progress,
        )

    def _measures(self, info: ModelInfo, eye: str) -> ModelMeasures:
        """Return what was measured of a model, now or before."""
        place = self.out / _MEASURES
        kept = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
        by = self.registry.info(eye).digest if eye else ""
        key = f"{info.digest} {self.rules.samples} {by}"
        if key not in kept:
            reference, samples = f"{info.name}@{info.number}", self.rules.samples
            made = evaluate_model(self.store, self.registry, reference, self.data, samples, eye)
            kept[key] = asdict(made)
            write_durably(place, (json.dumps(kept, indent=2) + "\n").encode())
        found = kept[key]
        intervals = {name: tuple(ends) for name, ends in found["intervals"].items()}
        return ModelMeasures(**{**found, "intervals": intervals})
