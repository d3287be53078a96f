"""Rerankers: what the libraries give, whatever kind of network it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from ragstone.config import EncoderSettings
from ragstone.encoders.rerankers import RERANKER, Reranker, open_reranker
from ragstone.errors import RerankerUnavailable

QUERY = "the dog in the park"
TEXTS = ["a dog ran in the park", "the cat sat on the mat", "stone water fire air", "a dog"]


def classifier(bare: Path, folder: Path, labels: int) -> Path:
    torch.manual_seed(2)
    config = BertConfig.from_pretrained(bare, num_labels=labels)
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(bare).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def cross(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder as transformers saves it."""
    return classifier(bare, tmp_path_factory.mktemp("models") / "cross", 1)


@pytest.fixture(scope="session")
def late(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of late interaction as sentence-transformers saves it."""
    folder = tmp_path_factory.mktemp("models") / "late"
    torch.manual_seed(3)
    tokens = {"module_input_name": "token_embeddings"}
    modules: list[torch.nn.Module] = [
        Transformer(str(bare)),
        Dense(32, 16, bias=False, activation_function=torch.nn.Identity(), **tokens),  # type: ignore[arg-type]
        MultiVectorMask(),
        Normalize(**tokens),
    ]
    MultiVectorEncoder(modules=modules, device="cpu").save(str(folder))
    return folder


def opened(folder: Path) -> Reranker:
    return open_reranker(str(folder), EncoderSettings(device="cpu"))


def test_a_cross_encoder_says_what_the_library_says(cross: Path) -> None:
    found = opened(cross).scores(QUERY, TEXTS)
    bare = CrossEncoder(str(cross), device="cpu", local_files_only=True)
    pairs = [(QUERY, text) for text in TEXTS]
    expected = bare.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    assert found == pytest.approx(np.asarray(expected, float), abs=1e-5)
    assert found.dtype == np.float64


def test_a_cross_encoder_that_sentence_transformers_saved_is_read_too(
    cross: Path, tmp_path: Path
) -> None:
    CrossEncoder(str(cross), device="cpu", local_files_only=True).save(str(tmp_path / "saved"))
    expected = opened(cross).scores(QUERY, TEXTS)
    assert opened(tmp_path / "saved").scores(QUERY, TEXTS) == pytest.approx(expected, abs=1e-5)


def test_late_interaction_is_the_mean_of_the_best_matches(late: Path) -> None:
    model = MultiVectorEncoder(str(late), device="cpu", local_files_only=True)
    asked = model.encode_query(QUERY, convert_to_numpy=True, show_progress_bar=False)
    expected = []
    for text in TEXTS:
        read = model.encode_document(text, convert_to_numpy=True, show_progress_bar=False)
        expected.append((np.asarray(asked) @ np.asarray(read).T).max(axis=1).mean())
    assert opened(late).scores(QUERY, TEXTS) == pytest.approx(np.array(expected), abs=2e-3)


def test_passages_read_before_give_the_same(late: Path) -> None:
    reranker = opened(late)
    first = reranker.scores(QUERY, TEXTS)
    assert reranker.scores(QUERY, TEXTS[::-1]) == pytest.approx(first[::-1], abs=1e-9)
    assert reranker.scores(QUERY, [TEXTS[0], TEXTS[0]]) == pytest.approx(first[[0, 0]], abs=1e-9)


def test_no_texts_give_no_scores(cross: Path) -> None:
    assert opened(cross).scores(QUERY, []).shape == (0,)


def test_other_weights_are_another_digest(cross: Path, late: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(cross, tmp_path / "cross")
    assert opened(Path(copied)).identity == opened(cross).identity
    assert opened(late).identity.digest != opened(cross).identity.digest


def test_more_than_one_number_for_a_pair_is_refused(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(RerankerUnavailable, match="gives 3 numbers for a pair"):
        opened(classifier(bare, tmp_path / "three", 3))


def test_the_tokens_of_a_text_encoder_are_compared(plain_model: Path) -> None:
    model = SentenceTransformer(str(plain_model), device="cpu", local_files_only=True)
    options: dict[str, Any] = {"output_value": "token_embeddings", "show_progress_bar": False}

    def units(text: str) -> torch.Tensor:
        return torch.nn.functional.normalize(model.encode([text], **options)[0], dim=-1)

    expected = [float((units(QUERY) @ units(text).T).amax(1).mean()) for text in TEXTS]
    assert opened(plain_model).scores(QUERY, TEXTS) == pytest.approx(expected, abs=2e-3)


def test_the_default_encoder_ranks_without_anything_being_trained() -> None:
    reranker = open_reranker(RERANKER, EncoderSettings())
    assert reranker.identity.name == "all-MiniLM-L6-v2"
    scores = reranker.scores("Which stone resists frost?", [
        "Granite does not crack in winter.", "The train to the coast leaves at noon.",
    ])  # fmt: skip
    assert scores[0] > scores[1] + 0.1


def test_a_static_encoder_is_no_reranker() -> None:
    with pytest.raises(RerankerUnavailable, match="no tokens"):
        open_reranker("all-MiniLM-L6-v2-static", EncoderSettings())


def test_what_is_not_there_is_unavailable() -> None:
    with pytest.raises(RerankerUnavailable, match="neither a folder nor a model") as caught:
        open_reranker("nobody/no-such-reranker", EncoderSettings())
    assert "--no-rerank" in caught.value.hint


def test_pickled_weights_are_refused(cross: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(cross, tmp_path / "pickled"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(RerankerUnavailable, match="pickle"):
        opened(folder)


def test_code_in_the_settings_is_refused(cross: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(cross, tmp_path / "coded"))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "theirs.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RerankerUnavailable, match="code of its own"):
        opened(folder)


def test_damaged_weights_are_unavailable(cross: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(cross, tmp_path / "damaged"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000])
    with pytest.raises(RerankerUnavailable):
        opened(folder).scores(QUERY, TEXTS)
