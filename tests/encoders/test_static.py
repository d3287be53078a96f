"""Encoders without a network: sums of token vectors, whatever the batch; damage is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from ragstone.config import EncoderSettings
from ragstone.encoders.static import StaticEncoder
from ragstone.encoders.static_files import STATIC_MODEL, find_static
from ragstone.encoders.static_table import pack, unpack
from ragstone.encoders.text import open_text_encoder
from ragstone.errors import EncoderUnavailable

TEXTS = [
    "A short one.",
    "The house stands on a rock by the sea, and its windows look out over the harbour.",
    "Water boils at 100 degrees.",
    "数据平台",
    "stone " * 600,
    "",
]


def opened(name: str | Path) -> StaticEncoder:
    encoder = open_text_encoder(EncoderSettings(name=str(name)))
    assert isinstance(encoder, StaticEncoder)
    return encoder


@pytest.fixture(scope="module")
def static() -> StaticEncoder:
    return opened(STATIC_MODEL)


@pytest.fixture
def copy(static: StaticEncoder, tmp_path: Path) -> Path:
    """The shipped folder under another name."""
    return Path(shutil.copytree(static.tokenizer_file.parent, tmp_path / "quick"))


@pytest.fixture
def model2vec(plain_model: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that saves a table as Model2Vec does."""

    def make(**tensors: np.ndarray) -> Path:
        folder = tmp_path / "potion"
        folder.mkdir()
        shutil.copy(plain_model / "tokenizer.json", folder)
        settings = {"model_type": "model2vec", "normalize": True, "hidden_dim": 8}
        (folder / "config.json").write_text(json.dumps(settings))
        save_file(tensors, folder / "model.safetensors")
        return folder

    return make


def numbers(rows: int, columns: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)


# ---------------------------------------------------------------- what it gives


def test_vectors_are_unit_float32_in_the_given_order(static: StaticEncoder) -> None:
    vectors = static.encode_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), static.identity.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors, static.encode_documents(TEXTS[::-1])[::-1])
    np.testing.assert_array_equal(vectors, static.encode_queries(TEXTS))


def test_a_vector_is_the_same_to_the_last_bit_in_batches_of_any_size(
    static: StaticEncoder,
) -> None:
    texts = [
        f"{TEXTS[number % 6]} {number} harbour {'sea ' * (number % 90)}" for number in range(1200)
    ]
    whole = static.encode_documents(texts)
    for size in (1, 7, 513):
        parts = [texts[i : i + size] for i in range(0, 600, size)]
        found = np.concatenate([static.encode_documents(part) for part in parts])
        np.testing.assert_array_equal(found[:600], whole[:600])


def test_the_order_of_words_does_not_matter(static: StaticEncoder) -> None:
    first, second = static.encode_documents(["rock by the sea", "the sea by rock"])
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_meaning_is_in_the_vectors(static: StaticEncoder) -> None:
    question = static.encode_queries(["How hot is boiling water?"])[0]
    assert int(np.argmax(static.encode_documents(TEXTS) @ question)) == 2


def test_it_reads_as_many_tokens_as_its_teacher(static: StaticEncoder) -> None:
    assert static.identity.max_tokens == 256
    long = "stone " * 255 + "sea "
    first, second, third = static.encode_documents([long, long + "harbour", "stone " * 256])
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_a_text_without_a_known_word_has_the_vector_of_the_unknown_word(
    static: StaticEncoder,
) -> None:
    empty, strange, unknown = static.encode_documents(["", "𓀀 𓁐", "[UNK]"])
    np.testing.assert_array_equal(empty, strange)
    np.testing.assert_array_equal(empty, unknown)
    assert np.linalg.norm(empty) == pytest.approx(1)


def test_unknown_words_mean_nothing_beside_known_ones(static: StaticEncoder) -> None:
    known, both = static.encode_documents(["harbour", "𓀀 harbour 𓁐"])
    np.testing.assert_array_equal(known, both)


def test_nothing_gives_an_empty_array(static: StaticEncoder) -> None:
    assert static.encode_documents([]).shape == (0, static.identity.dimension)
    assert static.encode_queries([]).dtype == np.float32


def test_progress_is_told_after_each_batch(static: StaticEncoder) -> None:
    told: list[int] = []
    static.encode_documents(["sea"] * 1100, told.append)
    assert told == [512, 1024, 1100]


