"""Beam search: the likeliest texts are followed side by side, many sources at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.encdec import EncDec, Encoded

_IMPOSSIBLE = -1e9  # a beam that nobody follows; finite, so that sums of it are too


@dataclass(frozen=True, slots=True, kw_only=True)
class Beams:
    """How the best text is looked for.

    Parameters
    ----------
    width
        Texts that are followed for each source; 1: always the likeliest token.
    penalty
        Logarithms of chances are divided by the length to this power, so that short texts are not
        always the best (Wu and others 2016); 0: they are not divided.

    Raises
    ------
    InvalidArgument
        A number is out of its range.
    """

    width: int = 4
    penalty: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high in (("width", 1, 64), ("penalty", 0, 10)):
            if not low <= getattr(self, name) <= high:
                raise InvalidArgument(name, getattr(self, name), f"between {low} and {high}")

    def score(self, log_prob: float, length: int) -> float:
        """Return what texts are compared by; `length` counts the end."""
        return float(log_prob / length**self.penalty)


@dataclass(slots=True)
class _Search:
    """The texts of one source that came to their end."""

    beams: Beams
    done: bool = False
    ended: list[tuple[float, list[int]]] = field(default_factory=list)

    def end(self, log_prob: float, tokens: list[int]) -> None:
        """Keep a text, if it is among the best; of equal ones the first."""
        score = self.beams.score(log_prob, len(tokens) + 1)
        self.ended.append((score, tokens))
        self.ended.sort(key=lambda one: -one[0])
        del self.ended[self.beams.width :]

    def settle(self, best: float, length: int) -> None:
        """Stop, when the best that goes on is worse than all that ended, and these are enough."""
        if len(self.ended) == self.beams.width:
            self.done = self.ended[-1][0] >= self.beams.score(best, length)


@torch.inference_mode()
def search(
    model: EncDec,
    source: torch.Tensor,
    lengths: torch.Tensor,
    end: int,
    beams: Beams,
    limit: int = 0,
) -> list[list[int]]:
    """Return the best text for each source, tokens without the end.

    Equal chances are settled by the order of beams, then of tokens: the result does not depend on
    which other sources are in the batch, but for the rounding of sums.

    Parameters
    ----------
    source, lengths
        As `EncDec.encode` takes them, int64 (batch, source) and (batch,).
    end
        The token that a text begins with and ends before.
    limit
        Tokens of a text at most; 0: as many as the context has room for. Where none came to its
        end by then, the best so far is returned.
    """
    count, width = len(source), beams.width
    limit = min(limit or model.config.context, model.config.context - 1)
    cache = model.new_cache(count * width, limit)
    encoded = model.encode(source, lengths).repeated(width, cache)
    searches = [_Search(beams) for _ in range(count)]
    tokens = source.new_full((count, width, 1), end)
    totals = torch.full((count, width), _IMPOSSIBLE, device=source.device)
    totals[:, 0] = 0.0  # all beams are alike at first: one of them goes on
    for length in range(1, limit + 1):
        chances = _following(model, encoded, tokens)
        values, beam, token = _best(totals[:, :, None] + chances, 2 * width)
        _note_ends(searches, tokens, (values, beam, token), end)
        totals, beam, token = _going_on(values, beam, token, end, width)
        tokens = torch.cat([_rows(tokens, beam), token[:, :, None]], dim=2)
        for search_, best in zip(searches, totals[:, 0].tolist(), strict=True):
            search_.settle(best, length)
        if all(search_.done for search_ in searches):
            break
        first = torch.arange(count, device=beam.device)[:, None] * width
        cache.follow((first + beam).flatten())
    rest = tokens[:, 0, 1:].tolist()
    return [s.ended[0][1] if s.ended else rest[row] for row, s in enumerate(searches)]


def _following(model: EncDec, encoded: Encoded, tokens: torch.Tensor) -> torch.Tensor:
    """Return the logarithms of the chances of each next token, (batch, width, vocabulary)."""
    states = model.read(tokens[:, :, -1].reshape(-1, 1), encoded)[:, -1]
    chances = model.predict(states).float().log_softmax(dim=-1)
    return chances.view(*tokens.shape[:2], -1)


def _best(totals: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the greatest of (batch, width, vocabulary), their beams and tokens, (batch, count).

    Of equal ones the first come first: `topk` promises nothing of the kind.
    """
    flat = totals.flatten(1)
    count = min(count, flat.shape[1])
    least = flat.topk(count).values[:, -1:]
    above, equal = flat > least, flat == least
    missing = count - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1) <= missing))
    places = chosen.nonzero()[:, 1].view(-1, count)
    values, order = flat.gather(1, places).sort(dim=1, descending=True, stable=True)
    places = places.gather(1, order)
    return values, places // totals.shape[2], places % totals.shape[2]


def _note_ends(
    searches: list[_Search],
    tokens: torch.Tensor,
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    end: int,
) -> None:
    """Give each search the texts that end now and are among the best `width`."""
    values, beam, token = found
    ends = token[:, : tokens.shape[1]] == end
    for row, rank in ends.nonzero().tolist():
        if not searches[row].done and values[row, rank] > _IMPOSSIBLE / 2:
            text = tokens[row, beam[row, rank], 1:].tolist()
            searches[row].end(float(values[row, rank]), text)


def _going_on(
    values: torch.Tensor, beam: torch.Tensor, token: torch.Tensor, end: int, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the best `width` of each row that do not end, best first."""
    order = (token == end).long().argsort(dim=1, stable=True)[:, :width]
    return values.gather(1, order), beam.gather(1, order), token.gather(1, order)


def _rows(tokens: torch.Tensor, beam: torch.Tensor) -> torch.Tensor:
    return tokens.gather(1, beam[:, :, None].expand(-1, -1, tokens.shape[2]))
