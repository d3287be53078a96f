"""Texts of images as vectors: each embedded once, one of several drawn for each step."""

from __future__ import annotations

import numpy as np
import torch

from ragstone.encoders.base import TextEncoder
from ragstone.training.captions import captions_of
from ragstone.training.feeding_images import ImageData, Images

TEXTS = [["a seven", "Number seven, slanted"], ["a seven"], ["zero"]]


def test_a_text_as_a_whole_and_its_words(encoder: TextEncoder) -> None:
    found = captions_of(encoder, TEXTS, most=2)
    assert len(found.texts.whole) == 3  # the same text once
    vectors = found.of(np.arange(3), None)
    assert vectors.shape == (3, 3, encoder.identity.dimension)
    assert torch.equal(vectors[0], vectors[1])
    seven = torch.from_numpy(encoder.encode_documents(["seven"])[0])
    torch.testing.assert_close(vectors[0, 2], seven, rtol=1e-3, atol=1e-4)
    whole = torch.from_numpy(encoder.encode_documents(["zero"])[0])
    torch.testing.assert_close(vectors[2, 0], whole, rtol=1e-3, atol=1e-4)
    assert not vectors[2, 2].any()  # it has no second word
    second = found.of(np.array([0]), np.array([0.9]))[0]
    torch.testing.assert_close(second[2], seven, rtol=1e-3, atol=1e-4)
    assert not torch.equal(second[0], vectors[0, 0])


def test_every_text_of_an_image_is_read_some_time(encoder: TextEncoder) -> None:
    captions = captions_of(encoder, TEXTS, most=2)
    pixels = np.zeros((3, 1, 4, 4), np.uint8)
    images = Images(pixels, np.array([2, 0]), np.zeros(2, np.int64), captions=captions)
    data = ImageData(images, images)
    seen = set()
    for step in range(12):
        batch = data.batch(step, 2, 0)
        assert torch.equal(batch["texts"], data.batch(step, 2, 0)["texts"])
        seen |= {tuple(one[0, :4].tolist()) for one in batch["texts"]}
    assert len(seen) == 3
    validated = [batch["texts"][1] for batch, _ in data.validation(2)]
    assert torch.equal(validated[0], captions.texts.vectors(np.array([0]))[0])
