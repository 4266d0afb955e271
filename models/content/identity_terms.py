"""Names of groups and slurs as the moderation model reads them: the same words for all groups, so that none has weight.

| in a text | read as |
|---|---|
| noun for several people of a group ("Muslims", "gay men", "people with disabilities") | "minorities" |
| noun for one person of a group, or its adjective ("a woman", "an Arab", "trans") | "minority" |
| slur without another meaning | the first slur of the list, singular or plural |

The statement decides, and not the group it is about: recall and false positives are nearly the same for every
group of ``identity_terms.toml``. Words with another meaning, such as colors and languages, are replaced only next to a
word for people, or where a person is stated to be it. Linear in the length of the text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

PLURAL, SINGULAR = "minorities", "minority"
_WORD = re.compile(r"[^\W_]+")
_AN = re.compile(rf"\ban (?={SINGULAR}\b)", re.IGNORECASE)
_PERSON_IS = (
    r"(?:\b(?:i|he|she|they|you|we|who|people|child|children|son|daughter|neighbou?r|teacher|boss|doctor|friend|brother|"
    r"sister|mother|father|parents|partner)(?:'m|'s|'re| am| is| are| was| were)|\bbeing|\bborn|\bto be)"
    r"(?: (?:not|also|really|just|a|an|so|all|both|proudly|openly|half))? "
)

_PLURAL_VERB = (
    r"(?: (?:are|were|aren't|have|don't|deserve|belong|who|all|and their|need to|want to|can't|cannot|go home|out)\b|"
    r" (?:should|must|will|can)\b(?! be (?:an?|the|taught|spoken|used|offered|required|compulsory|easier)\b))"
)
_LOOK_AROUND = re.compile(r"\(\?<?[=!](?:[^()]|\([^()]*\))*\)|\(\?-?i?:")
_FUNCTION_WORDS = frozenset(
    {"a", "and", "half", "he", "in", "non", "of", "on", "one", "s", "she", "the", "two", "who", "with"}
)
_AFTER_NOUN = r" (?:is|was|who|has|in|at|on|and|lives?|moved|as|to|like)\b|[.,!?]|$"


@cache
def _terms() -> dict[str, str]:
    text = (files(__package__) / "identity_terms.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _slurs() -> tuple[re.Pattern[str], dict[str, str]]:
    forms = [line.split() for line in _terms()["slurs"].strip().splitlines()]
    table = {word: forms[0][place] for form in forms for place, word in enumerate(form)}
    return re.compile(rf"\b(?:{_alternatives(table)})\b", re.IGNORECASE), table


@cache
def _words() -> frozenset[str]:
    """Return the words without one of which a text has none of the terms."""
    names = ("plural", "singular", "ambiguous", "invariable", "slurs")
    listed = [word for name in names for word in _terms()[name].split()]
    phrases = _WORD.findall(_LOOK_AROUND.sub(" ", _terms()["phrases"]).lower())
    found = frozenset(part for word in (*listed, *phrases, "mentally", "wheelchair") for part in word.split("-"))
    return found - _FUNCTION_WORDS


def _alternatives(words: Iterable[str]) -> str:
    """Return a pattern for any of the words, the longest first; common beginnings are examined once."""
    following: dict[str, list[str]] = {}
    for word in words:
        following.setdefault(word[:1], []).append(word[1:])
    ends = following.pop("", None) is not None
    if not following:
        return ""
    options = "|".join(re.escape(letter) + _alternatives(rest) for letter, rest in sorted(following.items()))
    return f"(?:{options}){'?' if ends else ''}"


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    terms = _terms()
    plural, singular, ambiguous, invariable, called, people, person = (
        _alternatives(terms[name].split())
        for name in ("plural", "singular", "ambiguous", "invariable", "called", "people", "person")
    )
    phrases = "|".join(terms["phrases"].strip().splitlines())
    adjective = rf"(?:{singular}|{ambiguous}|mentally ill|wheelchair-bound|african[- ]american)"
    every = rf"(?:{plural}|{people})"
    each = rf"(?:woman|{person})"
    return tuple(
        (re.compile(pattern, re.IGNORECASE), read)
        for pattern, read in (
            (rf"\b(?:{adjective}[ -]){{0,3}}(?:{phrases})(?!\w)", PLURAL),
            (rf"\b(?:{adjective} ){{1,3}}{every}\b", PLURAL),
            (rf"\b(?:{adjective} ){{1,3}}{each}\b", SINGULAR),
            (rf"\b(?:{ambiguous})(?= (?:{called})\b)", SINGULAR),
            (rf"\b(?:the |all |all the |these |those |most )?(?:{invariable})(?={_PLURAL_VERB})", PLURAL),
            (rf"\bthe (?:{invariable})(?=[.,!?\"']|$)", PLURAL),
            (rf"({_PERSON_IS})(?:{ambiguous})\b(?! [a-z]+(?:s|ed)?\b(?<!and)(?<!or))", rf"\g<1>{SINGULAR}"),
            (
                rf"\b(an?|every|another|any|one|this|that|no) (?:{ambiguous})(?<! old)(?={_AFTER_NOUN})",
                rf"\g<1> {SINGULAR}",
            ),
            (rf"\b(?:{plural})\b", PLURAL),
            (rf"\b(?:{singular}|african[- ]american)\b", SINGULAR),
        )
    )


def with_common_terms(text: str) -> str:
    """Return a text with names of groups and slurs replaced as in the table above."""
    if _words().isdisjoint(_WORD.findall(text.lower())):
        return text
    pattern, table = _slurs()
    text = pattern.sub(lambda match: table[match[0].lower()], text)
    read = text
    for names, word in _patterns():
        read = names.sub(word, read)
    return read if read == text else _AN.sub("a ", read)
