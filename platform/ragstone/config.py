"""Settings: validated, frozen, unknown keys refused.

Read from `ragstone.toml` in the workspace, overridden by the environment
(`RAGSTONE_RETRIEVAL__CANDIDATES=300`), overridden by what the caller passes. docs/configuration.md
lists every setting; a test compares it with this file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from ragstone.errors import InvalidConfig

CONFIG_FILE = "ragstone.toml"
ENV_PREFIX = "RAGSTONE_"
# Begin like a setting and are none: the default workspace, and what the project's tests look for.
API_KEY_VARIABLE = "RAGSTONE_OPENAI_API_KEY"  # no setting: settings are stored with answers
OTHER_VARIABLES = {"RAGSTONE_WORKSPACE", "RAGSTONE_DATA", "RAGSTONE_TORTURE", API_KEY_VARIABLE}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EncoderSettings(_Section):
    """Which model turns text into vectors."""

    name: str = Field(
        "all-MiniLM-L6-v2",
        description="Text encoder: the default, 'all-MiniLM-L6-v2-static' for large corpora, a hub "
        "name already on this machine, a path, or 'model:NAME' of a model trained here.",
    )
    image: str = Field(
        "image-descriptor",
        description="Encoder of images: the embedded one, a hub name already on this machine, a "
        "path, or 'model:NAME' of a model trained here; those of the CLIP and SigLIP kind let "
        "words find pictures.",
    )
    audio: str = Field(
        "audio-descriptor",
        description="Encoder of recordings: the embedded one, a hub name already on this machine, "
        "or a path; those of the CLAP kind let words find sounds.",
    )
    transcripts: str = Field(
        "",
        description="Network of the Whisper kind that writes down what recordings say: a hub name "
        "already on this machine, or a path. Empty: none.",
    )
    language: str = Field(
        "",
        pattern=r"^([a-z]{2,3})?$",
        description="Language of the recordings, such as 'en'; empty: recognised in each.",
    )
    ocr: str = Field(
        "",
        pattern=r"^([A-Za-z_]{3,}(\+[A-Za-z_]{3,})*)?$",
        description="Read text in images, and pages of PDFs that are pictures, with the program "
        "tesseract, in these languages: "
        "'eng' or 'eng+deu'. Empty: do not.",
    )
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'cuda:N'.")
    # 16 passages of 256 tokens. Beside batches of 32 texts, on two cores: 1.35 times as fast at
    # 2,048 and 4,096 tokens, 1.08 at 16,384, 0.75 at 32,768 (the caches overflow).
    batch_tokens: int = Field(
        4_096, ge=256, description="Tokens (padding included) in one batch of the encoder."
    )


class ChunkingSettings(_Section):
    """How a document is cut into chunks."""

    max_tokens: int = Field(
        256,
        ge=16,
        le=8192,
        description="Longest chunk with its context, in the encoder's own tokens; never more than "
        "the encoder reads.",
    )
    context_tokens: int = Field(
        48, ge=0, description="Of these, at most so many for the title and the heading path."
    )


class LimitSettings(_Section):
    """What one input may cost before it goes to quarantine."""

    bytes: int = Field(256 * 2**20, ge=1, description="Size of one file.")
    pages: int = Field(5_000, ge=1, description="Pages, slides or sheets of one document.")
    characters: int = Field(50_000_000, ge=1, description="Text taken out of one document.")
    pixels: int = Field(100_000_000, ge=1, description="Pixels of one image.")
    audio_seconds: float = Field(14_400.0, gt=0, description="Length of one recording.")
    ratio: float = Field(
        200.0, gt=1, description="Unpacked size over packed size, in compressed formats."
    )
    seconds: float = Field(60.0, gt=0, description="Time to read one input.")
    memory_mb: int = Field(3_072, ge=256, description="Memory of one reading process, in MiB.")


class FetchSettings(_Section):
    """What may be fetched from other machines, and what it may cost."""

    allow_private: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Networks beside the public ones that may be fetched from: '10.20.0.0/16' for "
        "an intranet.",
    )
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        (80, 443), description="Ports that may be connected to."
    )
    bytes: int = Field(64 * 2**20, ge=1, description="Size of one answer, packed or unpacked.")
    seconds: float = Field(
        60.0, gt=0, description="Time for one address, with redirects and further tries."
    )
    connect_seconds: float = Field(10.0, gt=0, description="Time to connect to a server.")
    redirects: int = Field(5, ge=0, le=20, description="How often an address may lead on.")
    retries: int = Field(
        2, ge=0, le=10, description="Further tries when a server is busy or breaks off."
    )
    user_agent: str = Field(
        "Ragstone",
        pattern=r"^[A-Za-z][\x20-\x7e]*$",
        description="How requests introduce themselves; add an address where you can be reached. "
        "Its first word is the name that robots.txt is asked for.",
    )
    robots: bool = Field(True, description="Keep to robots.txt.")
    delay_seconds: float = Field(
        0.5, ge=0, le=60, description="Pause between two requests to one host."
    )
    max_delay_seconds: float = Field(
        30.0,
        ge=0,
        le=600,
        description="Longest pause that a robots.txt or a busy server can ask for.",
    )
    pages: int = Field(1_000, ge=1, description="Pages taken in through one sitemap.")


class IngestionSettings(_Section):
    """How an ingestion job runs."""

    workers: int = Field(
        1,
        ge=0,
        le=64,
        description="Processes that read files; 0 reads in the calling process, without the time "
        "and memory limits.",
    )
    part_chunks: int = Field(
        4_096, ge=1, description="Chunks after which a part of the version is written."
    )
    keep_gps: bool = Field(
        False,
        description="Keep where a photograph was taken in the metadata of its item. The stored "
        "original holds it in any case.",
    )


class JobSettings(_Section):
    """How a server works on jobs."""

    workers: int = Field(
        1,
        ge=1,
        le=16,
        description="Processes that work on jobs, each with a model of its own; one more trains.",
    )
    keep_days: float = Field(
        7.0,
        ge=0,
        description="How long the unfinished work of a failed or interrupted job is kept, to go on "
        "with it.",
    )


class RetrievalSettings(_Section):
    """How a search ranks."""

    candidates: int = Field(
        200, ge=10, le=10_000, description="Candidates that each arm hands to the fusion."
    )
    fusion: Literal["minmax", "rrf"] = Field(
        "minmax", description="Convex combination of min-max scores, or reciprocal rank."
    )
    vector_weight: float = Field(
        0.5, ge=0, le=1, description="Weight of the vector arm in 'minmax'."
    )
    use_tuned: bool = Field(
        True, description="Fuse as `ragstone tune` has stored with the version, where it has."
    )
    reranker: str = Field(
        "",
        description="Network that reads the best candidates again: a text encoder such as "
        "'all-MiniLM-L6-v2', whose tokens are compared, or a cross-encoder; a hub name already on "
        "this machine, or a path. Empty: none.",
    )
    rerank_weight: float = Field(
        0.4, ge=0, le=1, description="Weight of the reranker; the arms share the rest."
    )
    rerank_candidates: int = Field(
        50, ge=1, le=1_000, description="Candidates that the reranker reads."
    )
    max_query_words: int = Field(1_000, ge=1, description="Longest query; a longer one is refused.")
    synonyms: str = Field(
        "",
        description="File with words that stand for others, a path from the workspace's folder. "
        "Empty: none.",
    )


class GenerationSettings(_Section):
    """How an answer is made."""

    generator: str = Field(
        "extractive",
        description="'extractive', 'hf:' with the name or path of a model, or 'openai:' with "
        "MODEL@URL of a server that speaks chat completions.",
    )
    servers: tuple[str, ...] = Field(
        (),
        description="Addresses (URLs) beside this machine's own that 'openai:' may send questions "
        "and passages to; only these, and generation.generator's, are sent the API key.",
    )
    passages: int = Field(8, ge=1, le=100, description="Passages given to the generator.")
    neighbours: int = Field(
        0, ge=0, le=5, description="Passages before and after each one that are given with it."
    )
    order: Literal["rank", "reading"] = Field(
        "rank",
        description="How passages stand in the prompt: the best first ('rank'), or those of an "
        "item together as they stand in it ('reading').",
    )
    max_sentences: int = Field(
        3, ge=1, le=20, description="Longest answer of the extractive reader, in sentences."
    )
    max_new_tokens: int = Field(256, ge=1, description="Longest answer of a language model.")
    temperature: float = Field(
        0.0, ge=0, le=5, description="0 takes the most likely token each time."
    )
    seed: int = Field(0, ge=0, description="Seed of the sampling, when temperature is above 0.")
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Strings that end the answer of a language model."
    )
    context_tokens: int = Field(
        8_192,
        ge=512,
        description="Tokens that prompt and answer may have together on a server; models here say "
        "it themselves.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Numbers in which a model of 'hf:' computes; 'auto': as in its files."
    )
    quantisation: Literal["none", "int8", "int4"] = Field(
        "none",
        description="Hold the weights of 'hf:' in fewer bits: 'int8' on a CPU; on a GPU both, with "
        "the package bitsandbytes.",
    )
    reader: str = Field(
        "ragstone-reader",
        description="Finds the answers to questions in passages: the one that ships, or a folder "
        "that `ragstone train reader` wrote. Empty: none, the best sentences are taken.",
    )
    verifier: str = Field(
        "ragstone-verifier",
        description="Tells whether a quote says what a sentence says: the one that ships, or a "
        "folder that `ragstone train verifier` wrote. Empty: none, words alone decide.",
    )
    min_evidence: float = Field(
        0.5,
        ge=0,
        le=1,
        description="With a smaller chance that the passages hold the answer, it is 'not found in "
        "this dataset'.",
    )
    policy: Literal["strict", "flag", "off"] = Field(
        "strict",
        description="What happens to a sentence without a supporting quote: 'strict' drops it, "
        "'flag' marks it, 'off' leaves it.",
    )
    batch: int = Field(
        8,
        ge=1,
        le=256,
        description="Prompts that a model of 'hf:' is given at once where many are asked.",
    )
    rewrite: Literal["auto", "rules", "off"] = Field(
        "auto",
        description="Who makes a question that follows on others one that stands alone: the "
        "generator where it is a language model, else rules ('auto'), rules alone ('rules'), or "
        "nobody ('off').",
    )
    rewrite_seconds: float = Field(
        30.0, gt=0, description="Time for a language model to do so; after it, rules do."
    )
    timeout_seconds: float = Field(
        300.0, gt=0, description="Time for one answer; a language model is loaded within it."
    )

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Read `unsupported`, as `policy` was called once: in old files and stored answers."""
        policies = {"drop": "strict", "flag": "flag"}
        if values.get("unsupported") not in policies:
            return values  # not there, or refused as any unknown name is
        rest = {name: value for name, value in values.items() if name != "unsupported"}
        return {**rest, "policy": policies[values["unsupported"]]}


