"""Correction of words against the vocabulary: every word one slip away, and words of similar trigrams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

LEAST_LETTERS, MOST_LETTERS = 4, 24
"""Shorter words are one slip from far too many others; longer ones are left to trigrams."""
RARE = 2
"""Documents up to which a known word may be a slip that somebody else made, too."""
MOST_CORRECTED = 6
"""Words of one search that are corrected."""
CORRECTIONS = 3
"""Corrections of one word."""
SIMILARITY = 0.45
"""Least share of common trigrams."""
_ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя", "αβγδεζηθικλμνξοπρσςτυφχψω")

_CANDIDATES = text("""
    SELECT '' AS asked, word, documents, 1 AS likeness,
        ARRAY(SELECT DISTINCT lexeme FROM unnest(CAST(:languages AS text[])) language
              CROSS JOIN LATERAL unnest(to_tsvector(('public.search_' || language)::regconfig, word))) AS lexemes
    FROM search_words WHERE word = ANY(:slips) AND documents > 0
    UNION ALL
    SELECT asked, word, documents, likeness,
        ARRAY(SELECT DISTINCT lexeme FROM unnest(CAST(:languages AS text[])) language
              CROSS JOIN LATERAL unnest(to_tsvector(('public.search_' || language)::regconfig, word)))
    FROM unnest(CAST(:asked AS text[])) asked CROSS JOIN LATERAL (
        SELECT word, documents, similarity(word, asked) AS likeness FROM search_words
        WHERE word % asked AND word <> asked AND documents > 0
        ORDER BY likeness DESC, documents DESC, word LIMIT :most
    ) similar_words
""").bindparams(bindparam("slips", type_=ARRAY(Text())))


class Correction(NamedTuple):
    """A word of the vocabulary in place of an asked one."""

    word: str
    documents: int
    lexemes: tuple[str, ...]


def is_correctable(word: str, documents: int) -> bool:
    """Whether a word of this document frequency may be a slip."""
    return documents <= RARE and LEAST_LETTERS <= len(word) <= MOST_LETTERS and word.isalpha()


def slips(word: str) -> set[str]:
    """Return every text that is one insertion, deletion, replacement or swap away (Damerau, 1964)."""
    alphabet = next((letters for letters in _ALPHABETS if word[-1] in letters), "")
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    near = {head + tail[1:] for head, tail in cuts if tail}
    near |= {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    near |= {head + letter + tail[1:] for head, tail in cuts if tail for letter in alphabet}
    near |= {head + letter + tail for head, tail in cuts for letter in alphabet}
    return near - {word}


async def corrections(
    session: AsyncSession, words: Mapping[str, int], *, languages: Sequence[str]
) -> dict[str, list[Correction]]:
    """Return corrections of words that are given with their document frequencies, the most frequent first.

    Words that are one slip away come before those that have merely trigrams in common.
    """
    asked = [word for word, documents in words.items() if is_correctable(word, documents)][:MOST_CORRECTED]
    if not asked:
        return {}
    near = {word: slips(word) for word in asked}
    parameters = {
        "slips": sorted(set().union(*near.values())),
        "asked": asked,
        "languages": list(languages),
        "most": CORRECTIONS,
    }
    rows = (await session.execute(_CANDIDATES, parameters)).all()
    return {word: _best(word, near[word], rows, at_least=words[word]) for word in asked}


def _best(word: str, near: set[str], rows: Sequence[Any], *, at_least: int) -> list[Correction]:
    known = {row.word: row for row in rows if row.word in near}
    if not known:
        known = {row.word: row for row in rows if row.asked == word}
    frequent = [row for row in known.values() if row.documents >= at_least]
    frequent.sort(key=lambda row: (-row.likeness, -row.documents, row.word))
    return [Correction(row.word, row.documents, tuple(row.lexemes)) for row in frequent[:CORRECTIONS]]
