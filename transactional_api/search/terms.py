"""The terms of a search, weighed by the vocabulary, and the condition that candidates have to fulfil.

Every word becomes a term: its lexemes in all languages of the documents, or its corrections. A match has at least
``MINIMUM_MATCH`` of the terms by inverse document frequency. The condition is one ``tsquery``, so that a GIN scan reads
the postings of the rare terms and only probes those of the frequent ones (as WAND does: Broder et al., CIKM 2003).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.db.tables.searched import BUCKET
from transactional_api.search import spelling
from transactional_api.search.syntax import Syntax

CANDIDATES = 1_000
"""Documents of a kind that are scored for one search."""
MINIMUM_MATCH = 0.6
GATED = 6
"""Terms that the condition is made of: the rarest. Of a long search the other words only count for the rank."""
CORRECTED_WEIGHT = 0.6
MAX_SCORED = 16
"""Terms and corrections that are scored."""

# For the statements that follow in this transaction. Compiling (JIT) and planning them takes longer than running them,
# and their plans do not hang on what is asked.
_ANALYZE = text("""
    WITH settings AS MATERIALIZED (
        SELECT set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true),
            set_config('pg_trgm.similarity_threshold', CAST(:similarity AS text), true)
    ), languages AS MATERIALIZED (
        SELECT language FROM search_languages WHERE documents > 0 UNION SELECT 'english' UNION SELECT 'simple'
    ), corpus AS MATERIALIZED (
        SELECT greatest(sum(documents), 1)::bigint AS documents, greatest(sum(lexemes), 1)::bigint AS lexemes,
            (SELECT last_value FROM search_documents_number) AS number
        FROM search_languages
    )
    SELECT piece.number AS piece, piece.is_phrase, language, asked.lexeme, asked.position, asked.phrase,
        known.documents, corpus.documents AS all_documents, corpus.lexemes AS all_lexemes, corpus.number AS last_number
    FROM settings CROSS JOIN corpus CROSS JOIN languages
    CROSS JOIN unnest(CAST(:pieces AS text[]), CAST(:phrases AS boolean[])) WITH ORDINALITY
        AS piece (text, is_phrase, number)
    CROSS JOIN LATERAL (
        SELECT lexeme, position, NULL::text AS phrase
        FROM unnest(to_tsvector(('public.search_' || language)::regconfig, piece.text)) CROSS JOIN unnest(positions)
            AS position
        WHERE NOT piece.is_phrase
        UNION ALL
        SELECT NULL, 0, phraseto_tsquery(('public.search_' || language)::regconfig, piece.text)::text
        WHERE piece.is_phrase
    ) asked
    LEFT JOIN search_words known ON known.word = asked.lexeme
""")


class Scored(NamedTuple):
    """A query whose matches score, and what a match of it weighs."""

    query: str
    weight: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is answered.

    Attributes:
        gate: the condition of a candidate, as a ``tsquery``; empty where nothing can match.
        scored: the terms by which candidates are ranked.
        mean_lexemes: lexemes of a document, in the mean.
        first_bucket: documents of older buckets are left out where there are too many candidates everywhere.
    """

    gate: str
    scored: tuple[Scored, ...]
    mean_lexemes: float = 1.0
    first_bucket: int = 0


@dataclass(slots=True)
class _Term:
    lexemes: dict[str, None] = field(default_factory=dict)
    documents: int = 0
    word: str | None = None
    corrected: dict[str, None] = field(default_factory=dict)
    corrected_documents: int = 0

    @property
    def all_documents(self) -> int:
        return max(self.documents, self.corrected_documents)

    @property
    def query(self) -> str:
        return _any([*self.lexemes, *self.corrected])


async def plan(session: AsyncSession, syntax: Syntax) -> Plan:
    """Return how a search is answered; it takes one statement, and a second one where a word may be a slip."""
    pieces = [word for group in syntax.words for word in group]
    phrases = [*syntax.phrases, *syntax.excluded]
    parameters = {
        "similarity": str(spelling.SIMILARITY),
        "pieces": [*pieces, *phrases],
        "phrases": [False] * len(pieces) + [True] * len(phrases),
    }
    rows = (await session.execute(_ANALYZE, parameters)).all()
    if not rows:
        return Plan("", ())
    terms = _terms(syntax, [row for row in rows if not row.is_phrase])
    await _correct(session, terms, languages=sorted({row.language for row in rows}))
    asked: dict[int, dict[str, None]] = defaultdict(dict)
    for row in rows:
        if row.is_phrase and row.phrase:
            asked[row.piece - len(pieces) - 1][row.phrase] = None
    required = [_either(asked[place]) for place in range(len(syntax.phrases)) if asked[place]]
    excluded = [_either(asked[place]) for place in range(len(syntax.phrases), len(phrases)) if asked[place]]
    return _plan(terms, required, excluded, corpus=rows[0])


