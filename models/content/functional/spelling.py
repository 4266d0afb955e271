"""Disguises of words: how people hide a text from a filter. Each changes a few words of a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import numpy as np

Spelling = Callable[[str, np.random.Generator], str]

_MIN_LETTERS = 4
_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7", "b": "8"})
_MILD_LEET = str.maketrans({"a": "@", "i": "!", "o": "0", "s": "$", "e": "3"})
_LOOK_ALIKES = str.maketrans("aeopcxyis", "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0455")
_COMMON = frozenset(
    {"that", "they", "them", "this", "with", "should", "have", "from", "what", "when", "just", "such", "will", "would"}
    | {"there", "their", "more", "than", "like", "your", "about", "people", "person", "every", "these", "those"}
)


def _targets(text: str, random: np.random.Generator) -> tuple[list[str], list[int]]:
    """Return the words of a text, and the positions of one or two long ones."""
    words = text.split(" ")
    long = [
        place
        for place, word in enumerate(words)
        if sum(map(str.isalpha, word)) >= _MIN_LETTERS and word.strip(".,!?").lower() not in _COMMON
    ]
    number = min(len(long), 1 + int(random.integers(2)))
    return words, sorted(random.choice(long, number, replace=False).tolist()) if long else []


def _by_word(change: Callable[[str, np.random.Generator], str]) -> Spelling:
    def spell(text: str, random: np.random.Generator) -> str:
        words, places = _targets(text, random)
        for place in places:
            words[place] = change(words[place], random)
        return " ".join(words)

    return spell


def _swap(word: str, random: np.random.Generator) -> str:
    at = int(random.integers(1, len(word.rstrip(".,!?")) - 2 or 1)) if len(word) > _MIN_LETTERS else 1
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _delete(word: str, random: np.random.Generator) -> str:
    at = int(random.integers(1, max(2, len(word.rstrip(".,!?")) - 1)))
    return word[:at] + word[at + 1 :]


def _space(word: str, random: np.random.Generator) -> str:
    core = word.rstrip(".,!?")
    if random.random() < 0.7:  # noqa: PLR2004
        return " ".join(core) + word[len(core) :]
    at = int(random.integers(2, max(3, len(core) - 1)))
    return core[:at] + " " + core[at:] + word[len(core) :]


def _join(text: str, random: np.random.Generator) -> str:
    words = text.split(" ")
    if len(words) < 2:  # noqa: PLR2004
        return text
    at = int(random.integers(len(words) - 1))
    return " ".join([*words[:at], words[at] + words[at + 1], *words[at + 2 :]])


def _leet(word: str, random: np.random.Generator) -> str:
    return word.lower().translate(_LEET if random.random() < 0.6 else _MILD_LEET)  # noqa: PLR2004


def _invisible(word: str, random: np.random.Generator) -> str:
    at = int(random.integers(1, len(word)))
    return word[:at] + "\u200b" + word[at:]


def _marks(word: str, random: np.random.Generator) -> str:
    return "".join(letter + chr(0x300 + int(random.integers(0x40))) if letter.isalpha() else letter for letter in word)


def _repeat(word: str, random: np.random.Generator) -> str:
    at = int(random.integers(1, len(word.rstrip(".,!?"))))
    return word[:at] + word[at] * int(random.integers(2, 5)) + word[at:]


def _full_width(word: str, _: np.random.Generator) -> str:
    return "".join(
        unicodedata.lookup(f"FULLWIDTH LATIN {'CAPITAL' if letter.isupper() else 'SMALL'} LETTER {letter.upper()}")
        if letter.isascii() and letter.isalpha()
        else letter
        for letter in word
    )


SPELLINGS: dict[str, Spelling] = {
    "swap": _by_word(_swap),
    "deletion": _by_word(_delete),
    "spaces": _by_word(_space),
    "joined": _join,
    "leet": _by_word(_leet),
    "look_alikes": _by_word(lambda word, _: word.translate(_LOOK_ALIKES)),
    "invisible": _by_word(_invisible),
    "marks": _by_word(_marks),
    "repeated": _by_word(_repeat),
    "full_width": _by_word(_full_width),
}
