"""Plain rules that answer when no content model does: few, readable, and meant to err towards asking a person.

They know English words only and read no context. They are a stand-in, not a classifier.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files

from neighborconnect.contracts.content import Feeling, Verdict

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?", re.UNICODE)
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
_SHOUT_LETTERS = 12
_MANY_LINKS = 3
_NEUTRAL_BELOW = 0.2
_SPAM_FROM = 0.5

_LISTS: dict[str, str] = json.loads((files(__package__) / "words.json").read_text(encoding="utf-8"))
_GOOD, _BAD, _NEGATIONS, _INSULTS = (
    frozenset(_LISTS[name].split()) for name in ("good", "bad", "negations", "insults")
)
_THREATS = re.compile(r"\b(?:kill|hurt|shoot|stab|burn)\s+(?:you|him|her|them|yourself)\b", re.IGNORECASE)
_SALES = re.compile(
    r"\b(?:click here|limited offer|act now|free money|work from home|earn \$?\d+|guaranteed|crypto|casino|"
    r"loan approved|no risk|buy now)\b",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?:\+?\d[\s().-]?){9,}")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def sentiment(text: str) -> tuple[Feeling, float]:
    """Return how a text sounds and a score from -1 to 1: good and bad words, turned round after a negation."""
    score, told, turned = 0, 0, False
    for word in words(text):
        value = (word in _GOOD) - (word in _BAD)
        if value:
            score, told = score + (-value if turned else value), told + 1
        turned = word in _NEGATIONS or (turned and not value)
    mean = score / told if told else 0.0
    if abs(mean) < _NEUTRAL_BELOW:
        return Feeling.NEUTRAL, mean
    return (Feeling.POSITIVE if mean > 0 else Feeling.NEGATIVE), mean


def moderation(text: str) -> tuple[Verdict, dict[str, float]]:
    """Return what to do with a text: a threat or much spam is kept back, what looks bad is for a person to see."""
    spam_score, _ = spam(text)
    categories = {
        "insult": 0.6 if _INSULTS.intersection(words(text)) else 0.0,
        "threat": 0.9 if _THREATS.search(text) else 0.0,
        "spam": spam_score,
    }
    worst = max(categories.values())
    if categories["threat"] or worst >= 1:
        return Verdict.BLOCK, categories
    return (Verdict.REVIEW if worst >= _SPAM_FROM else Verdict.ALLOW), categories


def spam(text: str) -> tuple[float, list[str]]:
    """Return how likely a text is spam, from 0 to 1, and what speaks for it; each sign adds to the score."""
    letters = [letter for letter in text if letter.isalpha()]
    said = words(text)
    most = Counter(said).most_common(1)
    signs = {
        "many_links": 0.4 if len(_LINK.findall(text)) >= _MANY_LINKS else 0.0,
        "sales_talk": min(0.6, 0.3 * len(_SALES.findall(text))),
        "shouting": 0.2
        if len(letters) >= _SHOUT_LETTERS and sum(map(str.isupper, letters)) > 0.7 * len(letters)
        else 0.0,
        "repetition": 0.3 if len(said) >= 8 and most and most[0][1] > len(said) / 2 else 0.0,  # noqa: PLR2004
        "phone_number": 0.1 if _PHONE.search(text) else 0.0,
    }
    return round(min(1.0, sum(signs.values())), 2), [name for name, weight in signs.items() if weight]


def is_spam(score: float) -> bool:
    """Whether a score is high enough to call the text spam."""
    return score >= _SPAM_FROM


def topics(text: str, *, known: Iterable[str], limit: int = 5) -> list[tuple[str, float]]:
    """Return the known topics whose words are in a text, with the share of their words that is, the best first."""
    said = {_stem(word) for word in words(text)}
    found = []
    for topic in known:
        parts = {_stem(word) for word in words(topic)}
        if parts and (share := len(parts & said) / len(parts)):
            found.append((topic, round(share, 2)))
    return sorted(found, key=lambda one: (-one[1], one[0]))[:limit]


def _stem(word: str) -> str:
    # Enough for "garden", "gardens" and "gardening" to meet.
    for ending in ("ing", "ers", "er", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending)
    return word