def _terms(syntax: Syntax, rows: Sequence[Any]) -> list[_Term]:
    """Return a term for each word of a piece; the alternatives of a group are one term."""
    groups: list[int | None] = []
    for number, group in enumerate(syntax.words):
        groups += [number if len(group) > 1 else None] * len(group)
    terms: dict[Any, _Term] = defaultdict(_Term)
    for row in sorted(rows, key=lambda row: (row.piece, row.position)):
        group = groups[row.piece - 1]
        term = terms[(row.piece, row.position) if group is None else group]
        term.lexemes[row.lexeme] = None
        term.documents = max(term.documents, row.documents or 0)
        if row.language == "simple" and group is None:
            term.word = row.lexeme
    # A word that is asked for twice is one term.
    return list({term.query: term for term in terms.values()}.values())


async def _correct(session: AsyncSession, terms: Sequence[_Term], *, languages: Sequence[str]) -> None:
    words = {term.word: term.documents for term in terms if term.word is not None}
    found = await spelling.corrections(session, words, languages=languages)
    for term in terms:
        for correction in found.get(term.word or "", ()):
            term.corrected |= dict.fromkeys(lexeme for lexeme in correction.lexemes if lexeme not in term.lexemes)
            term.corrected_documents += correction.documents


def _plan(terms: list[_Term], required: list[str], excluded: list[str], *, corpus: Any) -> Plan:
    if not terms and not required:
        return Plan("", ())
    everything = corpus.all_documents
    known = sorted((term for term in terms if term.all_documents), key=lambda term: term.all_documents)
    # Words of the last minute are in no vocabulary: they narrow nothing, and a match that has all of them will do.
    new = [term for term in terms if not term.all_documents]
    shares = [Share(term.query, _idf(term.all_documents, everything), _share(term, everything)) for term in known]
    if not known:
        shares = [Share(term.query, 1.0, 0.0) for term in terms]
    condition, expected = _condition(shares, everything=everything)
    if known and new:
        condition = f"({condition}) | ({_all(term.query for term in new)})"
    gate = _all([*([f"({condition})"] if condition else []), *required, *(f"!{query}" for query in excluded)])
    scored = [Scored(query, _idf(0, everything)) for query in required]
    for term in (*known, *new):
        scored.append(Scored(_any(term.lexemes), len(term.lexemes) * _idf(term.documents, everything)))
        if term.corrected:
            weight = CORRECTED_WEIGHT * _idf(term.corrected_documents, everything)
            scored.append(Scored(_any(term.corrected), weight))
    first_bucket = 0
    if expected > CANDIDATES and not required:
        first_bucket = int(corpus.last_number * (1 - CANDIDATES / expected)) // BUCKET
    return Plan(gate, tuple(scored[:MAX_SCORED]), corpus.all_lexemes / everything, first_bucket)


class Share(NamedTuple):
    """A term of the condition: its query, weight and the share of documents that have it."""

    query: str
    weight: float
    share: float


def _condition(shares: Sequence[Share], *, everything: int) -> tuple[str, float]:
    """Return the weakest condition from ``MINIMUM_MATCH`` on that few enough documents are expected to fulfil.

    Terms are taken for independent of one another.
    """
    gated = shares[:GATED]
    total = sum(share.weight for share in gated)
    condition, expected = "", 0.0
    for match in (MINIMUM_MATCH, 0.8, 1.0):
        # Not quite, lest a rounding error asks for more than all.
        condition, probability = at_least(gated, match * total - 1e-9)
        expected = probability * everything
        if expected <= CANDIDATES:
            break
    return condition, expected


def at_least(shares: Sequence[Share], needed: float) -> tuple[str, float]:
    """Return the query that is true of documents whose terms weigh ``needed`` or more, and its probability."""
    if needed <= 0:
        return "", 1.0
    if sum(share.weight for share in shares) < needed:
        return "", 0.0
    first, rest = shares[0], shares[1:]
    with_it, chance_with = at_least(rest, needed - first.weight)
    without, chance_without = at_least(rest, needed)
    query = first.query if not with_it else f"{first.query} & ({with_it})"
    if without:
        query = f"{query} | {without}"
    return query, first.share * chance_with + (1 - first.share) * chance_without


def _share(term: _Term, everything: int) -> float:
    return min(1.0, term.all_documents / everything)


def _idf(documents: int, everything: int) -> float:
    """Return the inverse document frequency of BM25 (Robertson and Zaragoza, 2009)."""
    return math.log1p(max(0.0, everything - documents + 0.5) / (documents + 0.5))


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _any(lexemes: Iterable[str]) -> str:
    return "(" + " | ".join(map(_quoted, lexemes)) + ")"


def _either(queries: Iterable[str]) -> str:
    return "(" + " | ".join(f"({query})" for query in queries) + ")"


def _all(queries: Iterable[str]) -> str:
    return " & ".join(queries)
