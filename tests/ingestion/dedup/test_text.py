"""Near-duplicates of texts: the same numbers everywhere, found and verified as promised."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.ingestion.dedup import minhash
from ragstone.ingestion.dedup.base import Pair, Signed
from ragstone.ingestion.dedup.exact import exact_pairs
from ragstone.ingestion.dedup.minhash import BANDS, band_keys
from ragstone.ingestion.dedup.policy import Member, Policy, applied
from ragstone.ingestion.dedup.shingles import shared, shingles
from ragstone.ingestion.dedup.text import TextFinder, sign_text
from ragstone.storage.bands import BUCKET

NONE = Signed(np.empty(0, np.int64), [])
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "st", "ld")]


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def tuples(text: str) -> set[tuple[str, ...]]:
    """The five-word runs of a text without accents or unspaced scripts, found another way."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))} if words else set()


def jaccard(one: str, other: str) -> float:
    a, b = tuples(one), tuples(other)
    return len(a & b) / len(a | b)


def prose(generator: random.Random, words: int) -> list[str]:
    return [generator.choice(WORDS) + generator.choice(WORDS) for _ in range(words)]


def rewritten(generator: random.Random, words: list[str], edits: int) -> list[str]:
    """Replace, drop or put in `edits` words."""
    words = list(words)
    for _ in range(edits):
        place = generator.randrange(len(words))
        words[place : place + generator.randint(0, 1)] = prose(generator, generator.randint(0, 2))
    return words


def signed(texts: Sequence[str], first: int = 0) -> Signed:
    keys = np.arange(first, first + len(texts), dtype=np.int64)
    return Signed(keys, [sign_text(text)[-1].value for text in texts])


def found(texts: Sequence[str]) -> list[Pair]:
    return TextFinder().find(signed(texts), NONE, texts.__getitem__)


# ---------------------------------------------------------------- shingles


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The quick, brown fox\njumps!", "the QUICK brown\t fox -- jumps"),
        ("don't stop — it’s “fine” here", "Don’t stop: it's fine here"),
        ("na\u00efve caf\u00e9 at the corner", "nai\u0308ve cafe\u0301 at the corner"),
        ("Straße und Fluß am großen Tor", "STRASSE UND FLUSS AM GROSSEN TOR"),
        ("東京都に住む人々。", "東京都 に住む\u3000人々"),
        ("one two", "\x00one_two "),
    ],
)
def test_case_punctuation_and_form_do_not_count(one: str, other: str) -> None:
    assert len(shingles(one))
    assert shingles(one).tolist() == shingles(other).tolist()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        (" .,;— \u200b", 0),
        ("one", 1),
        ("one two three four", 1),
        ("one two three four five", 1),
        ("one two three four five six", 2),
        ("one two three four five one two three four five", 5),
        ("吾輩は猫である名前", 5),  # nine characters, each a word
        ("ภาษาไทยง่าย", 7),  # eleven, marks among them
        ("नमस्ते दुनिया यह एक वाक्य है", 2),  # six words: marks do not part them
        ("한국어는 띄어쓰기를 하는 언어 입니다", 1),  # five words
        ("a\ud800b c d e f", 2),  # half a surrogate pair parts words
    ],
)
def test_number_of_shingles(text: str, count: int) -> None:
    assert len(shingles(text)) == count


def test_order_and_number_of_words_count() -> None:
    assert shingles("alpha beta").tolist() != shingles("beta alpha").tolist()
    assert shingles("alpha alpha").tolist() != shingles("alpha").tolist()
    assert shingles("a b c d e").tolist() != shingles("e d c b a").tolist()
    assert shingles("ab c").tolist() != shingles("a bc").tolist()


@pytest.mark.parametrize("accent", ["", "é "], ids=["ascii", "unicode"])
def test_long_texts_are_hashed_in_blocks_without_a_seam(accent: str) -> None:
    words = prose(seeded(1), 40_000)
    words[20_000] = "x" * 200_000  # longer than a block
    text = accent + " ".join(words)
    pieces = [shingles(accent + " ".join(words[:20_010])), shingles(" ".join(words[20_006:]))]
    assert len(text) > 4 * 2**16
    assert shingles(text).tolist() == np.unique(np.concatenate(pieces)).tolist()


@settings(deadline=None)
@given(st.text(alphabet="aB c.é\u0301東ß\n'_1", max_size=80))
def test_shingles_are_those_of_the_words(text: str) -> None:
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    words = re.findall("東|[^\\W_東][^\\W_東\u0301]*|\u0301[^\\W_東\u0301]*", plain)
    if "\u0301" not in plain:  # where it did not compose, words are as the next test says
        runs = {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))} if words else set()
        assert len(shingles(text)) == len(runs)
    assert shingles(text).tolist() == shingles(plain).tolist()


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd")))
def test_shared_counts_as_sets_do(one: list[str], other: list[str]) -> None:
    a, b = " ".join(one), " ".join(other)
    assert shared(shingles(a), shingles(b)) == len(tuples(a) & tuples(b))


