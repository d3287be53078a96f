"""Queries that were asked before: the same vectors, made once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import ragstone
from ragstone.encoders.base import EncoderIdentity, TextEncoder, Vectors
from ragstone.encoders.remembering import QueryMemory, RememberingText


class Counting:
    """An encoder that notes what it is asked; its vectors say which call made them."""

    def __init__(self, name: str = "counting") -> None:
        self.identity = EncoderIdentity(name, "0" * 64, dimension=2, max_tokens=8)
        self.asked: list[list[str]] = []

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        return np.array([[len(text), len(self.asked)] for text in texts], dtype=np.float32)


def test_a_repeated_query_is_encoded_once_and_its_vector_stays_the_same() -> None:
    encoder, memory = Counting(), QueryMemory()
    first = memory.encode(encoder, ["a stone"])
    first[:] = 7  # what a caller does to its vectors is its own affair
    again = memory.encode(encoder, ["a stone"])
    assert again.tolist() == [[7, 1]]  # its length, and the first call
    again[:] = 8
    assert memory.encode(encoder, ["a stone"]).tolist() == [[7, 1]]
    assert encoder.asked == [["a stone"]]


def test_batches_are_neither_kept_nor_answered_from_memory() -> None:
    encoder, memory = Counting(), QueryMemory()
    memory.encode(encoder, ["a", "b"])
    assert len(memory) == 0
    memory.encode(encoder, ["a"])
    assert memory.encode(encoder, ["a", "b"])[0, 1] == 3
    assert memory.encode(encoder, []).shape == (0,)
    assert encoder.asked == [["a", "b"], ["a"], ["a", "b"], []]


def test_the_same_text_for_another_encoder_is_another_query() -> None:
    one, other, memory = Counting(), Counting("other"), QueryMemory()
    memory.encode(one, ["a stone"])
    memory.encode(other, ["a stone"])
    assert (len(one.asked), len(other.asked), len(memory)) == (1, 1, 2)
    memory.encode(Counting(), ["a stone"])  # another object with the vectors of the first
    assert len(memory) == 2


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    encoder, memory = Counting(), QueryMemory(entries=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        memory.encode(encoder, [text])
    assert encoder.asked == [["a"], ["b"], ["c"], ["b"]]
    assert len(memory) == 2


def test_threads_share_it(encoder: TextEncoder) -> None:
    memory = QueryMemory(entries=4)
    texts = [f"query {number % 7}" for number in range(70)]
    expected = {text: encoder.encode_queries([text])[0] for text in texts}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: memory.encode(encoder, [text])[0], texts))
    for text, vector in zip(texts, found, strict=True):
        np.testing.assert_array_equal(vector, expected[text])
    assert len(memory) == 4


def test_equal_encoders_stand_for_each_other(encoder: TextEncoder) -> None:
    memory = QueryMemory()
    assert RememberingText(encoder, memory) == RememberingText(encoder, memory)
    assert hash(RememberingText(encoder, memory)) == hash(RememberingText(encoder, memory))


def test_search_and_ask_encode_a_question_once_and_find_the_same(
    tmp_path: Path, encoder: TextEncoder
) -> None:
    class Watched(RememberingText):
        asked: list[list[str]] = []  # noqa: RUF012 - one object, one test

        def encode_queries(self, texts: Sequence[str]) -> Vectors:
            self.asked.append(list(texts))
            return self.encoder.encode_queries(texts)

    (tmp_path / "stone.md").write_text("# Granite\n\nGranite is a hard stone made of quartz.\n")
    watched = Watched(encoder, QueryMemory())
    settings = {"workers": 0}
    with ragstone.open(
        tmp_path / "w", create=True, encoder=watched, ingestion=settings
    ) as workspace:
        workspace.ingest(tmp_path / "stone.md", "stones")
        question = "What is granite made of?"
        first = workspace.search(question, "stones")
        assert workspace.search(question, "stones") == first
        assert workspace.ask(question, "stones").found
        assert watched.asked.count([question.rstrip("?")]) == 1
