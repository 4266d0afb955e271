"""Excerpts: the beginning of a text, cut between words and never inside a grapheme cluster."""

from __future__ import annotations

import regex

ELLIPSIS = "…"
LOOKAHEAD = 32
"""Characters after the limit that are read to determine the last word and grapheme cluster."""
_GRAPHEME = regex.compile(r"\X")
_WORD = regex.compile(r"(?w)\b")
_END = regex.compile(r"[\s\p{Punctuation}]+\Z")
_SPACE = regex.compile(r"\s(?=\S*\Z)")


def excerpt(text: str, limit: int) -> str:
    """Return ``text`` if it has at most ``limit`` characters, else its beginning with an ellipsis, no longer than that.

    The cut is at a space; where that would lose half of the excerpt, as in a script without spaces, at a word boundary
    or, inside a word that is too long, between two grapheme clusters (Unicode Standard Annex 29).
    """
    if len(text) <= limit:
        return text
    room = limit - len(ELLIPSIS)
    head = text[:room]
    if not text[room].isspace():
        space = _SPACE.search(head)
        head = head[: space.start()] if space is not None and space.start() >= room // 2 else _by_word(text, room)
    return _END.sub("", head) + ELLIPSIS


def _by_word(text: str, room: int) -> str:
    ahead = text[: room + LOOKAHEAD]
    clusters = {cluster.end() for cluster in _GRAPHEME.finditer(ahead)}
    words = [boundary.start() for boundary in _WORD.finditer(ahead) if 0 < boundary.start() <= room]
    end = max((at for at in words if at in clusters), default=0)
    return text[:end] if _END.sub("", text[:end]) else _whole(text, room)


def _whole(text: str, room: int) -> str:
    """Return as many grapheme clusters of ``text`` as ``room`` characters hold."""
    end = 0
    for cluster in _GRAPHEME.finditer(text[: room + LOOKAHEAD]):
        if cluster.end() > room:
            break
        end = cluster.end()
    return text[:end]
