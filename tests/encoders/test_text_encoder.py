"""Texts to vectors: order, batches, prompts, threads, and agreement with the bare library."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.loaded import normalised
from ragstone.encoders.text import SentenceEncoder, batches, open_text_encoder
from ragstone.encoders.weights import find_model
from ragstone.errors import EncoderUnavailable, InvalidArgument

TEXTS = [
    "A short one.",
    "The house stands on a rock by the sea, and its windows look out over the harbour.",
    "Water boils at 100 degrees.",
    "数据平台",
    "x " * 600,
    "",
]


def opened(folder: Path, **settings: object) -> SentenceEncoder:
    return SentenceEncoder(find_model(str(folder)), device="cpu", **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bare_model(encoder: TextEncoder) -> SentenceTransformer:
    folder = encoder.tokenizer_file.parent
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def test_the_default_agrees_with_the_bare_library(
    encoder: TextEncoder, bare_model: SentenceTransformer
) -> None:
    expected = bare_model.encode(TEXTS, batch_size=1)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), expected, atol=1e-5)


def test_the_default_reads_256_tokens_pools_by_mean_and_normalises(
    encoder: TextEncoder, bare_model: SentenceTransformer
) -> None:
    assert bare_model.max_seq_length == encoder.identity.max_tokens == 256
    assert [type(module).__name__ for module in bare_model] == [
        "Transformer",
        "Pooling",
        "Normalize",
    ]
    assert bare_model[1].pooling_mode == "mean"
    long = "stone " * 254  # with [CLS] and [SEP] exactly 256
    first, second = encoder.encode_documents([long, long + "and something else"])
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_vectors_are_unit_float32_in_the_given_order(encoder: TextEncoder) -> None:
    vectors = encoder.encode_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    shuffled = encoder.encode_documents(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(vectors, shuffled, atol=1e-5)


def test_meaning_is_in_the_vectors(encoder: TextEncoder) -> None:
    question = encoder.encode_queries(["How hot is boiling water?"])[0]
    assert int(np.argmax(encoder.encode_documents(TEXTS) @ question)) == 2


def test_nothing_gives_an_empty_array(encoder: TextEncoder) -> None:
    assert encoder.encode_documents([]).shape == (0, 384)
    assert encoder.encode_queries([]).dtype == np.float32


def test_the_batch_budget_does_not_change_the_vectors(plain_model: Path) -> None:
    texts = [f"the cat sat on the mat {'stone ' * n}" for n in range(30)]
    large = opened(plain_model, batch_tokens=100_000).encode_documents(texts)
    small = opened(plain_model, batch_tokens=1).encode_documents(texts)
    np.testing.assert_allclose(large, small, atol=1e-5)


def test_progress_is_told_after_each_batch(plain_model: Path) -> None:
    told: list[int] = []
    opened(plain_model, batch_tokens=16).encode_documents(["the cat"] * 9, told.append)
    assert told == sorted(set(told))
    assert len(told) > 1
    assert told[-1] == 9


def test_the_query_prompt_goes_before_queries_only(make_model: Callable[..., Path]) -> None:
    encoder = opened(make_model(prompts={"query": "query ", "document": ""}))
    query = encoder.encode_queries(["cat"])
    np.testing.assert_allclose(query, encoder.encode_documents(["query cat"]), atol=1e-6)
    assert not np.allclose(query, encoder.encode_documents(["cat"]), atol=1e-3)


def test_the_document_prompt_goes_before_documents(make_model: Callable[..., Path]) -> None:
    encoder = opened(make_model(prompts={"query": "", "passage": "passage "}))
    documents = encoder.encode_documents(["cat"])
    np.testing.assert_allclose(documents, encoder.encode_queries(["passage cat"]), atol=1e-6)


def test_models_without_normalisation_give_unit_vectors(make_model: Callable[..., Path]) -> None:
    vectors = opened(make_model(dense=16)).encode_documents(["the cat", "a dog"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_model_without_modules_is_pooled_by_mean(bare: Path) -> None:
    vectors = opened(bare).encode_documents(["the cat sat"])
    expected = SentenceTransformer(str(bare), device="cpu").encode(
        ["the cat sat"], normalize_embeddings=True
    )
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_threads_share_one_model(plain_model: Path) -> None:
    encoder = opened(plain_model)
    texts = [f"the dog ran {'in the park ' * n}" for n in range(12)]
    gate = threading.Barrier(6)

    def work(_: int) -> np.ndarray:
        gate.wait()
        return encoder.encode_documents(texts)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(work, range(6)))
    expected = opened(plain_model).encode_documents(texts)
    for result in results:
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_settings_choose_the_model(plain_model: Path) -> None:
    encoder = open_text_encoder(EncoderSettings(name=str(plain_model), device="cpu"))
    assert encoder.identity.dimension == encoder.encode_documents(["cat"]).shape[1] == 32
    assert encoder.tokenizer_file == plain_model / "tokenizer.json"


def test_an_unknown_device_is_an_argument_error(plain_model: Path) -> None:
    encoder = SentenceEncoder(find_model(str(plain_model)), device="abacus")
    with pytest.raises(InvalidArgument, match=r"encoder\.device is 'abacus'"):
        encoder.encode_queries(["cat"])


def test_damaged_weights_are_unavailable(plain_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "stone"
    shutil.copytree(plain_model, other)
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(EncoderUnavailable, match="'stone' cannot be used"):
        opened(other).encode_documents(["cat"])


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_vector_without_direction_is_an_error(bad: float) -> None:
    vectors = np.ones((2, 3), dtype=np.float32)
    vectors[1] = bad
    with pytest.raises(EncoderUnavailable, match="without a direction"):
        normalised(vectors, "stone")


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 1000))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    found = list(batches(lengths, budget))
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    longest = [lengths[batch[0]] for batch in found]
    assert longest == sorted(longest, reverse=True)
