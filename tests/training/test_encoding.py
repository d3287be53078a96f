"""A bert of the workspace: it fills gaps, and its vectors find passages."""

from __future__ import annotations

import numpy as np
import pytest

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import EncoderUnavailable, InvalidArgument
from ragstone.models.sampling import Sampler
from ragstone.schemas.answers import StoredAnswer
from ragstone.schemas.models import ModelInfo
from ragstone.training.encoding import WorkspaceEncoders
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"context": 48, "width": 32, "layers": 2, "heads": 2, "tokens": 400}
QUICK = {**SMALL, "steps": 250, "batch": 16, "warmup": 20}
SENTENCES = [
    "Granite resists frost best of all stones.",
    "Slate splits into thin plates for roofs.",
    "Marble takes a polish and fears acid.",
    "Basalt columns cool from lava.",
]


@pytest.fixture(scope="module")
def stones(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("stones")
    for number in range(40):
        text = " ".join(SENTENCES[(number + n * n) % 4] for n in range(9))
        (folder / f"{number:02}.txt").write_text(f"Note {number * 7919}. {text}")
    for number, sentence in enumerate(SENTENCES):
        (folder / f"alone-{number}.txt").write_text(sentence)
    path = tmp_path_factory.mktemp("models") / "workspace"
    ws = ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0})
    ws.ingest([folder], "stones")
    return ws


@pytest.fixture(scope="module")
def trained(stones: Workspace) -> ModelInfo:
    return stones.train_model("bert", "stones", "reads", QUICK)


def test_it_learns_from_the_words_around(stones: Workspace, trained: ModelInfo) -> None:
    assert trained.family == "bert"
    assert trained.tokenizer.startswith("bpe")
    assert trained.bits_per_byte is None
    found = stones.evaluate_model("reads")
    assert found.loss == pytest.approx(trained.loss, abs=1e-4)
    assert found.loss < found.measures["entropy"] - 2
    assert found.measures["right"] > 0.7


def test_gaps_are_filled(stones: Workspace, trained: ModelInfo) -> None:
    greedy = Sampler(temperature=0)
    assert trained.number == 1
    asked = "Slate[MASK] into thin [MASK] for roofs. Marble takes a polish"
    made = stones.sample("reads", asked, sampler=greedy)
    assert made == stones.sample("reads", asked, sampler=greedy)
    assert "[MASK]" not in made.text
    assert made.text == "Slate splits into thin plates for roofs. Marble takes a polish"
    with pytest.raises(InvalidArgument, match=r"\[MASK\] for each token"):
        stones.sample("reads", "Slate splits")
    with pytest.raises(InvalidArgument, match="at most 48"):
        stones.sample("reads", 40 * "stone " + "[MASK]")


def test_a_text_is_embedded_alone_as_among_others(stones: Workspace, trained: ModelInfo) -> None:
    opened = WorkspaceEncoders(stones.path / "models").open(
        EncoderSettings(name=f"model:reads@{trained.number}", device="cpu")
    )
    texts = [*SENTENCES, "", 60 * "slate "]
    together = opened.encode_documents(texts)
    assert together.shape == (6, 32)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(opened.encode_queries([text])[0], vector, atol=1e-5)
    assert opened.identity.max_tokens == 48
    assert opened.tokenizer_file.is_file()


def test_what_cannot_embed_is_refused(stones: Workspace) -> None:
    with pytest.raises(EncoderUnavailable, match="nothing"):
        stones.reembed("stones", "model:nothing")
    stones.train_model("gru", "stones", "writes", {"steps": 2, "width": 16, "context": 16})
    with pytest.raises(EncoderUnavailable, match="it is a gru; those that embed are: bert"):
        stones.reembed("stones", "model:writes")


def test_its_vectors_are_a_space_of_their_own(stones: Workspace, trained: ModelInfo) -> None:
    """From the model to a receipt that names its weights."""
    done = stones.reembed("stones", "model:reads")
    assert done.encoder == "model:reads@1"
    assert trained.digest[:8] in done.space
    hits = stones.search(SENTENCES[1], "stones", mode="vector", k=3).hits
    assert hits[0].text == SENTENCES[1]
    stored = stones.show(stones.ask("What resists frost?", "stones").answer_id)
    assert isinstance(stored, StoredAnswer)
    assert stored.receipt is not None
    assert stored.receipt.digests["encoder"] == trained.digest
    # Another of the name does not take its place.
    assert stones.train_model("bert", "stones", "reads", {**SMALL, "steps": 3}).number == 2
    stones.close()
    with ragstone.open(stones.path) as again:
        assert again.search(SENTENCES[1], "stones", mode="vector", k=3).hits == hits
        with pytest.raises(InvalidArgument, match="another encoder than 'stones' has"):
            again.reembed("stones", "model:reads@1")
