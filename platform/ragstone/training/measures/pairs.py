"""How near translations are to those of people: BLEU and chrF by sacrebleu.

BLEU: Papineni and others (2002). chrF: Popović (2015). sacrebleu: Post, "A Call for Clarity in
Reporting BLEU Scores" (2018), whose signature says how they were counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.errors import MissingExtra
from ragstone.models.beams import Beams, search
from ragstone.models.encdec import EncDec
from ragstone.models.tokenizers import Tokenizer
from ragstone.training.feeding_pairs import Padding

BEAMS = Beams(width=4)
_AT_ONCE = 50  # texts that are translated together


def translated(
    model: EncDec, tokenizer: Tokenizer, texts: Sequence[str], beams: Beams = BEAMS
) -> list[str]:
    """Return translations, in the order of the texts; what is beyond the context is left out."""
    padding = Padding(tokenizer.end, model.config.context)
    sources = [tokenizer.encode(text) for text in texts]
    # Those of like length together: little is padding, and few wait for the longest.
    order = sorted(range(len(texts)), key=lambda number: len(sources[number]))
    made = [""] * len(texts)
    for first in range(0, len(order), _AT_ONCE):
        some = order[first : first + _AT_ONCE]
        source, lengths = padding.sources([sources[number] for number in some])
        found = search(model, source, lengths, tokenizer.end, beams)
        for number, tokens in zip(some, found, strict=True):
            made[number] = tokenizer.decode(tokens)
    return made


def nearness(made: Sequence[str], targets: Sequence[str]) -> dict[str, float]:
    """Return BLEU and chrF, 0..100, each by its name and sacrebleu's signature.

    Raises
    ------
    MissingExtra
        sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtra("Measuring translations", "measures") from error
    found = {}
    for measure in (BLEU(), CHRF()):
        score = measure.corpus_score(list(made), [list(targets)])
        signature = str(measure.get_signature()).replace("|", " ")  # which parts cells of tables
        found[f"{score.name} {signature}"] = float(score.score)
    return found


def translation(
    model: EncDec, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]
) -> dict[str, float]:
    """Return how near a model's translations, by four beams, are to the targets of pairs.

    Raises
    ------
    MissingExtra
        sacrebleu is not installed.
    """
    if not pairs:
        return {}
    made = translated(model, tokenizer, [source for source, _ in pairs])
    return nearness(made, [target for _, target in pairs])
