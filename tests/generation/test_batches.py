"""Many prompts at once: the texts and errors of each alone, whatever the lengths."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import (
    GeneratorFailed,
    GeneratorNonsense,
    GeneratorTimeout,
    GeneratorUnavailable,
)
from ragstone.generation.base import Passage, Prompt, Sampling
from ragstone.generation.ground import Grounded, Prepared, prepare, write, write_many
from ragstone.generation.huggingface import TransformersGenerator
from ragstone.generation.language_model import Padded
from ragstone.generation.prompts import build_prompt
from ragstone.schemas.api import Hit

MakeTokenizer = Callable[..., PreTrainedTokenizerFast]
QUESTIONS = ("Why?", "Where is Normandy?", "At what temperature does water boil on a mountain?")


@pytest.fixture(scope="module")
def gpt2(make_tokenizer: MakeTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2: each position has a vector of its own, so that padding must not count as one."""
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=400,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=1024,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    make_tokenizer(1024).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bart(make_tokenizer: MakeTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BART: an encoder whose positions have vectors of their own."""
    folder = tmp_path_factory.mktemp("models") / "bart"
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=400,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=1024,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
        forced_eos_token_id=2,
        init_std=0.3,
    )
    BartForConditionalGeneration(config).save_pretrained(folder)
    make_tokenizer(1024).save_pretrained(folder)
    return folder


@pytest.fixture(params=["llama", "t5", "gpt2", "bart"])
def generator(request: pytest.FixtureRequest) -> TransformersGenerator:
    return TransformersGenerator(str(request.getfixturevalue(request.param)))


@pytest.fixture
def prompts(passages: tuple[Passage, ...]) -> list[Prompt]:
    """Three prompts, short to long."""
    return [
        build_prompt(
            question, passages[:count], budget=10_000, count_tokens=lambda prompt: len(prompt.text)
        )
        for count, question in enumerate(QUESTIONS)
    ]


def said(pieces: Any) -> str:
    """Return all pieces; random weights may say nothing that can be read."""
    found: list[str] = []
    with suppress(GeneratorNonsense):
        found.extend(pieces)
    return "".join(found)


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_each_text_is_that_of_its_prompt_alone(
    generator: TransformersGenerator, prompts: list[Prompt], temperature: float
) -> None:
    sampling = Sampling(40, temperature=temperature, seed=3)
    assert len({generator.count_tokens(prompt) for prompt in prompts}) == 3
    alone = [said(generator.stream(prompt, sampling)) for prompt in prompts]
    together = [said(stream) for stream in generator.stream_many(prompts, sampling)]
    assert together == alone
    assert any(alone) or temperature == 0  # the likeliest token of random weights may end it all


def test_stop_strings_end_each_of_them(
    generator: TransformersGenerator, prompts: list[Prompt]
) -> None:
    free = Sampling(40, temperature=1.5, seed=3)
    whole = said(generator.stream(prompts[2], free))
    stopping = Sampling(40, temperature=1.5, seed=3, stop=(whole[6:8],))
    alone = [said(generator.stream(prompt, stopping)) for prompt in prompts]
    assert [said(stream) for stream in generator.stream_many(prompts, stopping)] == alone
    assert len(alone[2]) < len(whole)


def test_a_text_ends_at_its_own_end_token(gpt2: Path, tmp_path: Path) -> None:
    """One that ends early is filled up for the others, and nothing of that is said."""
    model = GPT2LMHeadModel.from_pretrained(gpt2)
    model.generation_config.eos_token_id = list(range(3, 60))
    model.generation_config.pad_token_id = 200  # a token like any other
    model.save_pretrained(tmp_path)
    PreTrainedTokenizerFast.from_pretrained(gpt2).save_pretrained(tmp_path)
    generator = TransformersGenerator(str(tmp_path))
    sampling = Sampling(30, temperature=1.0, seed=5)
    asked = [Prompt("t@1", q, (), "Say something.", q * 3) for q in QUESTIONS]
    alone = [said(generator.stream(prompt, sampling)) for prompt in asked]
    assert len({len(text) for text in alone}) > 1
    assert [said(stream) for stream in generator.stream_many(asked, sampling)] == alone


def test_one_that_does_not_fit_takes_nothing_from_the_others(
    llama: Path, prompts: list[Prompt]
) -> None:
    generator = TransformersGenerator(str(llama))
    long = build_prompt("why " * 3_000, (), budget=9_000, count_tokens=lambda _: 0)
    sampling = Sampling(20, temperature=1.0, seed=1)
    first, refused, last = generator.stream_many([prompts[0], long, prompts[1]], sampling)
    assert said(first) == said(generator.stream(prompts[0], sampling))
    with pytest.raises(GeneratorUnavailable, match="the question takes"):
        list(refused)
    assert said(last) == said(generator.stream(prompts[1], sampling))


def test_closing_the_first_stops_all(llama: Path, prompts: list[Prompt]) -> None:
    generator = TransformersGenerator(str(llama))
    first, second, _ = generator.stream_many(prompts, Sampling(1_500, temperature=1.0))
    assert next(first) == ""
    first.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name == "ragstone-generate"]
    with pytest.raises(GeneratorFailed, match="written with this one were stopped"):
        list(second)


def test_padding_stands_where_the_model_does_not_look() -> None:
    left = Padded([[5], [6, 7, 8]], token=9)
    assert left.ids.tolist() == [[9, 9, 5], [6, 7, 8]]
    assert left.mask.tolist() == [[0, 0, 1], [1, 1, 1]]
    right = Padded([[5], [6, 7, 8]], token=9, left=False)
    assert right.ids.tolist() == [[5, 9, 9], [6, 7, 8]]
    assert right.mask.tolist() == [[1, 0, 0], [1, 1, 1]]


# ---------------------------------------------------------------- grounded


def finished(stream: Any) -> Grounded:
    while True:
        try:
            next(stream)
        except StopIteration as end:
            grounded: Grounded = end.value
            return grounded


def test_grounded_answers_are_those_of_each_alone(
    llama: Path, hits: list[Hit], encoder: TextEncoder
) -> None:
    settings = GenerationSettings(
        min_evidence=0.2, max_new_tokens=40, policy="off", temperature=1.5, seed=3
    )
    generator = TransformersGenerator(str(llama))
    asked = ["Where is Normandy?", "Who won the cup?", "When does water boil?"]
    ready = [prepare(question, hits, generator, encoder, settings) for question in asked]
    assert [one.enough for one in ready] == [True, False, True]
    alone = [finished(write(one, generator, settings)) for one in ready]
    assert [finished(s) for s in write_many(ready, generator, settings)] == alone


def test_a_batch_has_the_time_of_its_answers(
    llama: Path, hits: list[Hit], encoder: TextEncoder
) -> None:
    settings = GenerationSettings(timeout_seconds=1e-6, min_evidence=0.0, max_new_tokens=900)
    generator = TransformersGenerator(str(llama))
    ready: list[Prepared] = [
        prepare(question, hits, generator, encoder, settings) for question in QUESTIONS
    ]
    first, second, _ = write_many(ready, generator, settings)
    with pytest.raises(GeneratorTimeout, match="within 3e-06 s"):
        list(first)
    with pytest.raises(GeneratorFailed, match="were stopped"):
        list(second)
