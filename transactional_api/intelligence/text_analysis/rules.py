"""Fallback rules for the content model: few, readable, and biased toward review by a moderator.

They know English words only and ignore context.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files

from neighborconnect.contracts.content import SentimentLabel, Verdict
from neighborconnect.text_cues import SPAM_OFFERS, dehumanizes, insults_reader, spam_cues, threatens

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?", re.UNICODE)
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
_SHOUT_LETTERS = 12
_MANY_LINKS = 3
_NEUTRAL_BELOW = 0.2
_SPAM_FROM = 0.5
_OFFER = 0.5

_LISTS: dict[str, str] = json.loads((files(__package__) / "words.json").read_text(encoding="utf-8"))
_GOOD, _BAD, _NEGATIONS = (frozenset(_LISTS[name].split()) for name in ("good", "bad", "negations"))
_PHONE = re.compile(r"(?:\+?\d[\s().-]?){9,}")


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text."""
    return [word.lower() for word in _WORD.findall(text)]


def sentiment(text: str) -> tuple[SentimentLabel, float]:
    """Return sentiment and a score from -1 to 1: the mean of positive and negative words, inverted after a negation."""
    score, count, negated = 0, 0, False
    for word in words(text):
        value = (word in _GOOD) - (word in _BAD)
        if value:
            score, count = score + (-value if negated else value), count + 1
        negated = word in _NEGATIONS or (negated and not value)
    mean = score / count if count else 0.0
    if abs(mean) < _NEUTRAL_BELOW:
        return SentimentLabel.NEUTRAL, mean
    return (SentimentLabel.POSITIVE if mean > 0 else SentimentLabel.NEGATIVE), mean


def moderation(text: str) -> tuple[Verdict, dict[str, float]]:
    """Return verdict and category scores: threats and certain spam are blocked, likely violations reviewed."""
    spam_score, _ = spam(text)
    categories = {
        "insult": 0.6 if insults_reader(text) or dehumanizes(text) else 0.0,
        "threat": 0.9 if threatens(text) else 0.0,
        "spam": spam_score,
    }
    worst = max(categories.values())
    if categories["threat"] or worst >= 1:
        return Verdict.BLOCK, categories
    return (Verdict.REVIEW if worst >= _SPAM_FROM else Verdict.ALLOW), categories


def spam(text: str) -> tuple[float, list[str]]:
    """Return a spam score from 0 to 1 and the signals that add up to it.

    | signal | weight |
    |---|---|
    | an offer that only spam has (`text_cues.SPAM_OFFERS`) | 0.5 |
    | three links or more | 0.4 |
    | sales talk | 0.3 for each phrase, at most 0.6 |
    | link of a shortener or of a domain that spam prefers; one word more than half of the text | 0.3 |
    | urgency; contact by messenger; capital letters | 0.2 |
    | phone number | 0.1 |
    """
    cues = spam_cues(text)
    letters = [letter for letter in text if letter.isalpha()]
    tokens = words(text)
    most_common = Counter(tokens).most_common(1)
    signals = {
        "many_links": 0.4 if len(_LINK.findall(text)) >= _MANY_LINKS else 0.0,
        "sales_talk": min(0.6, 0.3 * cues.get("sales_talk", 0)),
        **dict.fromkeys(sorted(SPAM_OFFERS & cues.keys()), _OFFER),
        "short_link": 0.3 if "short_link" in cues else 0.0,
        "urgency": 0.2 if "urgency" in cues else 0.0,
        "messenger": 0.2 if "messenger" in cues else 0.0,
        "shouting": 0.2
        if len(letters) >= _SHOUT_LETTERS and sum(map(str.isupper, letters)) > 0.7 * len(letters)
        else 0.0,
        "repetition": 0.3 if len(tokens) >= 8 and most_common and most_common[0][1] > len(tokens) / 2 else 0.0,  # noqa: PLR2004
        "phone_number": 0.1 if _PHONE.search(text) else 0.0,
    }
    return round(min(1.0, sum(signals.values())), 2), [name for name, weight in signals.items() if weight]


def is_spam(score: float) -> bool:
    """Return whether a score reaches the spam threshold."""
    return score >= _SPAM_FROM


def topics(text: str, *, known: Iterable[str], limit: int = 5) -> list[tuple[str, float]]:
    """Return the known topics that share words with a text, with the matched share of their words, best first."""
    stems = {_stem(word) for word in words(text)}
    matches = []
    for topic in known:
        parts = {_stem(word) for word in words(topic)}
        if parts and (share := len(parts & stems) / len(parts)):
            matches.append((topic, round(share, 2)))
    return sorted(matches, key=lambda match: (-match[1], match[0]))[:limit]


def _stem(word: str) -> str:
    # Maps "garden", "gardens" and "gardening" to one stem.
    for ending in ("ing", "ers", "er", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            return word.removesuffix(ending)
    return word
