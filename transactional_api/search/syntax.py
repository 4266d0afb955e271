"""The syntax of a search: words, ``"a phrase"``, ``-not`` and ``or``."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PIECES = 32
"""Pieces of a search that count; further ones are left out."""
_PIECE = re.compile(r'(?P<excluded>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Syntax:
    """A parsed search.

    Attributes:
        words: groups of alternatives; ``or`` joins words to one group.
        phrases: each has to be in a match.
        excluded: words and phrases, none of which may be in a match.
    """

    words: tuple[tuple[str, ...], ...]
    phrases: tuple[str, ...]
    excluded: tuple[str, ...]


def parse(query: str) -> Syntax:
    """Parse a search; every text is one."""
    words: list[tuple[str, ...]] = []
    phrases: list[str] = []
    excluded: list[str] = []
    joins = False
    for piece in list(_PIECE.finditer(query))[:MAX_PIECES]:
        said = piece["word"] if piece["phrase"] is None else piece["phrase"]
        if not _LETTER.search(said):
            continue
        if piece["excluded"]:
            excluded.append(said)
        elif piece["phrase"] is not None:
            phrases.append(said)
        elif said.lower() == "or" and words:
            joins = True
            continue
        elif joins:
            words[-1] = (*words[-1], said)
        else:
            words.append((said,))
        joins = False
    return Syntax(tuple(words), tuple(phrases), tuple(excluded))
