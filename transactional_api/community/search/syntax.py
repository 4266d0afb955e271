"""Query syntax: words, ``"a phrase"``, ``-excluded`` and ``or``."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PIECES = 32
"""Maximum number of pieces of a query; further ones are ignored."""
_PIECE = re.compile(r'(?P<excluded>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Syntax:
    """A parsed query.

    Attributes:
        words: groups of alternatives; ``or`` joins words to one group.
        phrases: phrases that every match contains.
        excluded: words and phrases that no match contains.
    """

    words: tuple[tuple[str, ...], ...]
    phrases: tuple[str, ...]
    excluded: tuple[str, ...]


def parse(query: str) -> Syntax:
    """Parse a query; every text is valid."""
    words: list[tuple[str, ...]] = []
    phrases: list[str] = []
    excluded: list[str] = []
    joins = False
    for piece in list(_PIECE.finditer(query))[:MAX_PIECES]:
        text = piece["word"] if piece["phrase"] is None else piece["phrase"]
        if not _LETTER.search(text):
            continue
        if piece["excluded"]:
            excluded.append(text)
        elif piece["phrase"] is not None:
            phrases.append(text)
        elif text.lower() == "or" and words:
            joins = True
            continue
        elif joins:
            words[-1] = (*words[-1], text)
        else:
            words.append((text,))
        joins = False
    return Syntax(tuple(words), tuple(phrases), tuple(excluded))
