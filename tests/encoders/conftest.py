"""Small sentence-transformers models, made and saved by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

UNKNOWN = "[UNK]"
WORDS = ["the cat sat on the mat", "a dog ran in the park", "query passage stone water fire air"]


def tokenizer() -> PreTrainedTokenizerFast:
    plain = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    plain.normalizer = normalizers.BertNormalizer()
    plain.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", UNKNOWN, "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    plain.train_from_iterator(WORDS, trainer)
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    roles = dict(zip(("pad", "unk", "cls", "sep"), special, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=plain, **{f"{role}_token": token for role, token in roles.items()}
    )


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Bert saved by transformers alone: no modules.json."""
    folder = tmp_path_factory.mktemp("models") / "bare"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=200,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_model(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that saves a model of 48 tokens, optionally with prompts or a dense layer."""

    def make(prompts: dict[str, str] | None = None, dense: int | None = None) -> Path:
        folder = tmp_path_factory.mktemp("models") / "stone"
        torch.manual_seed(1)
        modules: list[torch.nn.Module] = [
            Transformer(str(bare), processor_kwargs={"model_max_length": 48}),
            Pooling(32),
        ]
        if dense:
            modules.append(Dense(32, dense))
        SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder))
        return folder

    return make


@pytest.fixture(scope="session")
def plain_model(make_model: Callable[..., Path]) -> Path:
    """A model of 32 dimensions and 48 tokens without prompts."""
    return make_model()
