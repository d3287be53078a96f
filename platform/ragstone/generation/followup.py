"""A question that leans on those before it, made one that stands alone: by rules, not by a model.

    When is it built?     → When is the tower built?            pronouns, by what was asked before
    Where was he born?    → Where was Gustave Eiffel born?      or by who was named in the answer
    And in winter?        → At what temperature … in winter?    a new circumstance
    What about basalt?    → What is basalt made of?             another thing
    Why?                  → Why does water boil at …?           another word to ask with

The rules know English only. What they do not recognise stays as it was asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_COPULAS = frozenset("is are was were".split())
_AUXILIARIES = _COPULAS | frozenset(
    "do does did can could will would should shall may might must has have had".split()
)
_ASKING = frozenset("what which who whom whose when where why how".split())
_DETERMINERS = frozenset("the a an this that these those my your our".split())
_ENDS_PHRASE = (
    _AUXILIARIES
    | _ASKING
    | frozenset(
        "at in on to for with without from by about into over under between after before during "
        "through against and or but if because than as so not also only it he she they them him "
        "her his its their there you we i me us be been being called".split()
    )
)
_PREPOSITIONS = frozenset(
    "at in on to for with without from by into over under between after before during through "
    "above below near since until against within".split()
)
# Words that follow what a question is about: "does water boil", "is granite made of".
_VERBS = frozenset(
    "made built found known used written born formed named located become begin boil break build "
    "burn carry cause change come consist contain cost cover do eat end feel fly form freeze get "
    "give go grow happen have help hold keep lead leave live look lose make mean measure melt move "
    "need occur open own play produce protect provide reach react read resist rise run say see "
    "sell show sink speak stand start stay stop take tell think travel turn use wear weigh win "
    "work write".split()
)
_EXPLETIVE = frozenset("true possible likely necessary important raining snowing that".split())
_OPENING = re.compile(
    r"^(?:(?:and|but|so|or)\s+)?(?:(?:what|how)\s+(?:about|of)\s+)?", re.IGNORECASE
)
_BARE = re.compile(rf"^({'|'.join(sorted(_ASKING))})(?:\s+(?:so|exactly|then))?$", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_PERSONS = {"he": "", "she": "", "him": "", "her": "", "his": "s", "hers": "s"}
_THINGS = {"it": "", "they": "", "them": "", "its": "s", "their": "s", "theirs": "s"}


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of a session and what it was answered."""

    question: str  # as it was searched: it stands alone
    answer: str  # empty when nothing was found


def self_contained(question: str, turns: Sequence[Turn]) -> str:
    """Return `question` so that it can be read without `turns`, the newest of which comes first.

    The same question and turns give the same text.
    """
    asked = " ".join(question.split())
    if not turns or not asked:
        return question
    completed = _completed(asked, turns[0])
    if completed is not None:
        return completed
    replaced = _with_nouns(asked, turns)
    return question if replaced == asked else replaced


def subject(question: str) -> str:
    """Return the words for what `question` is about, an empty text when no rule finds them.

    They are those behind the first auxiliary ("does *water* boil"), or, without one, behind the
    verb ("who designed *the tower*").
    """
    words = _WORD.findall(question)
    place = next((at for at, word in enumerate(words) if word.lower() in _AUXILIARIES), None)
    if place is None:
        asks = bool(words) and words[0].lower() in {"who", "what"}
        return " ".join(_phrase(words[2:])) if asks else ""
    phrase = _phrase(words[place + 1 :])
    predicate = words[place].lower() in _COPULAS and place > 0
    return " ".join(_before_verb(phrase, whole=predicate))


# ---------------------------------------------------------------- what was left out


def _completed(asked: str, last: Turn) -> str | None:
    """Return the earlier question with what this one changes; None when this one is whole."""
    bare = _BARE.match(asked.rstrip("?!. "))
    if bare:
        return _asked_with(bare[1], last.question)
    opening = _OPENING.match(asked)
    rest = asked[opening.end() :].rstrip("?!. ") if opening else ""
    first = rest.split(" ", 1)[0].lower()
    if opening is None or not opening.group() or not rest or first in _ASKING | _AUXILIARIES:
        return None
    stem = last.question.rstrip("?!. ")
    about = subject(last.question)
    if first in _PREPOSITIONS or not about:
        return f"{stem} {rest}?"
    return f"{_replaced(stem, about, rest)}?"