class ModelSettings(_Section):
    """What models that were trained here may be asked for, and how what they make is marked."""

    watermark: bool = Field(
        True,
        description="Put a watermark, which nobody sees or hears, into images and sounds.",
    )
    refused: tuple[str, ...] = Field(
        (),
        description="Words that no prompt and no condition may hold; 're:' begins a regular "
        "expression.",
    )
    refused_file: str = Field(
        "", description="File in the workspace with more of them, one a line; empty: none."
    )


class ServerSettings(_Section):
    """Where `ragstone serve` listens."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8400, ge=0, le=65535, description="Port; 0 takes a free one.")
    upload_bytes: int = Field(2 * 2**30, ge=1, description="Size of one file that is uploaded.")


class StorageSettings(_Section):
    """How the workspace is kept."""

    memory_mb: int = Field(2_048, ge=128, description="Memory that the catalog may use, in MiB.")
    threads: int = Field(2, ge=1, le=256, description="Threads of the catalog's queries.")
    lock_seconds: float = Field(
        10.0, ge=0, description="How long to wait for another process to let the workspace go."
    )


class UsageSettings(_Section):
    """What is noted of searches that a server answers."""

    record: bool = Field(
        True,
        description="Note when a server was searched, by whom, how long it took and how much was "
        "found.",
    )
    queries: bool = Field(False, description="Keep the words of queries with that.")
    keep_days: float = Field(
        90.0, ge=0, description="How long notes of searches are kept, in days."
    )


class Settings(BaseSettings):
    """All settings of a workspace."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    encoder: EncoderSettings = EncoderSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    limits: LimitSettings = LimitSettings()
    fetch: FetchSettings = FetchSettings()
    ingestion: IngestionSettings = IngestionSettings()
    jobs: JobSettings = JobSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    generation: GenerationSettings = GenerationSettings()
    models: ModelSettings = ModelSettings()
    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    usage: UsageSettings = UsageSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read by itself: `load_settings` lays one source over the other."""
        return (init_settings,)


def load_settings(workspace: Path, **overrides: Any) -> Settings:
    """Read the settings of the workspace at `workspace`.

    Parameters
    ----------
    workspace
        Folder that may hold a `ragstone.toml`.
    overrides
        Sections as mappings, for example `retrieval={"candidates": 50}`; they win over all.

    Raises
    ------
    InvalidConfig
        A key is unknown, a value out of bounds, or the file is no TOML.
    """
    settings = Settings()
    for where, values in (*outer_layers(workspace).items(), ("the call", overrides)):
        settings = _overlaid(settings, where, values)
    return settings


def outer_layers(workspace: Path) -> dict[str, dict[str, Any]]:
    """Return what the file of a workspace sets, then what the environment does, by section.

    Raises
    ------
    InvalidConfig
        The file is no TOML, or a variable means nothing.
    """
    path = workspace / CONFIG_FILE
    return {str(path): _file(path), "the environment": _environment()}


def with_values(settings: Settings, assignments: Sequence[str]) -> Settings:
    """Return `settings` with some changed, each given as "section.name=value".

    Raises
    ------
    InvalidConfig
        One is not written so, is unknown, or its value is out of bounds.
    """
    sections: dict[str, dict[str, str]] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (equals and dot):
            raise InvalidConfig("the call", [f"{assignment}: expected SECTION.NAME=VALUE"])
        sections.setdefault(section, {})[key] = value.strip()
    return _overlaid(settings, "the call", sections)


def _file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(str(path), [str(error)]) from error


def _environment() -> dict[str, Any]:
    """Return the sections that the environment sets; a name that means nothing is refused."""
    sections = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    names = {name for name in os.environ if name.startswith(ENV_PREFIX)} - OTHER_VARIABLES
    unknown = sorted(name for name in names if name.partition("__")[0].upper() not in sections)
    if unknown:
        raise InvalidConfig("the environment", [f"{name}: there is no such" for name in unknown])
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise InvalidConfig("the environment", [str(error)]) from error


def _overlaid(settings: Settings, where: str, values: Mapping[str, Any]) -> Settings:
    """Return `settings` with the sections in `values` changed."""
    changed = {}
    for name, changes in values.items():
        if name not in Settings.model_fields:
            raise InvalidConfig(where, [f"{name}: there is no such section"])
        if not isinstance(changes, Mapping):
            raise InvalidConfig(where, [f"{name}: expected its settings, not {changes!r}"])
        section: BaseModel = getattr(settings, name)
        try:
            changed[name] = type(section).model_validate({**section.model_dump(), **changes})
        except ValidationError as error:
            raise InvalidConfig(where, _problems(name, error)) from error
    return settings.model_copy(update=changed)


def _problems(section: str, error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, (section, *e['loc'])))}: {e['msg']}" for e in error.errors()]
