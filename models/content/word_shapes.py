"""Word shapes: the capitalization that the uncased encoder loses, as an additional input of the entity task.

Each token has the shape of the whitespace-separated word that it is part of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from models.content.encoder import IntArray, Tokens

_ADDRESS = re.compile(r"https?:|www\.", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
# First match wins; the second argument is the word's letters only.
_RULES: dict[str, Callable[[str, str], bool]] = {
    "@person": lambda word, _: len(word) > 1 and word[0] == "@",
    "#tag": lambda word, _: len(word) > 1 and word[0] == "#",
    "address": lambda word, _: _ADDRESS.match(word) is not None,
    "number": lambda word, letters: not letters and _DIGIT.search(word) is not None,
    "mark": lambda _, letters: not letters,
    "mixed": lambda word, _: _DIGIT.search(word) is not None,
    "small": lambda _, letters: letters.islower(),
    "LARGE": lambda _, letters: len(letters) > 1 and letters.isupper(),
    "Capital": lambda _, letters: letters.istitle(),
    "oTHer": lambda *_: True,
}
_FIRST = "Capital where a sentence begins"

SHAPES = ("none", *_RULES, _FIRST)
"""Shape names by number; the first is that of special tokens."""

_PLACE = {name: place for place, name in enumerate(SHAPES)}
_WORD = re.compile(r"\S+")
_END = re.compile(r"[.!?:\"“(]$")


def shapes_of(texts: Sequence[str], tokens: Tokens) -> IntArray:
    """Return (n, t) numbers in ``SHAPES``; ``tokens`` are those of ``texts``."""
    found = np.zeros(tokens.ids.shape, dtype=np.int64)
    for row, (text, spans) in enumerate(zip(texts, tokens.spans, strict=True)):
        words, place = _words(text), 0
        for column, (begin, end) in enumerate(spans):
            if begin == end:
                continue
            while place < len(words) and words[place][0] <= begin:
                place += 1
            found[row, column] = words[place - 1][1] if place else 0
    return found


def shape_of(word: str, *, first: bool = False) -> str:
    """Return the shape of a word; ``first`` is whether it begins a sentence."""
    letters = "".join(filter(str.isalpha, word))
    name = next(name for name, holds in _RULES.items() if holds(word, letters))
    return _FIRST if first and name == "Capital" else name


def _words(text: str) -> list[tuple[int, int]]:
    """Return the begin of each word, and its shape."""
    words, first = [], True
    for match in _WORD.finditer(text):
        words.append((match.start(), _PLACE[shape_of(match[0], first=first)]))
        first = _END.search(match[0]) is not None
    return words
