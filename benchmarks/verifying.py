"""The verifier: claims judged by quotes, beside the majority and the overlap of words.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/verifying.py --training FOLDER
     RAGSTONE_DATA=/path/to/data python benchmarks/reading.py --training FOLDER/questions
     ragstone train verifier FOLDER/questions/*.json --claims FOLDER/scifact.jsonl --out VERIFIER
     RAGSTONE_DATA=/path/to/data python benchmarks/verifying.py --verifier VERIFIER

The first command writes the claims of SciFact's training split with their evidence; where there is
none, with the sentence of the cited abstract that shares most words. Measured are

* the claims of SciFact's validation split: accuracy and mean F1 of the three verdicts, beside the
  commonest verdict, and beside "supported" from the overlap of words that is best on the training
  split;
* claims made of questions about articles that nothing was trained on (`ragstone.training.claims`);
* what reaches an answer: the supported and the contradicted ones of the same claims, as a generator
  would write them, with their whole passages. Support rate: the part of the kept ones that are
  supported indeed. By words alone, and by words and verifier together, as answers are verified;
* risk and coverage: how many claims are kept at a threshold, and how many of them wrongly.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from reading import HELD_OUT, is_test

from ragstone.encoders.verifiers import CONTRADICTED, NEITHER, SUPPORTED, Verifier
from ragstone.generation.base import Passage
from ragstone.generation.claims import RawClaim
from ragstone.generation.verification import Verification
from ragstone.generation.words import stems
from ragstone.text import sentence_spans
from ragstone.training.claims import VERDICTS, Judged, made_claims
from ragstone.training.questions import read_questions
from ragstone.training.verifier import macro_f1

LABELS = {"SUPPORT": SUPPORTED, "CONTRADICT": CONTRADICTED, "": NEITHER}
COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def scifact(folder: Path, split: str) -> list[Judged]:
    """Return the claims of a split with their evidence, each claim and abstract once."""
    with (folder / "corpus.jsonl").open(encoding="utf-8") as file:
        texts = {row["_id"]: row["text"] for row in map(json.loads, file)}
    cut = {key: [text[a:b] for a, b in sentence_spans(text)] for key, text in texts.items()}
    evidence: dict[tuple[str, str], tuple[str, set[int]]] = {}
    found = []
    with (folder / f"claims_{split}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            places = {int(place) for place in row["evidence_sentences"].strip("[]").split()}
            if row["evidence_label"]:
                key = row["claim"], row["evidence_doc_id"]
                evidence.setdefault(key, (row["evidence_label"], set()))[1].update(places)
            else:
                for document in row["cited_doc_ids"].strip("[]").replace(",", " ").split():
                    quote = max(cut[document], key=lambda s: overlap(row["claim"], s), default="")
                    found.append(Judged(row["claim"], quote, NEITHER, row["claim"]))
    for (claim, document), (label, wanted) in evidence.items():
        sentences = [s for place, s in enumerate(cut[document]) if place in wanted]
        if sentences:
            found.append(Judged(claim, " ".join(sentences), LABELS[label], claim))
    return found


def overlap(claim: str, quote: str) -> float:
    """Return the part of the claim's words that are in the quote."""
    words = set(stems(claim))
    return len(words & set(stems(quote))) / len(words) if words else 0.0


def made(data: Path) -> list[tuple[Judged, str]]:
    """Return claims about articles that nothing was trained on, with the whole passage of each."""
    found = []
    for name in HELD_OUT:
        for number, one in enumerate(read_questions(data / name)):
            if one.spans and is_test(one, name):
                found += [(claim, one.passage) for claim in made_claims([one], number)]
    return found


def compare(claims: Sequence[Judged], training: Sequence[Judged], verifier: Verifier) -> None:
    """Print accuracy and mean F1 of the verifier and of the baselines."""
    truth = np.asarray([one.verdict for one in claims])
    common = Counter(one.verdict for one in training).most_common(1)[0][0]
    cut = best_overlap(training)
    rows = {
        "commonest verdict": np.full(len(claims), common),
        f"overlap of words from {cut:.2f} on": by_overlap(claims, cut),
        "verifier": by_verifier(claims, verifier),
    }
    print("| | accuracy | mean F1 |\n| --- | --- | --- |")
    for name, said in rows.items():
        print(f"| {name} | {(said == truth).mean():.3f} | {macro_f1(said, truth):.3f} |")


