"""Language models: what is read at once and token by token is the same, and nothing looks ahead."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ragstone.errors import InvalidArgument
from ragstone.models.exporting import export
from ragstone.models.families import FAMILIES, family
from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.knn import Datastore, Mixture, judge, read_states, tuned
from ragstone.models.language import LanguageModel
from ragstone.models.nn.transformer import SquaredReLU
from ragstone.models.sampling import Sampler, write
from ragstone.models.tokenizers import Tokenizer, make_tokenizer

SMALL = {"vocabulary": 23, "context": 32, "width": 16, "layers": 2}
TEXT = np.random.default_rng(5).integers(0, 23, 400)


def made(name: str) -> LanguageModel:
    torch.manual_seed(3)
    known = family(name)
    model = cast("LanguageModel", known.build(known.config.of(SMALL))).eval()
    for parameter in model.parameters():  # as if it were trained: else all logits are alike
        parameter.data.mul_(3)
    return model


LANGUAGE = [name for name, known in FAMILIES.items() if known.material == "text"]


@pytest.fixture(params=LANGUAGE)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return made(str(request.param))


@torch.no_grad()
def test_read_in_pieces_is_read_at_once(model: LanguageModel) -> None:
    tokens = torch.from_numpy(TEXT[:60]).view(2, 30)
    state = model.new_state(2)
    pieces = [tokens[:, :7], tokens[:, 7:8], tokens[:, 8:20], tokens[:, 20:]]
    parts = [model.predict(model.read(piece, state)) for piece in pieces]
    torch.testing.assert_close(torch.cat(parts, 1), model(tokens), rtol=1e-5, atol=1e-5)


def test_nothing_looks_ahead(model: LanguageModel) -> None:
    """The gradient of what is said after a token is exactly 0 in all tokens that follow."""
    tokens = torch.from_numpy(TEXT[:20])[None]
    seen: list[torch.Tensor] = []

    def keep(_: object, __: object, output: torch.Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    embedding = model.get_submodule("embedding")
    embedding.register_forward_hook(keep)
    model(tokens)[0, 11].square().sum().backward()
    gradient = seen[0].grad
    assert gradient is not None
    assert bool((gradient[0, 12:] == 0).all())
    assert bool((gradient[0, :12] != 0).any(dim=1).all())


def test_written_with_and_without_a_memory_is_the_same(model: LanguageModel) -> None:
    start = TEXT[:5].tolist()
    found = list(islice(write(model, start, Sampler(temperature=0)), 20))
    tokens = list(start)
    for token in found:
        with torch.no_grad():
            assert int(model(torch.tensor([tokens]))[0, -1].argmax()) == token
        tokens.append(token)


def test_it_writes_on_beyond_its_context(model: LanguageModel) -> None:
    sampler = Sampler(seed=4)
    first, again = (list(islice(write(model, [1], sampler), 100)) for _ in range(2))
    assert first == again
    assert first != list(islice(write(model, [1], Sampler(seed=5)), 100))


def test_settings_are_read_as_they_were_written(model: LanguageModel) -> None:
    config = model.config
    assert type(config).from_json(config.to_json()) == config
    with pytest.raises(InvalidArgument, match="wdith"):
        type(config).of({"vocabulary": 3, "wdith": 4})
    with pytest.raises(InvalidArgument, match="of type int"):
        type(config).of({"vocabulary": 3, "width": "wide"})
    with pytest.raises(InvalidArgument, match="vocabulary"):
        type(config).of({})
    other = next(name for name in FAMILIES if name != config.family)
    with pytest.raises(InvalidArgument, match=other):
        family(other).config.from_json(config.to_json())


def test_too_much_at_once_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at most 32"):
        made("gpt")(torch.zeros(1, 33, dtype=torch.int64))
    with pytest.raises(InvalidArgument, match="twice 4 heads"):
        GPTConfig(vocabulary=3, width=20)
    with pytest.raises(InvalidArgument, match="one of gpt, lstm, gru"):
        family("gtp")


def test_a_gpt_without_gates_squares_and_has_as_many_parameters() -> None:
    sizes = {"vocabulary": 23, "context": 32, "width": 48, "layers": 2}
    gated, squared = (GPT(GPTConfig.of({**sizes, "activation": a})) for a in ("swiglu", "relu2"))
    assert gated.parameters_count == squared.parameters_count
    assert [name for name, _ in squared.named_parameters()] == [
        name for name, _ in gated.named_parameters() if "gate" not in name
    ]
    feed = SquaredReLU(1, 2)
    feed.up.weight.data = torch.tensor([[2.0], [-1.0]])
    feed.down.weight.data = torch.tensor([[1.0, 10.0]])
    assert feed(torch.tensor([3.0])).item() == 36
    assert feed(torch.tensor([-3.0])).item() == 90
    with pytest.raises(InvalidArgument, match="one of swiglu, relu2"):
        GPTConfig.of({**sizes, "activation": "gelu"})


# ---------------------------------------------------------------- samplers


def chosen(sampler: Sampler, logits: list[float], seen: tuple[int, ...] = ()) -> set[int]:
    rng = torch.Generator().manual_seed(0)
    return {sampler.pick(torch.tensor(logits), seen, rng) for _ in range(300)}


def test_samplers_leave_out_what_they_should() -> None:
    logits = [3.0, 2.0, 1.0, 0.0, -1.0]  # chances .64 .23 .09 .03 .01
    assert chosen(Sampler(temperature=0), [1.0, 5.0, 5.0]) == {1}
    assert chosen(Sampler(), logits) == {0, 1, 2, 3, 4}
    assert chosen(Sampler(top_k=2), logits) == {0, 1}
    assert chosen(Sampler(top_p=0.5), logits) == {0}
    assert chosen(Sampler(top_p=0.7), logits) == {0, 1}
    assert chosen(Sampler(min_p=0.1), logits) == {0, 1, 2}
    assert chosen(Sampler(temperature=0.01), logits) == {0}


def test_what_was_there_can_be_made_less_likely() -> None:
    greedy = Sampler(temperature=0, repetition_penalty=2)
    assert chosen(greedy, [3.0, 2.0, 0.0], (0,)) == {1}
    assert chosen(greedy, [-1.0, -1.5, -9.0], (0,)) == {1}


@pytest.mark.parametrize("wrong", [{"top_p": 1.5}, {"temperature": -1}, {"min_p": 2}])
def test_a_sampler_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument, match="between 0 and"):
        Sampler(**wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------- tokenizers


@pytest.mark.parametrize("kind", ["bytes", "characters", "bpe"])
def test_a_text_comes_back(kind: str) -> None:
    texts = ["Granit & Schiefer: 3,5 m²\n\n\tdie Mauer.  ", "das Dach 🪨"]
    tokenizer = make_tokenizer(kind, texts, 300)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.encode(texts[0]).tolist() == tokenizer.encode(texts[0]).tolist()
    assert tokenizer.end not in tokenizer.encode("<|end|" + "x")


def test_pairs_are_learnt_and_unknown_characters_are_one_token() -> None:
    text = "granite granite granite slate slate"
    assert len(make_tokenizer("bpe", [text], 300).encode(text)) < len(text) / 3
    assert len(make_tokenizer("bytes", [text]).encode("é")) == 2
    notes = make_tokenizer("notes", [])
    piece = "60 64 67\n- 64\n\n127 0"
    assert notes.decode(notes.encode(piece)) == piece
    assert notes.encode(piece).tolist() == [64, 68, 71, 2, 3, 68, 2, 2, 131, 4]
    characters = make_tokenizer("characters", [text])
    assert characters.size == 2 + len(set(text))
    assert characters.decode(characters.encode("gra?nite")) == "granite"


def test_wrong_tokenizers_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="one of bytes, characters, bpe"):
        make_tokenizer("words", ["a"])
    with pytest.raises(InvalidArgument, match="at least 257"):
        make_tokenizer("bpe", ["a"], 100)


# ---------------------------------------------------------------- transformers


def test_transformers_reads_it_with_equal_logits(tmp_path: Path) -> None:
    tokenizer = make_tokenizer("characters", ["the wall of granite"])
    torch.manual_seed(0)
    model = GPT(GPTConfig.of({**SMALL, "vocabulary": tokenizer.size})).eval()
    export(model, tokenizer, tmp_path)
    other = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    tokens = torch.from_numpy(tokenizer.encode("granite wall"))[None]
    with torch.no_grad():
        torch.testing.assert_close(other(tokens).logits, model(tokens), rtol=1e-5, atol=1e-6)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs("granite wall")["input_ids"] == tokens[0].tolist()
    assert theirs.decode(tokens[0]) == "granite wall"


def test_what_transformers_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="of the family gpt"):
        export(made("gru"), make_tokenizer("bytes", []), tmp_path)
    squared = GPT(GPTConfig.of({**SMALL, "activation": "relu2"}))
    with pytest.raises(InvalidArgument, match="train one with activation=swiglu"):
        export(squared, make_tokenizer("bytes", []), tmp_path)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- neighbours


def test_each_token_is_read_once_and_with_what_was_before(model: LanguageModel) -> None:
    for count in (2, 20, 32, 33, 49, 64, 399):
        lookups, states, following = read_states(model, TEXT[: count + 1])
        assert len(lookups) == count
        assert following.tolist() == TEXT[1 : count + 1].tolist()
        assert len(states) == count
        with torch.inference_mode():
            whole = model.read(torch.from_numpy(TEXT[None, : min(count, 32)]))[0]
        np.testing.assert_allclose(states[: len(whole)], whole, rtol=1e-4, atol=1e-5)


def test_no_weight_is_the_model_itself(model: LanguageModel) -> None:
    store = Datastore.build(model, TEXT, Mixture(8))
    logits, state = torch.randn(23), torch.randn(model.config.width)
    assert store.mix(logits, state) is logits


def test_neighbours_change_the_chances_as_they_are_judged(model: LanguageModel) -> None:
    store = Datastore.build(model, TEXT[:300], Mixture(8, 0.4, 2.0))
    text = TEXT[300:330]
    chances = judge(model, store, text)
    lookups, states, following = map(torch.from_numpy, read_states(model, text))
    losses = []
    for lookup, state, token in zip(lookups, states, following, strict=True):
        with torch.inference_mode():
            mixed = store.mix(model.predict(state), lookup)
        assert float(mixed.exp().sum()) == pytest.approx(1, abs=1e-4)
        losses.append(-float(mixed[token]))
    assert chances.loss(store.mixture) == pytest.approx(float(np.mean(losses)), abs=1e-4)


def test_the_weight_is_tuned_on_half_and_helps_where_texts_repeat(
    model: LanguageModel, tmp_path: Path
) -> None:
    text = np.tile(TEXT[:90], 4)
    store = Datastore.build(model, text, Mixture(4))
    chances = judge(model, store, text[:200])
    found = tuned(store, chances)
    rest = slice(100, None)
    assert found.mixture.weight > 0.3
    assert chances.loss(found.mixture, rest) < chances.loss(Mixture(), rest) / 2
    found.save(tmp_path)
    again = Datastore.open(tmp_path, found.mixture)
    state = torch.randn(model.config.width)
    logits = torch.randn(23)
    torch.testing.assert_close(again.mix(logits, state), found.mix(logits, state))
    # And where nothing repeats, it does not hurt.
    lone = Datastore.build(model, TEXT[:200], Mixture(4))
    others = judge(model, lone, TEXT[200:])
    assert others.loss(tuned(lone, others).mixture, slice(0, 99)) <= others.loss(
        Mixture(), slice(0, 99)
    )
