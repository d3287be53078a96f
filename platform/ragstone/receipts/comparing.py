"""What exactly is not as it was: hits by their rank, texts by their first other character."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ragstone.schemas.api import to_json
from ragstone.schemas.tracing import DifferenceKind, ReplayDifference

if TYPE_CHECKING:
    from ragstone.generation.ground import Grounded
    from ragstone.schemas.answers import StoredAnswer
    from ragstone.schemas.api import Hit

_SHOWN = 60  # characters of a text, from its first difference on


@dataclass(slots=True)
class Differences:
    """Collects what differs, in the order in which an answer comes about."""

    found: list[ReplayDifference] = field(default_factory=list)

    def add(
        self,
        kind: DifferenceKind,
        problem: str,
        place: int | None = None,
        before: str = "",
        after: str = "",
    ) -> None:
        """Note a difference."""
        self.found.append(ReplayDifference(kind, problem, place, before, after))

    def hits(self, record: str, now: list[Hit]) -> None:
        """Compare what was found with what is found, field by field, as the record has them."""
        before: list[dict[str, Any]] = json.loads(record)["hits"]
        after: list[dict[str, Any]] = [to_json(hit) for hit in now]
        for rank, (old, new) in enumerate(zip(before, after, strict=False), start=1):
            if old["chunk_id"] != new["chunk_id"]:
                self._hit(rank, "is another chunk", old["chunk_id"], new["chunk_id"])
                continue
            # A record that is older than a field says nothing of it.
            for name in (name for name in old if old[name] != new.get(name)):
                self._hit(rank, f"has another {name}", _short(old[name]), _short(new.get(name)))
        if len(before) != len(after):
            rank = min(len(before), len(after)) + 1
            problem = f"{len(before)} hits then, {len(after)} now"
            self.add("hits", problem, rank, str(len(before)), str(len(after)))

    def _hit(self, rank: int, problem: str, before: str, after: str) -> None:
        self.add("hits", f"hit {rank} {problem}", rank, before, after)

    def answer(self, stored: StoredAnswer, now: Grounded) -> None:
        """Compare an answer with the one that was written again."""
        if stored.receipt is not None:
            self.text("raw", stored.receipt.raw, now.raw)
        answer = stored.answer
        self.text("text", answer.answer, now.answer)
        self.text("short", answer.short, now.short)
        self._listed("claims", to_json(answer.claims), to_json(now.claims))
        self._listed("citations", to_json(answer.citations), to_json(now.citations))
        if answer.evidence != now.evidence:
            problem = "the evidence is another"
            self.add("evidence", problem, None, str(answer.evidence), str(now.evidence))

    def text(self, kind: DifferenceKind, before: str, after: str) -> None:
        """Compare two texts; the difference is where the first other character is."""
        if before == after:
            return
        same = _common(before, after)
        problem = f"the {kind} differs from character {same + 1} on"
        old, new = before[same : same + _SHOWN], after[same : same + _SHOWN]
        self.add(kind, problem, same + 1, old, new)

    def _listed(self, kind: DifferenceKind, before: list[Any], after: list[Any]) -> None:
        for number, (old, new) in enumerate(zip(before, after, strict=False), start=1):
            if old != new:
                problem = f"number {number} of the {kind} is another"
                self.add(kind, problem, number, _short(old), _short(new))
        if len(before) != len(after):
            problem = f"{len(before)} {kind} then, {len(after)} now"
            self.add(kind, problem, None, str(len(before)), str(len(after)))


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
