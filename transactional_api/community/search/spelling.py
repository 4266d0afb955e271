"""Spelling correction against the vocabulary: words at edit distance one, then words with similar trigrams."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

MIN_LETTERS, MAX_LETTERS = 4, 24
"""Shorter words are one edit from too many others; longer ones are corrected by trigrams only."""
RARE_DOCUMENTS = 2
"""Document frequency up to which a word of the vocabulary may itself be misspelled."""
MAX_CORRECTED = 6
"""Words of one query that are corrected."""
MAX_CORRECTIONS = 3
"""Corrections of one word."""
MIN_TRIGRAM_SIMILARITY = 0.45
"""Minimum share of common trigrams."""
_ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя", "αβγδεζηθικλμνξοπρσςτυφχψω")

_CANDIDATES = text("""
    SELECT '' AS misspelled, word, documents, 1 AS similarity,
        ARRAY(SELECT DISTINCT lexeme FROM unnest(CAST(:languages AS text[])) language
              CROSS JOIN LATERAL unnest(to_tsvector(('public.search_' || language)::regconfig, word))) AS lexemes
    FROM search_words WHERE word = ANY(:edits) AND documents > 0
    UNION ALL
    SELECT misspelled, word, documents, similarity,
        ARRAY(SELECT DISTINCT lexeme FROM unnest(CAST(:languages AS text[])) language
              CROSS JOIN LATERAL unnest(to_tsvector(('public.search_' || language)::regconfig, word)))
    FROM unnest(CAST(:misspelled AS text[])) misspelled CROSS JOIN LATERAL (
        SELECT word, documents, similarity(word, misspelled) AS similarity FROM search_words
        WHERE word % misspelled AND word <> ALL(CAST(:excluded AS text[])) AND documents > 0
        ORDER BY similarity DESC, documents DESC, word LIMIT :max_corrections
    ) similar_words
""").bindparams(bindparam("edits", type_=ARRAY(Text())))


class Correction(NamedTuple):
    """A word of the vocabulary that replaces a misspelled one."""

    word: str
    documents: int
    lexemes: tuple[str, ...]


def is_correctable(word: str, documents: int) -> bool:
    """Whether a word of this document frequency may be misspelled."""
    return documents <= RARE_DOCUMENTS and MIN_LETTERS <= len(word) <= MAX_LETTERS and word.isalpha()


def edits(word: str) -> set[str]:
    """Return every text at Damerau-Levenshtein distance one (Damerau, 1964)."""
    alphabet = next((letters for letters in _ALPHABETS if word[-1] in letters), "")
    cuts = [(word[:position], word[position:]) for position in range(len(word) + 1)]
    near = {head + tail[1:] for head, tail in cuts if tail}
    near |= {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    near |= {head + letter + tail[1:] for head, tail in cuts if tail for letter in alphabet}
    near |= {head + letter + tail for head, tail in cuts for letter in alphabet}
    return near - {word}


async def corrections(
    session: AsyncSession,
    words: Mapping[str, int],
    *,
    excluded: Mapping[str, Collection[str]],
    languages: Sequence[str],
) -> dict[str, list[Correction]]:
    """Return corrections of words, given with their document frequencies, most frequent first.

    Words at edit distance one precede words that only share trigrams. ``excluded`` has the lexemes of each word.
    """
    misspelled = [word for word, documents in words.items() if is_correctable(word, documents)][:MAX_CORRECTED]
    if not misspelled:
        return {}
    near = {word: edits(word).difference(excluded[word]) for word in misspelled}
    parameters = {
        "edits": sorted(set().union(*near.values())),
        "misspelled": misspelled,
        "excluded": sorted(set().union(*(excluded[word] for word in misspelled))),
        "languages": list(languages),
        "max_corrections": MAX_CORRECTIONS,
    }
    rows = (await session.execute(_CANDIDATES, parameters)).all()
    return {word: _best(word, near[word], rows, at_least=words[word]) for word in misspelled}


def _best(word: str, near: set[str], rows: Sequence[Any], *, at_least: int) -> list[Correction]:
    candidates = {row.word: row for row in rows if row.word in near}
    if not candidates:
        candidates = {row.word: row for row in rows if row.misspelled == word}
    frequent = [row for row in candidates.values() if row.documents >= at_least]
    frequent.sort(key=lambda row: (-row.similarity, -row.documents, row.word))
    return [Correction(row.word, row.documents, tuple(row.lexemes)) for row in frequent[:MAX_CORRECTIONS]]
