"""Hits and small language models for the tests of answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from ragstone.generation.base import Passage
from ragstone.generation.prompts import pack
from ragstone.schemas.api import Hit

NORMANS = (
    "The Normans were the people who in the 10th and 11th centuries gave their name to Normandy, "
    "a region in France. They were descended from Norse raiders and pirates from Denmark, Iceland "
    "and Norway. The distinct identity of the Normans emerged in the first half of the 10th "
    "century."
)
WATER = (
    "Boiling\n\nWater boils at 100 degrees Celsius at sea level.\nOn a mountain it boils at a "
    "lower temperature. Salt does not lower the boiling point.\n\n- ice\n- steam engines use "
    "boiling water"
)
MakeHit = Callable[..., Hit]


def _hit(text: str, *, rank: int = 1, item: str = "", start: int = 0, title: str = "") -> Hit:
    return Hit(
        rank=rank,
        score=1 / rank,
        chunk_id=f"chunk-{item or rank}-{start}",
        item_id=item or f"item-{rank}",
        source=f"/data/{rank}.txt",
        name=f"{rank}.txt",
        title=title,
        heading="",
        page=None,
        text=text,
        start=start,
        end=start + len(text),
        arms={},
        highlights=[],
        metadata={},
    )


@pytest.fixture(scope="session")
def hit() -> MakeHit:
    """A function that makes a hit of a text."""
    return _hit


@pytest.fixture(scope="session")
def hits() -> list[Hit]:
    """Two hits, about the Normans (from 1,000 in its item) and about water."""
    return [_hit(NORMANS, rank=1, start=1000, title="Normans"), _hit(WATER, rank=2)]


@pytest.fixture(scope="session")
def passages(hits: list[Hit]) -> tuple[Passage, ...]:
    """The same as passages."""
    return tuple(pack(hits, 8))


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    """A function that trains a byte-level tokenizer of 400 tokens."""

    def make(length: int = 2048, template: str | None = None) -> PreTrainedTokenizerFast:
        plain = Tokenizer(models.BPE())
        plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        plain.decoder = decoders.ByteLevel()
        special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=list(special.values()),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        plain.train_from_iterator([NORMANS, WATER], trainer)
        made = PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=length, **special)
        made.chat_template = template
        return made

    return make


@pytest.fixture(scope="session")
def llama(
    make_tokenizer: Callable[..., PreTrainedTokenizerFast],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A Llama of 2 layers with random weights, 2,048 tokens of context, no chat template."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=2048,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def t5(
    make_tokenizer: Callable[..., PreTrainedTokenizerFast],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A T5 of 2 layers with random weights and 1,024 tokens."""
    folder = tmp_path_factory.mktemp("models") / "t5"
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=400,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    make_tokenizer(1024).save_pretrained(folder)
    return folder