# ---------------------------------------------------------------- signatures


def test_signatures_are_the_same_on_every_machine() -> None:
    payload, near = sign_text("The quick brown fox jumps over the lazy dog")
    assert (payload.kind, payload.algorithm) == ("payload", "blake3-text-1")
    assert payload.value.hex().startswith("2f1514181aadccd9")
    assert (near.kind, near.algorithm) == ("text", "minhash-w5-126-21x6-rensa2")
    assert len(near.value) == 8 * (1 + BANDS)
    # Another version of rensa that gives other digests must name itself another algorithm.
    assert [f"{number:016x}" for number in np.frombuffer(near.value, "<u8")[[0, 1, 21]]] == [
        "bf815eb40dbb873e",
        "91a45f84f2d8aa1d",
        "a37b978a8af464cd",
    ]
    assert [f"{number:016x}" for number in shingles("Größe: 5 m; नमस्ते दुनिया 東京都")] == [
        "195da054710aa523",
        "5b0ea71e847a32e8",
        "9563deae2355c00f",
        "aa7587075456384b",
    ]


def test_payload_is_the_text_without_the_shape_of_its_white_space() -> None:
    one, other = sign_text("Zwei\u00e4  W\n\nörter "), sign_text("\tZweia\u0308 W örter")
    assert one[0] == other[0]
    assert sign_text("zweiä w örter")[0] != one[0]
    assert one[0].value == blake3("Zweiä W örter".encode()).digest()


@settings(deadline=None)
@given(st.text(alphabet="a \n\t\x0b\x1c\x1f\x00\xa0e\u0301", max_size=20))
def test_payload_of_any_white_space(text: str) -> None:
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    values = [s.value for s in sign_text(text) if s.kind == "payload"]
    assert values == ([blake3(plain.encode()).digest()] if plain else [])


def test_what_has_no_words_has_no_near_signature() -> None:
    assert sign_text(" \n\t ") == ()
    assert [signature.kind for signature in sign_text("* * *")] == ["payload"]
    assert [signature.kind for signature in sign_text("half \ud800 a pair")] == ["payload", "text"]


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8])
@pytest.mark.parametrize("size", [12, 300])
def test_bands_are_shared_as_often_as_computed(similarity: float, size: int) -> None:
    generator = np.random.default_rng(size)
    common = round(2 * size * similarity / (1 + similarity))
    exact = common / (2 * size - common)
    met = 0
    for _ in range(1_000):
        numbers = generator.integers(0, 2**64, 2 * size - common, dtype=np.uint64)
        one, other = np.sort(numbers[:size]), np.sort(numbers[size - common :])
        met += bool((band_keys(one) == band_keys(other)).any())
    expected = 1 - (1 - exact**minhash.ROWS) ** BANDS
    assert met / 1_000 == pytest.approx(expected, abs=0.05)


# ---------------------------------------------------------------- finding


