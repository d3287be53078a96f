"""What the routes about models take in."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ragstone.server.body import Body


class TrainRequest(Body):
    """Body of `POST /v1/datasets/{name}/train`, and of `/train/plan`."""

    family: str = Field(description="One of `GET /v1/families`.")
    name: str = Field("", description="That the model is to have; empty: the dataset's.")
    settings: dict[str, Any] = Field({}, description="Of network, trainer and data, by name.")
    restart: bool = Field(False, description="Begin anew where one of this name was stopped.")


class SamplerRequest(Body):
    """How a token is picked; see `ragstone.models.sampling.Sampler`."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0


class Image(Body):
    """An image to make something of: an item, or a file."""

    id: str | None = Field(None, description="Of an item, whole or as a prefix.")
    content: str | None = Field(None, description="A file in base64.")


class SampleRequest(Body):
    """Body of `POST /v1/registry/models/{model}/sample`."""

    prompt: str = Field("", description="A text to go on from, to translate, or to draw.")
    tokens: int = Field(200, description="At most.")
    sampler: SamplerRequest | None = None
    conditions: dict[str, str] = Field({}, description="By what the model was told: `label`.")
    beams: int = 1
    count: int = Field(1, description="Things to make.")
    neighbours: bool = Field(False, description="Mix in those of its datastore.")
    task: str = "sample"
    images: list[Image] = Field([])
    mask: str | None = Field(None, description="A file in base64: what is light is made anew.")
    keep: str = Field("", description="Half that is kept: top, bottom, left, right.")
    strength: float = 0.5
    steps: int = Field(0, description="Of the solver; 0: the model's own.")
    solver: str = ""
    guidance: float = 0.0
    guide: str = Field("", description="A clip that it is drawn towards the prompt by.")
    pull: float = 1.0
    each: bool = Field(False, description="Give each thing by itself, too.")
    ingest: str = Field("", description="Dataset that what is made is added to, as synthetic.")
    message: str = Field("", description="Stored with that version.")

    def sampler_values(self) -> dict[str, Any] | None:
        """Return the values of the sampler, None without one."""
        return None if self.sampler is None else self.sampler.model_dump()


class EvaluateModelRequest(Body):
    """Body of `POST /v1/registry/models/{model}/evaluate`."""

    dataset: str = Field("", description="`D` or `D@V`; empty: what it learnt from.")
    samples: int = Field(20, description="Things that it makes, to be measured.")
    extractor: str = Field("", description="Classifier that images are measured by.")


class ExportModelRequest(Body):
    """Body of `POST /v1/registry/models/{model}/export`."""

    folder: str = Field(description="New, absolute on the server's machine.")
    layout: Literal["ragstone", "transformers"] = "ragstone"
    despite_copies: bool = False


class AnomaliesRequest(Body):
    """Body of `POST /v1/datasets/{name}/anomalies`."""

    model: str
    limit: int = 20


class BiasRequest(Body):
    """Body of `POST /v1/datasets/{name}/bias`."""

    fields: list[str] = Field([], description="As in filters; without any, the most usual ones.")
    model: str = ""
    samples: int = 1_000
    extractor: str = ""