def by_overlap(claims: Sequence[Judged], cut: float) -> NDArray[np.int64]:
    """Say "supported" from an overlap on, else that nothing is known."""
    found = [overlap(one.claim, one.quote) >= cut for one in claims]
    return np.where(found, SUPPORTED, NEITHER)


def best_overlap(training: Sequence[Judged]) -> float:
    """Return the overlap that is most often right on the training split."""
    truth = np.asarray([one.verdict for one in training])
    cuts = np.arange(0.05, 1.0, 0.05)
    return float(max(cuts, key=lambda cut: float((by_overlap(training, cut) == truth).mean())))


def by_verifier(claims: Sequence[Judged], verifier: Verifier) -> NDArray[np.int64]:
    """Return the likeliest verdicts."""
    found = verifier.judge([(one.claim, one.quote) for one in claims])
    chances = [(v.supported, v.contradicted, 1 - v.supported - v.contradicted) for v in found]
    return np.asarray(chances).argmax(axis=1)


def answers(claims: Sequence[tuple[Judged, str]], verifier: Verifier) -> None:
    """Print what reaches an answer, by words alone and with the verifier."""
    ways: dict[str, Verifier | None] = {"words alone": None, "words and verifier": verifier}
    print("| | kept | support rate | supported ones kept |\n| --- | --- | --- | --- |")
    truth = np.asarray([claim.verdict == SUPPORTED for claim, _ in claims])
    for name, judge in ways.items():
        kept = np.asarray([is_kept(claim.claim, passage, judge) for claim, passage in claims])
        rate = truth[kept].mean() if kept.any() else 0.0
        print(f"| {name} | {kept.mean():.3f} | {rate:.3f} | {kept[truth].mean():.3f} |")


def is_kept(claim: str, passage: str, verifier: Verifier | None) -> bool:
    """Tell whether the policy `strict` keeps a claim about a passage."""
    passages = (Passage(1, "chunk", "item", "source", "", None, passage, 0),)
    return Verification(passages, verifier).claim(RawClaim(claim, (1,))).supported


def curve(claims: Sequence[Judged], verifier: Verifier) -> Iterator[tuple[float, float, float]]:
    """Yield coverage, the threshold it takes, and the part of what is kept that is wrong."""
    found = verifier.judge([(one.claim, one.quote) for one in claims])
    chances = np.asarray([one.supported for one in found])
    wrong = np.asarray([one.verdict != SUPPORTED for one in claims])
    order = np.argsort(-chances, kind="stable")
    for coverage in COVERAGES:
        count = max(1, round(coverage * len(order)))
        yield coverage, float(chances[order[count - 1]]), float(wrong[order[:count]].mean())


def main() -> None:
    """Write the claims to train on, or measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=Path, help="write the claims to train on, here")
    parser.add_argument("--verifier", help="folder that `ragstone train verifier` wrote")
    parser.add_argument("--sample", type=int, default=1_500, help="made claims that are judged")
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    training = scifact(data / "scifact", "train")
    if chosen.training:
        names = {number: name for name, number in VERDICTS.items()}
        rows = [
            {"claim": c.claim, "quote": c.quote, "verdict": names[c.verdict], "article": c.article}
            for c in training
        ]
        chosen.training.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (chosen.training / "scifact.jsonl").write_text(lines, encoding="utf-8")
        return
    verifier = Verifier(chosen.verifier or sys.exit("--verifier is not given"))
    validation = scifact(data / "scifact", "validation")
    every = made(data)
    sample = every[:: max(1, len(every) // chosen.sample)]
    print(f"\nSciFact, {len(validation)} claims of the validation split\n")
    compare(validation, training, verifier)
    print(f"\n{len(sample)} claims made of held-out questions\n")
    compare([claim for claim, _ in sample], training, verifier)
    print(f"\nthe same in answers, threshold {verifier.threshold}\n")
    # Of a claim that another sentence does not speak of, the passage may.
    answers([(claim, text) for claim, text in sample if claim.verdict != NEITHER], verifier)
    print("\n| coverage | threshold | SciFact: wrong | threshold | made claims: wrong |")
    print("| --- | --- | --- | --- | --- |")
    rows = zip(curve(validation, verifier), curve([c for c, _ in sample], verifier), strict=True)
    for (share, one, risk), (_, other, second) in rows:
        print(f"| {share:.1f} | {one:.3f} | {risk:.3f} | {other:.3f} | {second:.3f} |")


if __name__ == "__main__":
    main()