def _asked_with(word: str, question: str) -> str:
    """Return `question` asked with another word, such as why, when or where."""
    words = question.split(" ")
    place = next((at for at, each in enumerate(words) if each.lower() in _AUXILIARIES), None)
    word = word.capitalize()
    if place is None:
        return f"{word}: {question}"
    return " ".join([word, words[place].lower(), *words[place + 1 :]])


def _replaced(text: str, old: str, new: str) -> str:
    return re.sub(rf"\b{re.escape(old)}\b", lambda _: new, text, count=1)


# ---------------------------------------------------------------- pronouns


def _with_nouns(asked: str, turns: Sequence[Turn]) -> str:
    for match in _WORD.finditer(asked):
        word = match.group().lower()
        if subject(asked[: match.start()]):
            break  # the question itself says what its pronouns mean
        noun = _noun(word, asked[match.end() :], turns)
        if noun:
            noun = noun[0].upper() + noun[1:] if match.start() == 0 else noun
            return asked[: match.start()] + noun + asked[match.end() :]
    return asked


def _noun(word: str, rest: str, turns: Sequence[Turn]) -> str:
    """Return what stands for a pronoun, an empty text when it is none or nothing fits."""
    following = (_WORD.findall(rest) or [""])[0].lower()
    if word in _PERSONS:
        owns = word == "her" and following and following not in _ENDS_PHRASE
        return _owned(_person(turns), "s" if owns else _PERSONS[word])
    if word in _THINGS and following not in _EXPLETIVE:
        return _owned(_thing(turns), _THINGS[word])
    if word == "there" and following not in _AUXILIARIES:
        place = _place(turns[0])
        return f"in {place}" if place else ""
    return ""


def _person(turns: Sequence[Turn]) -> str:
    for turn in turns:
        asked_who = turn.question.lower().startswith(("who", "by whom"))
        about = subject(turn.question)
        named = about if _is_name(about) else ""
        found = (_new_name(turn) or named) if asked_who else (named or _new_name(turn))
        if found:
            return found
    return ""


def _thing(turns: Sequence[Turn]) -> str:
    for turn in turns:
        asked_which = turn.question.lower().startswith("which")
        found = (_new_name(turn) if asked_which else "") or subject(turn.question)
        if found:
            return found
    return ""


def _place(turn: Turn) -> str:
    about = subject(turn.question)
    asked_where = turn.question.lower().startswith(("where", "in which", "in what"))
    named = about if _is_name(about) else ""
    return (_new_name(turn) or named) if asked_where else named


def _new_name(turn: Turn) -> str:
    """Return the first name in the answer that the question does not have."""
    known = {word.lower() for word in _WORD.findall(turn.question)}
    for run in re.findall(r"\b[A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*)*", turn.answer):
        words = [word for word in run.split() if word.lower() not in _ENDS_PHRASE | _DETERMINERS]
        name = re.sub(r"['’]s$", "", " ".join(words))
        if name and not {word.lower() for word in name.split()} <= known:
            return name
    return ""


def _is_name(phrase: str) -> bool:
    return any(word[0].isupper() for word in phrase.split())


def _owned(noun: str, ending: str) -> str:
    if not noun or not ending:
        return noun
    return f"{noun}'" if noun.endswith("s") else f"{noun}'s"


# ---------------------------------------------------------------- phrases


def _phrase(words: Sequence[str]) -> list[str]:
    """Return the words of the noun phrase that `words` begin with."""
    phrase: list[str] = []
    for word in words:
        lower = word.lower()
        joins = lower == "of" and phrase
        begins = lower in _DETERMINERS and (not phrase or phrase[-1] == "of")
        if not joins and not begins and lower in _ENDS_PHRASE | _DETERMINERS | {"of"}:
            break
        phrase.append(word)
    while phrase and phrase[-1].lower() in _DETERMINERS | {"of"}:
        phrase.pop()
    return phrase


def _before_verb(phrase: list[str], *, whole: bool) -> list[str]:
    """Return what stands before the verb; with `whole`, all of it where no verb is known."""
    begin = 1 if phrase and phrase[0].lower() in _DETERMINERS else 0
    for at, word in enumerate(phrase):
        if at > begin and (word.lower() in _VERBS or (whole and word.lower().endswith("ed"))):
            return phrase[:at] if phrase[at - 1] != "of" else phrase
    if whole:
        return phrase
    names = begin
    while names < len(phrase) and phrase[names][0].isupper():
        names += 1
    if names > begin:
        return phrase[:names]
    joined = begin + 3 if phrase[begin + 1 : begin + 2] == ["of"] else begin + 1
    return phrase[:joined]
