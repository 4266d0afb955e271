"""Normalization of texts that hide words from a filter, before the moderation and spam models read them.

| disguise | restored |
|---|---|
| look-alike, full-width, enclosed, combining and invisible characters | the letters that a reader sees |
| letters separated by spaces or punctuation ("i d i o t") | the word; several words are separated by the vocabulary |
| letters repeated three times or more | the word of the vocabulary with two of them or one |
| digits and symbols for letters ("1d10t", "a$$", "f*ck") | a word of the vocabulary or of the lexicon |
| two letters swapped, one left out or added | a word of the lexicon |
| words written together, or one word apart ("idi ot") | words that include one of the lexicon |

Words of the encoder's vocabulary are not changed. Linear in the length of the text: a word is examined by look-ups, and
a longer one than ``_MAX_WORD`` characters is not examined.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from itertools import product
from math import log

from models.content.encoder import vocabulary
from neighborconnect.text_folding import fold

_MAX_WORD, _MIN_RESPELLED, _MIN_SPLIT, _MIN_SPACED = 60, 5, 5, 3
_LEET = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "i", "|": "il", "+": "t", "\u20ac": "e", "\u00a3": "l", "(": "c", "\u00a1": "i",
}  # fmt: skip
_ABBREVIATIONS = {"h8": "hate", "h8s": "hates", "h8ed": "hated", "m8": "mate", "gr8": "great", "b4": "before"}
_MAX_READINGS = 16
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\w+|(?<!\w)@\w+", re.IGNORECASE)
_TOKEN = re.compile(r"\S+")
_QUANTITY = re.compile(r"[$\u20ac\u00a3]?\d[\d.,:/-]*[a-z]{0,3}", re.IGNORECASE)
_EDGES = re.compile(r"^([^\w@$!|+*]*)(.*?)([^\w$*@]*)$", re.DOTALL)
_REPEATED = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)
_LETTER = r"[^\W_]"
# Single characters with the same separator between them.
_SPACED = re.compile(rf"(?<!\w)({_LETTER})(?:([ .\-_*\u00b7|/~,])({_LETTER})(?!\w))(?:\2{_LETTER}(?!\w))+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@cache
def lexicon() -> dict[str, str]:
    """Return the words of ``lexicon.toml`` by section."""
    text = (files(__package__) / "lexicon.toml").read_text(encoding="utf-8")
    return {word: section for section, words in tomllib.loads(text).items() for word in words.split()}


@cache
def _misspellings() -> dict[str, str]:
    """Return the words of the lexicon by their forms with a letter left out, or two neighbors swapped."""
    found: dict[str, str] = {}
    for word in lexicon():
        if len(word) < _MIN_RESPELLED:
            continue
        swapped = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))
        shorter = (word[:at] + word[at + 1 :] for at in range(len(word)))
        for form in (*swapped, *shorter):
            if form not in lexicon() and not _is_word(form):
                found.setdefault(form, word)
    return found


def _is_word(word: str) -> bool:
    return len(word) > 1 and word in vocabulary()


def normalize(text: str) -> str:
    """Return a text without the disguises of the table above."""
    text = fold(text)
    text = _SPACED.sub(lambda run: _without_separators(run[0], run[2]), text)
    words = [
        (match[0], match.start()) if _ADDRESS.fullmatch(match[0]) else (_restored(match[0]), match.start())
        for match in _TOKEN.finditer(text)
    ]
    return " ".join(_rejoined([word for word, _ in words])) or text.strip()


def _without_separators(run: str, separator: str) -> str:
    joined = run.replace(separator, "")
    letters = sum(map(str.isalpha, joined))
    return joined if letters >= _MIN_SPACED else run


@lru_cache(maxsize=65_536)
def _restored(token: str) -> str:
    """Return a token as a reader reads it."""
    if len(token) > _MAX_WORD:
        return token
    match = _EDGES.match(token)
    if match is None:
        return token
    before, word, after = match.groups()
    if not word or not any(map(str.isalpha, word)):
        return token
    return before + _restored_word(word) + after


def _is_known(word: str) -> bool:
    return _is_word(word) or word in lexicon()


def _restored_word(word: str) -> str:
    if word.lower() in _ABBREVIATIONS:
        return _ABBREVIATIONS[word.lower()]
    if not _is_known(word.lower()) and _REPEATED.search(word):
        word = _unrepeated(word)
    if not word.isalpha():
        letters = _from_leet(word.lower())
        if letters is None:
            return _by_parts(word)
        word = letters
    if _is_known(word.lower()):
        return word
    return _respelled(word.lower()) or _split(word) or word


def _by_parts(word: str) -> str:
    """Restore the parts of a word with a hyphen, slash or apostrophe."""
    parts = re.split(r"([^\w$@!*|]+)", word)
    if len(parts) == 1:
        return word
    return "".join(_restored_word(part) if any(map(str.isalpha, part)) else part for part in parts)


def _unrepeated(word: str) -> str:
    for times in (2, 1):
        candidate = _REPEATED.sub(lambda run, times=times: run[1] * times, word)  # type: ignore[misc]
        if _is_known(candidate.lower()) or _from_leet(candidate.lower()) in lexicon():
            return candidate
    return _REPEATED.sub(r"\1", word)


def _from_leet(word: str) -> str | None:
    """Return the word that digits, symbols and stars stand for; None if there is none."""
    if _QUANTITY.fullmatch(word):
        return None
    if "*" in word or "#" in word:
        return _unstarred(word)
    options = [_LEET.get(letter, letter) for letter in word]
    if not all(option.isalpha() for option in options):
        return None
    readings = ["".join(letters) for letters, _ in zip(product(*options), range(_MAX_READINGS), strict=False)]
    for known in (lexicon().__contains__, _is_word, lambda reading: _respelled(reading) is not None):
        for reading in readings:
            if known(reading):
                return _respelled(reading) or reading if not _is_word(reading) else reading
    return next((reading for reading in readings if _split(reading)), None)


def _unstarred(word: str) -> str | None:
    pattern = re.compile("".join("[a-z]" if letter in "*#" else re.escape(letter) for letter in word))
    return next((known for known in lexicon() if len(known) == len(word) and pattern.fullmatch(known)), None)


def _respelled(word: str) -> str | None:
    if len(word) < _MIN_RESPELLED - 1 or word in lexicon():
        return None
    if (right := _misspellings().get(word)) is not None:
        return right
    shorter = (word[:at] + word[at + 1 :] for at in range(len(word)))
    return next((form for form in shorter if len(form) >= _MIN_RESPELLED and form in lexicon()), None)


def _cost(word: str) -> float | None:
    """Return the cost of a word, ascending with its rank by frequency; None for unknown ones."""
    if len(word) == 1:
        return log(2_000) if word in "ai" else None
    if word in lexicon():
        return log(3_000)
    place = vocabulary().get(word)
    return None if place is None or (len(word) == 2 and word not in _SHORT) else log(place)  # noqa: PLR2004


_MIN_TELLING = 4
_PRONOUNS = frozenset({"i", "we", "you", "they", "he", "she", "them", "him", "her", "your", "all", "should", "will"})
_SHORT = frozenset(
    {"am", "an", "are", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it", "me", "my", "no", "of", "on"}
    | {"or", "so", "to", "up", "us", "we"}
)


def _split(word: str) -> str | None:
    """Return the words that were written together, if one of them is of the lexicon; None otherwise."""
    if len(word) < _MIN_SPLIT or not word.isalpha() or not word.isascii():
        return None
    if not word.islower() and not word.isupper() and len(parts := _CAMEL.split(word)) > 1:
        return " ".join(_restored_word(part) for part in parts)
    small = word.lower()
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(small) + 1):
        options = [
            (best[begin][0] + cost, begin)
            for begin in range(max(0, end - 16), end)
            if best[begin][0] < float("inf") and (cost := _cost(small[begin:end])) is not None
        ]
        best.append(min(options, default=(float("inf"), 0)))
    if best[-1][0] == float("inf"):
        return None
    words, end = list[str](), len(small)
    while end:
        words.append(small[best[end][1] : end])
        end = best[end][1]
    return " ".join(reversed(words)) if _is_telling(words) else None


def _is_telling(words: list[str]) -> bool:
    """Return whether a split has a word of the lexicon that names such as "Cockburn" do not have."""
    sections = {lexicon()[word] for word in words if len(word) >= _MIN_TELLING and word in lexicon()}
    about_people = not _PRONOUNS.isdisjoint(words)
    return bool(sections & {"groups", "slurs", "insults"}) or (bool(sections) and about_people)


def _rejoined(words: list[str]) -> list[str]:
    """Join two neighbors that are a word of the lexicon together, if one of them is no word alone."""
    found = list[str]()
    for word in words:
        if found:
            joined = (found[-1] + word).lower()
            core = joined.rstrip(".,!?;:\"'")
            if (
                len(core) >= _MIN_RESPELLED
                and core in lexicon()
                and not (_is_word(found[-1].lower()) and _is_word(word.lower().rstrip(".,!?;:\"'")))
            ):
                found[-1] = joined
                continue
        found.append(word)
    return found
