"""How words are written, which the encoder's tokens do not say: it reads everything in small letters.

Names are mostly written large, so whoever looks for names has to know. Each token has the shape of the word, between
blanks, that it is part of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from models.content.encoder import IntArray, Tokens

_ADDRESS = re.compile(r"https?:|www\.", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
# In this order; the second argument is the word's letters alone.
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
"""What a number stands for; the first is that of what stands for no characters."""

_PLACE = {name: place for place, name in enumerate(SHAPES)}
_WORD = re.compile(r"\S+")
_END = re.compile(r"[.!?:\"“(]$")


def shapes_of(texts: Sequence[str], tokens: Tokens) -> IntArray:
    """Return the shape of each token, (n, t) places in ``SHAPES``; ``tokens`` are those of ``texts``."""
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
    """Name the shape of a word; ``first`` says whether a sentence begins with it."""
    letters = "".join(filter(str.isalpha, word))
    name = next(name for name, holds in _RULES.items() if holds(word, letters))
    return _FIRST if first and name == "Capital" else name


def _words(text: str) -> list[tuple[int, int]]:
    """Return where each word begins, and its shape."""
    words, first = [], True
    for match in _WORD.finditer(text):
        words.append((match.start(), _PLACE[shape_of(match[0], first=first)]))
        first = _END.search(match[0]) is not None
    return words
