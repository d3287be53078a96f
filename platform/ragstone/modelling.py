"""The part of the façade that trains models, keeps them, and lets them make things."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.errors import InvalidArgument, UnknownSource
from ragstone.originals import original
from ragstone.storage import runs

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.opened import Encoders
    from ragstone.jobs.desk import JobDesk
    from ragstone.models.sampling import Sampler
    from ragstone.schemas.api import JobInfo
    from ragstone.schemas.models import (
        Anomaly,
        AugmentationStudy,
        BiasReport,
        Copying,
        DamagedModel,
        DatastoreInfo,
        FamilyComparison,
        FamilyInfo,
        LicenceSummary,
        ModelInfo,
        ModelMeasures,
        ModelOffer,
        Sample,
        WatermarkReport,
    )
    from ragstone.schemas.runs import Plan, Run, RunCurve, Tuning
    from ragstone.storage.store import Store
    from ragstone.training.progress import Progress
    from ragstone.training.registry import Registry

_MODEL = "model:"  # what a model is called where datasets are named too


class Modelling:
    """Models of a workspace; a base of `Workspace`, which has the store."""

    _store: Store
    _jobs: JobDesk
    settings: Settings
    _encoders: Encoders

    def train_model(
        self,
        family: str,
        dataset: str,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        restart: bool = False,
        on_plan: Callable[[Plan], None] = lambda _: None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> ModelInfo:
        """Train a model on the items of a version, and keep it as a number of `name`.

        One that was stopped goes on where its last checkpoint stands, with the same losses as if it
        had not been.

        Parameters
        ----------
        family
            A name of `ragstone.models.families`, such as `gpt`, `encdec`, `wavenet` or `vae`.
        name
            The dataset's when empty.
        settings
            Of the network, the trainer and what it learns from, as docs/models.md lists them; texts
            stand for values of a setting's type.
        restart
            Begin anew where a training of this name was stopped.
        on_plan
            Called before the first step with what is going to be done and how long it may take.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument
            Nothing was written.
        TrainingDiverged
            It can go on from the last checkpoint, with other settings only anew.
        """
        from ragstone.training.learning import train_model

        return train_model(
            self._store,
            self._models,
            family,
            dataset,
            name or dataset.partition("@")[0].lower(),
            settings or {},
            encoders=self._encoders,
            restart=restart,
            on_plan=on_plan,
            on_progress=on_progress,
        )

    def submit_train(
        self,
        family: str,
        dataset: str,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        restart: bool = False,
    ) -> JobInfo:
        """As `train_model`, but only put the job in the queue, which a server works on.

        It is about the version that is meant now, however late it begins. Cancelled, it keeps how
        far it is, and the same call goes on with it.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument, ModelBusy
            There is no job then.
        """
        name = name or dataset.partition("@")[0].lower()
        spec = self._jobs.train_spec(family, dataset, name, settings or {}, served=True)
        spec.check()
        if restart:
            self._models.begin_anew(name)
        return self._jobs.submit(spec)

    def plan_model(
        self,
        family: str,
        dataset: str,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        restart: bool = False,
    ) -> Plan:
        """Return what `train_model` would do, and about how long it would take on this machine.

        A few steps are timed, which change nothing; the version is read for them.

        Parameters
        ----------
        restart
            Plan a training that begins anew, where one of this name was stopped.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument
            As `train_model`.
        """
        from ragstone.training.learning import plan_model

        return plan_model(
            self._store,
            self._models,
            family,
            dataset,
            name or dataset.partition("@")[0].lower(),
            settings or {},
            self._encoders,
            restart=restart,
        )

    def families(self) -> list[FamilyInfo]:
        """Return the families of models that can be trained, with their settings."""
        from ragstone.training.offering import families

        return families()

    def offer(self, model: str) -> ModelOffer:
        """Return what a model can be asked for: tasks, labels, speakers.

        Raises
        ------
        UnknownModel, DamagedFile
            There is none, or it is not whole.
        """
        from ragstone.training.offering import offer

        return offer(self._models, model)

    def model_card(self, model: str) -> str:
        """Return the card of a model, Markdown: what it learnt from, how, and how well.

        Raises
        ------
        UnknownModel
            There is none.
        """
        return self._models.card(model)

    def tune_model(
        self,
        family: str,
        dataset: str,
        name: str = "",
        settings: Mapping[str, Any] | None = None,
        *,
        search: Mapping[str, str],
        trials: int = 9,
        restart: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> Tuning:
        """Search for the settings of a model, and keep the best one as a number of `name`.

        Trials draw their settings at random and are trained in turns: the better third of them goes
        on to three times as many steps, until one has made all. What was stopped goes on.

        Parameters
        ----------
        settings
            As `train_model`; the same for all trials.
        search
            By setting of network or trainer: `LOW..HIGH`, or `A,B,C`.

        Raises
        ------
        InvalidArgument, UnknownDataset, UnknownVersion, TrainingDiverged
            As `train_model`; or another search of this name was begun, or every trial diverged.
        """
        from ragstone.training.trials import tune_model

        return tune_model(
            self._store,
            self._models,
            family,
            dataset,
            name or dataset.partition("@")[0].lower(),
            settings or {},
            search,
            trials,
            encoders=self._encoders,
            restart=restart,
            on_progress=on_progress,
        )

    def anomalies(self, dataset: str, model: str, *, limit: int = 20) -> list[Anomaly]:
        """Return the images of a version that are the oddest to a model, the oddest first.

        An autoencoder tells by how badly an image comes back, a model with likelihoods by how
        unlikely it is, a classifier by how little it looks like any label.

        Parameters
        ----------
        dataset
            "D" or "D@V"; it need not be what the model learnt from.

        Raises
        ------
        UnknownModel, UnknownDataset, UnknownVersion, InvalidArgument
            There is none, or the model does not tell.
        """
        from ragstone.training.anomalies import anomalies

        return anomalies(self._store, self._models, dataset, model, limit)

    def build_datastore(self, model: str, dataset: str, *, neighbours: int = 256) -> DatastoreInfo:
        """Keep what `model` makes of each token of a version, for kNN-LM, beside the model.

        Its weight and temperature are those with the least loss on half of the held-out text; both
        losses are those of the other half.

        Raises
        ------
        UnknownModel, UnknownDataset, UnknownVersion, InvalidArgument
            Nothing was written.
        """
        from ragstone.training.datastores import build_datastore

        return build_datastore(self._store, self._models, model, dataset, neighbours)

    def models(self) -> list[ModelInfo]:
        """Return the models that were trained here, by name and number."""
        return self._models.all()

    def damaged_models(self) -> list[DamagedModel]:
        """Return the models whose files do not say what they are, with the reason."""
        return self._models.damaged()

    def runs(self) -> list[Run]:
        """Return all trainings of models that were begun here, newest first."""
        return runs.listed(self._store.catalog)

    def run(self, run: str) -> RunCurve:
        """Return a training with all that was measured in it, by its id or how that begins.

        Raises
        ------
        UnknownId
            There is none, or the beginning fits several.
        """
        return runs.find(self._store.catalog, run)

    def model(self, model: str) -> ModelInfo:
        """Return what is known of a model: NAME, its newest, or NAME@NUMBER.

        Raises
        ------
        UnknownModel
            There is none.
        """
        return self._models.info(model)

    def sample(
        self,
        model: str,
        prompt: str = "",
        *,
        tokens: int = 200,
        sampler: Sampler | None = None,
        conditions: Mapping[str, str] | None = None,
        beams: int = 1,
        count: int = 1,
        neighbours: bool = False,
        task: str = "sample",
        images: Sequence[Path | str | bytes] = (),
        mask: Path | str | bytes = b"",
        keep: str = "",
        strength: float = 0.5,
        steps: int = 0,
        solver: str = "",
        guidance: float = 0.0,
        guide: str = "",
        pull: float = 1.0,
        each: bool = False,
        ingest: str = "",
        message: str = "",
    ) -> Sample:
        """Let a model make something; the same arguments give the same.

        Parameters
        ----------
        prompt
            A text to go on from, to translate, or to draw.
        tokens
            At most.
        conditions
            What it is to be like, by the metadata that the model was told: `label`, `speaker`.
        beams
            Of a search for the likeliest translation; 1: the sampler picks.
        count
            Things to make, images on one sheet; where images are given, results of each of them.
        neighbours
            Mix in those of its datastore.
        task
            Of a model of images: `sample`, `reconstruct`, `denoise`, `interpolate`, `inpaint`,
            `translate` or `upscale`. The others need `images`.
        images, mask
            Files, ids of items, or bytes of files; what is light in the mask is made anew.
        keep
            The half that `inpaint` keeps where there is no mask: `top`, `bottom`, `left`, `right`.
        strength, steps, solver, guidance, guide, pull
            See `ragstone.training.materials.base.Work`.
        each
            Give each thing by itself, too, in `Sample.pieces`.
        ingest
            A dataset that each thing is added to as an item, marked as made by a model, in one new
            version.
        message
            Stored with that version.

        Raises
        ------
        UnknownModel, UnknownId, InvalidArgument, DamagedFile, SpaceMismatch, VersionConflict,
        Rejected, RefusedSample
            Nothing was written.
        """
        from ragstone.training.materials.base import Work
        from ragstone.training.refusing import check_asked
        from ragstone.training.sampling import sample
        from ragstone.training.watermarks import key_of

        check_asked(self.settings.models, self._store.root, prompt, conditions or {})
        work = Work(
            task=task,
            images=tuple(self._file(one) for one in images),
            mask=self._file(mask) if mask else b"",
            keep=keep,
            strength=strength,
            steps=steps,
            solver=solver,
            guidance=guidance,
            guide=guide,
            pull=pull,
        )
        made, pieces = sample(
            self._models,
            model,
            prompt,
            tokens,
            sampler,
            conditions or {},
            beams,
            count,
            work,
            neighbours=neighbours,
            key=key_of(self._store.root / "models") if self.settings.models.watermark else None,
            encoders=self._encoders,
        )
        single = list(pieces) if each or ingest else []
        if each:
            made = replace(made, pieces=[piece.content for piece in single])
        if not ingest:
            return made
        message = message or f"{count} made by {made.model}"
        return replace(made, ingested=self._jobs.take_in(ingest, single, message))

    def evaluate_model(
        self, model: str, dataset: str = "", *, samples: int = 20, extractor: str = ""
    ) -> ModelMeasures:
        """Measure a model: its loss on all that is held out of a version, and what it makes.

        Parameters
        ----------
        dataset
            The version that it learnt from, when empty; what is measured on that stands in its
            card.
        samples
            Things that it makes, to be measured.
        extractor
            Classifier that images are measured by; the newest of the model's dataset when empty.

        Raises
        ------
        UnknownModel, UnknownDataset, UnknownVersion, InvalidArgument, DamagedFile
            Nothing was measured.
        """
        from ragstone.training.sampling import evaluate_model

        return evaluate_model(
            self._store, self._models, model, dataset, samples, extractor, self._encoders
        )

    def compare_models(
        self,
        families: Sequence[str],
        dataset: str,
        out: str | Path,
        *,
        minutes: float = 5.0,
        extractor: str = "",
        samples: int = 1_000,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        on_family: Callable[[str, int, int], None] = lambda *_: None,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> FamilyComparison:
        """Train families of models of images for the same time on one version, and measure all.

        A family that is done is not trained again, and one that was stopped goes on. One that
        diverges is named in the report, and does not stop the others.

        Parameters
        ----------
        out
            Folder of the report: `report.html`, which needs no other file, `report.md` with its
            pictures, and `samples.png`.
        minutes
            Of training, for each.
        extractor
            Classifier that all are measured by. When empty: the newest of the version, or, where
            `settings` name a label, a new one.
        samples
            That each makes, to be measured.
        settings
            Of trainer and data, for all; FAMILY.SETTING is for one alone.
        on_family
            Called with the name of what is trained or measured next, its number, and of how many.

        Raises
        ------
        UnknownModel, UnknownDataset, UnknownVersion, InvalidArgument
            Nothing was trained.
        """
        from ragstone.evaluation.contest import Rules, compare_models

        rules = Rules(
            minutes=minutes,
            samples=samples,
            seed=seed,
            extractor=extractor,
            values=settings or {},
        )
        return compare_models(
            self._store,
            self._models,
            families,
            dataset,
            rules,
            Path(out),
            on_family=on_family,
            on_progress=on_progress,
        )

    def import_model(self, folder: str | Path, name: str = "") -> ModelInfo:
        """Take in a model that `export_model` wrote, as the next number of `name`.

        Parameters
        ----------
        name
            Its own when empty.

        Raises
        ------
        DamagedFile, InvalidArgument
            Nothing was taken in.
        """
        from ragstone.training.sampling import import_model

        return import_model(self._models, Path(folder), name)

    def export_model(
        self,
        model: str,
        folder: str | Path,
        layout: str = "ragstone",
        *,
        despite_copies: bool = False,
    ) -> Path:
        """Write a model into a new folder; return the folder.

        Parameters
        ----------
        layout
            `ragstone`: all of it, for `import_model`. `transformers`: a `gpt` for whatever reads
            models of that library.
        despite_copies
            Also a model that was measured to copy what it learnt from; see `copying`.

        Raises
        ------
        UnknownModel, InvalidArgument, CopyingModel, DamagedFile
            Nothing was written.
        """
        from ragstone.training.sampling import export_model

        return export_model(
            self._models, model, Path(folder), layout, despite_copies=despite_copies
        )

    def copying(self, model: str) -> Copying:
        """Return whether a model gives back what it learnt from, as it was measured last.

        Raises
        ------
        UnknownModel
            There is none.
        """
        from ragstone.training.copying import copying

        return copying(self._models.info(model))

    def watermark(self, files: Sequence[Path | str]) -> WatermarkReport:
        """Tell whether images, or recordings, carry the watermark of this workspace.

        Raises
        ------
        InvalidArgument
            A file cannot be read, is neither, or both are mixed.
        """
        from ragstone.training.watermarks import key_of, look

        opened = []
        for file in files:
            try:
                opened.append((str(file), Path(file).read_bytes()))
            except OSError as error:
                expected = f"a file that can be read ({error.strerror})"
                raise InvalidArgument("file", str(file), expected) from error
        return look(opened, key_of(self._store.root / "models"))

    def evaluate_augmentation(
        self,
        dataset: str,
        model: str,
        label: str = "",
        *,
        synthetic: int = 1_000,
        seeds: int = 5,
        shares: Sequence[float] = (5, 10, 100),
        steps: int = 200,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> AugmentationStudy:
        """Compare classifiers of images that learnt with and without what a model makes.

        Parameters
        ----------
        label
            Field of the metadata; empty: the one that the model was told.
        synthetic
            Images that the model makes.
        seeds
            Trainings of each kind, which draw their part of the real images anew.
        shares
            Parts of the real images, in percent.
        on_progress
            Called with the pairs of trainings that are done, and all.

        Raises
        ------
        UnknownDataset, UnknownVersion, UnknownModel, InvalidArgument, DamagedFile
            The call is wrong, and the message says how.
        """
        from ragstone.evaluation.augmenting import Study, study

        asked = Study(label, synthetic, seeds, shares, steps)
        with self._store.shared():
            manifest = self._store.resolve(dataset)
            return study(self._store, self._models, manifest, model, asked, on_progress)

    def bias(
        self,
        dataset: str,
        fields: Sequence[str] = (),
        *,
        model: str = "",
        samples: int = 1_000,
        extractor: str = "",
    ) -> BiasReport:
        """Return how even the items of a version spread over labels and other metadata.

        What models made is left out.

        Parameters
        ----------
        fields
            As in filters; without any, the most usual ones.
        model
            A model of images: what it makes unasked, and asked for each label, is looked at by a
            classifier.
        extractor
            That classifier; empty: the newest that learnt from the dataset of the model.

        Raises
        ------
        UnknownDataset, UnknownVersion, UnknownField, UnknownModel, InvalidArgument, DamagedFile
            The call is wrong, and the message says how.
        """
        from ragstone.training.biasing import bias

        with self._store.shared():
            manifest = self._store.resolve(dataset)
            return bias(self._store, self._models, manifest, fields, model, samples, extractor)

    def licences(self, of: str) -> LicenceSummary:
        """Count the licences of a version, or of what a model learnt from, and name conflicts.

        Parameters
        ----------
        of
            "D" or "D@V"; "model:NAME" for the version that a model learnt from.

        Raises
        ------
        UnknownDataset, UnknownVersion, CollectedVersion, UnknownModel
            There is none, or it is not kept any more.
        """
        from ragstone.training.licences import licences

        if of.startswith(_MODEL):
            data = self._models.info(of.removeprefix(_MODEL)).data
            of = f"{data.dataset}@{data.version}"
        with self._store.shared():
            return licences(self._store, self._store.resolve(of))

    def _file(self, given: Path | str | bytes) -> bytes:
        """Return the bytes of a file, or of an item; bytes as they are."""
        if isinstance(given, bytes):
            return given
        if Path(given).is_file():
            return Path(given).read_bytes()
        if Path(given).suffix:
            raise UnknownSource(str(given))
        return original(self._store, str(given)).content

    @property
    def _models(self) -> Registry:
        from ragstone.training.registry import Registry

        return Registry(self._store.root / "models")