def test_threads_share_one_table(copy: Path) -> None:
    encoder = opened(copy)
    gate = threading.Barrier(4)

    def work(_: int) -> np.ndarray:
        gate.wait()
        return encoder.encode_documents(TEXTS)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_neither_torch_nor_transformers_is_imported() -> None:
    code = (
        "import sys; from ragstone.config import EncoderSettings; "
        "from ragstone.encoders.text import open_text_encoder; "
        f"e = open_text_encoder(EncoderSettings(name={STATIC_MODEL!r})); "
        "e.encode_documents(['sea']); "
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- which one it is


def test_the_shipped_one_has_a_space_of_its_own(static: StaticEncoder) -> None:
    identity = static.identity
    assert identity.name == STATIC_MODEL
    assert identity.space == f"all-minilm-l6-v2-static-{identity.digest[:8]}"
    assert identity.dimension == 256


def test_other_encoders_are_none_of_it(plain_model: Path) -> None:
    assert find_static("all-MiniLM-L6-v2") is None
    assert find_static("nobody/no-such-model") is None
    assert find_static(str(plain_model)) is None


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_changed_byte_is_refused(file: str, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ragstone.encoders import static_files

    path = copy.rename(copy.with_name(STATIC_MODEL)) / file
    changed = bytearray(path.read_bytes())
    changed[-9] ^= 1
    path.write_bytes(changed)
    monkeypatch.setattr(static_files, "__file__", str(path.parent.parent / "static_files.py"))
    with pytest.raises(EncoderUnavailable, match="is not the published file"):
        opened(STATIC_MODEL)


def test_where_a_folder_lies_does_not_matter(copy: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(copy, tmp_path / "elsewhere" / copy.name)
    assert opened(moved).identity == opened(copy).identity


def test_another_table_is_another_space(copy: Path) -> None:
    before = opened(copy).identity
    tensors = load_file(copy / "model.safetensors")
    tensors["codes"][0, 0] ^= 1
    save_file(tensors, copy / "model.safetensors")
    assert opened(copy).identity.space != before.space


# ---------------------------------------------------------------- what is refused


def test_a_folder_without_a_tokenizer_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    with pytest.raises(EncoderUnavailable, match=r"holds no tokenizer\.json"):
        opened(copy)


def test_a_tokenizer_that_is_none_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderUnavailable, match=r"'quick' cannot be used: tokenizer\.json"):
        opened(copy).encode_queries(["sea"])


def test_a_table_that_is_cut_off_is_refused(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(EncoderUnavailable, match="cannot be read"):
        opened(copy)


def test_a_table_of_other_tensors_is_refused(copy: Path) -> None:
    save_file({"weight": numbers(4)}, copy / "model.safetensors")
    with pytest.raises(EncoderUnavailable, match="holds none of codes, embeddings"):
        opened(copy)


def test_a_table_without_scales_is_refused(copy: Path) -> None:
    codes = load_file(copy / "model.safetensors")["codes"]
    save_file({"codes": codes}, copy / "model.safetensors")
    with pytest.raises(EncoderUnavailable, match="cannot be read: 'scales'"):
        opened(copy).encode_queries(["sea"])


def test_a_table_that_lacks_tokens_is_refused(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    save_file({name: tensor[:100] for name, tensor in tensors.items()}, copy / "model.safetensors")
    with pytest.raises(EncoderUnavailable, match=r"has 30,522 tokens, and its table 100"):
        opened(copy).encode_queries(["sea"])


def test_numbers_that_are_not_finite_are_refused(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    tensors["scales"][5] = np.nan
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(EncoderUnavailable, match="not finite"):
        opened(copy).encode_queries(["sea"])


@pytest.mark.parametrize("bad", [0, -1, "many"])
def test_a_limit_that_is_none_is_refused(copy: Path, bad: object) -> None:
    (copy / "config.json").write_text(
        json.dumps({"model_type": "ragstone-static", "max_tokens": bad})
    )
    with pytest.raises(EncoderUnavailable, match="max_tokens is"):
        opened(copy)


# ---------------------------------------------------------------- Model2Vec


def test_model2vec_tables_are_read(model2vec: Callable[..., Path]) -> None:
    table = numbers(200)
    folder = model2vec(embeddings=table)
    encoder = opened(folder)
    assert (encoder.identity.dimension, encoder.identity.max_tokens) == (8, 512)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    summed = table[tokenizer.encode("the cat sat", add_special_tokens=False).ids].sum(axis=0)
    expected = summed / np.linalg.norm(summed)
    np.testing.assert_allclose(encoder.encode_queries(["the cat sat"])[0], expected, atol=1e-6)


def test_model2vec_tables_with_shared_rows_and_weights_are_read(
    model2vec: Callable[..., Path],
) -> None:
    rows, mapping = numbers(20).astype(np.float16), np.arange(200) % 20
    weights = np.linspace(0.1, 2, 200)
    encoder = opened(model2vec(embeddings=rows, mapping=mapping, weights=weights))
    tokenizer = Tokenizer.from_file(str(encoder.tokenizer_file))
    ids = tokenizer.encode("a dog ran", add_special_tokens=False).ids
    summed = (rows[mapping[ids]].astype(np.float32) * weights[ids, None]).sum(axis=0)
    expected = summed / np.linalg.norm(summed)
    np.testing.assert_allclose(encoder.encode_queries(["a dog ran"])[0], expected, atol=1e-6)


def test_a_text_of_rows_that_are_zero_has_a_direction(model2vec: Callable[..., Path]) -> None:
    encoder = opened(model2vec(embeddings=np.zeros((200, 8), np.float32)))
    np.testing.assert_allclose(encoder.encode_queries(["the cat"]), 8**-0.5, atol=1e-6)


# ---------------------------------------------------------------- packing


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 12))
def test_packing_keeps_each_number_to_half_a_step(seed: int, rows: int, half: int) -> None:
    table = np.random.default_rng(seed).normal(size=(rows, 2 * half)).astype(np.float32)
    tensors = pack(table)
    assert tensors["codes"].shape == (rows, half)
    step = np.abs(table).max(axis=1, keepdims=True) / 7
    error = np.square(unpack(tensors) - table).sum(axis=1)
    assert np.all(error <= np.square(0.52 * step[:, 0]) * 2 * half)


def test_packing_again_changes_nothing() -> None:
    tensors = pack(numbers(50))
    again = pack(unpack(tensors))
    np.testing.assert_allclose(unpack(again), unpack(tensors), rtol=1e-3)


def test_rows_of_zeros_stay_zeros() -> None:
    assert not unpack(pack(np.zeros((3, 4), np.float32))).any()


def test_an_odd_dimension_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="dimension of 7"):
        pack(numbers(3, 7))