def test_recall_and_precision_on_planted_pairs() -> None:
    generator = seeded(7)
    texts: list[str] = []
    for _ in range(700):
        words = prose(generator, generator.choice([60, 150, 330]))
        edits = generator.randint(0, len(words) // 18)
        texts += [" ".join(words), " ".join(rewritten(generator, words, edits))]
    planted = {(i, i + 1): jaccard(texts[i], texts[i + 1]) for i in range(0, len(texts), 2)}
    pairs = {(pair.first, pair.second): pair for pair in found(texts)}

    for least, recall in ((0.8, 0.99), (0.7, 0.92)):
        wanted = {pair for pair, exact in planted.items() if exact >= least}
        assert len(wanted) > 150
        assert len(wanted & pairs.keys()) / len(wanted) >= recall
    between = {p for p, exact in planted.items() if 0.7 <= exact < 0.8}
    assert len(between) > 60
    assert len(between & pairs.keys()) / len(between) >= 0.92
    for (one, other), pair in pairs.items():
        exact = jaccard(texts[one], texts[other])
        assert exact >= 0.5
        assert pair.distance == pytest.approx(1 - exact, abs=1e-12)
        assert pair.evidence["jaccard"] == pytest.approx(exact, abs=1e-12)
        assert pair.evidence["shingles"] == [len(tuples(texts[one])), len(tuples(texts[other]))]


def test_distance_is_exact_where_a_threshold_is() -> None:
    words = prose(seeded(3), 100)
    one, other = " ".join(words[:14]), " ".join(words[:11])  # 7 of 10 shingles
    (pair,) = [p for p in found([one, other]) if p]
    assert pair.distance == 0.3


def test_copies_make_a_star_and_only_one_of_them_meets_others() -> None:
    generator = seeded(5)
    words = prose(generator, 300)
    near = " ".join([*words[:298], "other", "end"])
    copies = [" ".join(words), " ".join(words).upper(), ", ".join(words) + "."]
    pairs = found([*copies, near, near + "!"])
    assert [(p.first, p.second) for p in pairs if p.distance == 0] == [(0, 1), (0, 2), (3, 4)]
    assert [(p.first, p.second) for p in pairs if p.distance > 0] == [(0, 3)]


def test_forms_cost_no_pair_for_each_two_of_them() -> None:
    generator = seeded(6)
    body = prose(generator, 200)
    forms = [" ".join([*body, f"number{i}", "of", "many"]) for i in range(6 * BUCKET)]
    pairs = found(forms)
    members = {key: Member(str(key), str(key)) for key in range(len(forms))}
    outcome = applied(members, pairs, Policy())
    assert len(pairs) < 32 * len(forms)  # of 73,536
    assert [len(group.members) for group in outcome.groups] == [len(forms)]


def test_found_again_when_the_middle_of_a_star_is_gone() -> None:
    words = prose(seeded(8), 120)
    texts = [" ".join(words), " ".join(words).title(), " ".join(words) + " more", "far away " * 9]
    pairs = found(texts)
    gone = 0
    assert {pair.first for pair in pairs} == {gone}
    again = sorted({p.second for p in pairs if p.first == gone})
    new = Signed(np.array(again), [sign_text(texts[key])[-1].value for key in again])
    known = Signed(np.array([3]), [sign_text(texts[3])[-1].value])
    mended = TextFinder().find(new, known, texts.__getitem__)
    assert [(pair.first, pair.second) for pair in mended] == [(1, 2)]


def test_nothing_new_finds_nothing() -> None:
    texts = ["the same words as ever in here"] * 2
    assert TextFinder().find(NONE, signed(texts), texts.__getitem__) == []


# ---------------------------------------------------------------- any order, any split


def _families() -> list[str]:
    """Texts that are alike in all ways: chains, copies, close calls, strangers, short ones."""
    generator = seeded(11)
    texts = []
    for edits in (1, 2, 3, 4, 6):
        words = prose(generator, 90)
        for _ in range(4):
            texts.append(" ".join(words))
            words = rewritten(generator, words, edits)
        texts += [texts[-1].upper(), f"{texts[-2]} !"]
    return [*texts, "short one", "Short, one", "", "   ", "?!"]


FAMILIES = _families()
MEMBERS = [Member(blake3(text.encode()).hexdigest(), f"{i:03}") for i, text in enumerate(FAMILIES)]


def _ingested(
    order: Sequence[int], cuts: Sequence[int]
) -> tuple[set[tuple[str, frozenset[str]]], set[str]]:
    """Take in the texts in batches; return groups and what stays visible, by name."""
    pairs: list[Pair] = []
    stored: dict[str, Signed] = {"text": NONE, "payload": NONE}
    bounds = [0, *sorted(cuts), len(order)]
    for start, end in pairwise(bounds):
        signatures = [
            (key, s) for key in range(start, end) for s in sign_text(FAMILIES[order[key]])
        ]
        for kind, known in stored.items():
            new = [(key, s.value) for key, s in signatures if s.kind == kind]
            fresh = Signed(np.array([k for k, _ in new], np.int64), [value for _, value in new])
            if kind == "text":
                pairs += TextFinder().find(fresh, known, lambda key: FAMILIES[order[key]])
            keys = np.concatenate([known.keys, fresh.keys])
            stored[kind] = Signed(keys, [*known.values, *fresh.values])
    pairs += exact_pairs(stored["payload"], "blake3-text-1")
    members = {key: MEMBERS[place] for key, place in enumerate(order)}
    outcome = applied(members, pairs, Policy())
    names = {key: member.source for key, member in members.items()}
    made = {(group.id, frozenset(names[key] for key in group.members)) for group in outcome.groups}
    return made, {name for key, name in names.items() if key not in outcome.hidden}


EXPECTED = _ingested(range(len(FAMILIES)), ())


@settings(max_examples=20, deadline=None)
@given(
    st.permutations(range(len(FAMILIES))),
    st.lists(st.integers(0, len(FAMILIES)), max_size=6),
)
def test_any_order_and_split_gives_the_same_groups_and_the_same_kept(
    order: list[int], cuts: list[int]
) -> None:
    groups, visible = _ingested(order, cuts)
    assert groups == EXPECTED[0]
    assert visible == EXPECTED[1]


def test_the_families_have_something_to_find() -> None:
    groups, visible = EXPECTED
    assert len(groups) >= 8
    assert 8 < len(visible) < len(FAMILIES) - 8


# ---------------------------------------------------------------- real articles


@pytest.mark.parametrize("count", [100, 1_000, 2_500])
def test_planted_articles_are_found_and_no_others(data: Path, count: int) -> None:
    folder = data / "neardup_articles_minhash"
    lines = (folder / f"articles_{count}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    planted = (folder / f"pairs_{count}.tsv").read_text().splitlines()[1:]
    texts = [row["text"] for row in rows]
    pairs = {frozenset((rows[p.first]["_id"], rows[p.second]["_id"])) for p in found(texts)}
    assert len(texts) == count
    assert pairs == {frozenset(line.split()) for line in planted}
