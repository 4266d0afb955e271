"""Query planning: terms weighted by the vocabulary, and the condition for candidates.

Each word becomes a term: its lexemes in all languages of the documents, or its corrections. A match has at least
``MINIMUM_MATCH`` of the terms by inverse document frequency. The condition is one ``tsquery``, so that a GIN scan reads
the postings of rare terms and only probes those of frequent ones (as in WAND: Broder et al., CIKM 2003).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.community.search import spelling
from transactional_api.community.search.scripts import prefixed, with_runs
from transactional_api.community.search.syntax import Syntax
from transactional_api.core.db.tables.searched import BUCKET

CANDIDATES = 1_000
"""Documents of a kind that are scored for one search."""
MINIMUM_MATCH = 0.6
MAX_GATED = 6
"""Terms in the condition, the rarest ones; other words of a long query only affect the rank."""
CORRECTED_WEIGHT = 0.6
MAX_SCORED = 16
"""Terms and corrections that are scored."""

# Also sets the parameters of the following statements of the transaction: JIT and custom plans take longer than the
# statements themselves.
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
    SELECT piece.number AS piece, piece.is_phrase, language, token.lexeme, token.position, token.phrase,
        known.documents, corpus.documents AS all_documents, corpus.lexemes AS all_lexemes, corpus.number AS last_number
    FROM settings CROSS JOIN corpus CROSS JOIN languages
    CROSS JOIN (
        SELECT public.search_asked(content) AS text, is_phrase, number
        FROM unnest(CAST(:pieces AS text[]), CAST(:phrases AS boolean[])) WITH ORDINALITY
            AS pieces (content, is_phrase, number)
    ) piece
    CROSS JOIN LATERAL (
        SELECT lexeme, position, NULL::text AS phrase
        FROM unnest(to_tsvector(('public.search_' || language)::regconfig, piece.text)) CROSS JOIN unnest(positions)
            AS position
        WHERE NOT piece.is_phrase
        UNION ALL
        SELECT NULL, 0, phraseto_tsquery(('public.search_' || language)::regconfig, piece.text)::text
        WHERE piece.is_phrase
    ) token
    LEFT JOIN search_words known ON known.word = token.lexeme
""")


class Scored(NamedTuple):
    """A scored query and the weight of a match."""

    query: str
    weight: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Execution plan of a search.

    Attributes:
        gate: condition of a candidate, as a ``tsquery``; empty if nothing can match.
        scored: terms by which candidates are ranked.
        mean_lexemes: mean number of lexemes of a document.
        first_bucket: oldest bucket that is searched; skips older documents if there are too many candidates.
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
    """Return the plan of a search; runs one statement, and a second one if a word may be misspelled."""
    syntax = with_runs(syntax)
    pieces = [word for group in syntax.words for word in group]
    phrases = [*syntax.phrases, *syntax.excluded]
    parameters = {
        "similarity": str(spelling.MIN_TRIGRAM_SIMILARITY),
        "pieces": [*pieces, *phrases],
        "phrases": [False] * len(pieces) + [True] * len(phrases),
    }
    rows = (await session.execute(_ANALYZE, parameters)).all()
    if not rows:
        return Plan("", ())
    terms = _terms(syntax, [row for row in rows if not row.is_phrase])
    await _correct(session, terms, languages=sorted({row.language for row in rows}))
    phrase_queries: dict[int, dict[str, None]] = defaultdict(dict)
    for row in rows:
        if row.is_phrase and row.phrase:
            position = row.piece - len(pieces) - 1
            phrase_queries[position][prefixed(row.phrase, words=phrases[position])] = None
    required = [
        _either(phrase_queries[position]) for position in range(len(syntax.phrases)) if phrase_queries[position]
    ]
    excluded = [
        _either(phrase_queries[position])
        for position in range(len(syntax.phrases), len(phrases))
        if phrase_queries[position]
    ]
    return _plan(terms, required, excluded, corpus=rows[0])


def _terms(syntax: Syntax, rows: Sequence[Any]) -> list[_Term]:
    """Return a term for each word; the alternatives of a group are one term."""
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
    # Repeated words are one term.
    return list({term.query: term for term in terms.values()}.values())


async def _correct(session: AsyncSession, terms: Sequence[_Term], *, languages: Sequence[str]) -> None:
    words = {term.word: term for term in terms if term.word is not None}
    corrections = await spelling.corrections(
        session,
        {word: term.documents for word, term in words.items()},
        # A stem is often at edit distance one from its word, and would leave no place for corrections.
        excluded={word: set(term.lexemes) for word, term in words.items()},
        languages=languages,
    )
    for term in terms:
        for correction in corrections.get(term.word or "", ()):
            term.corrected |= dict.fromkeys(lexeme for lexeme in correction.lexemes if lexeme not in term.lexemes)
            term.corrected_documents += correction.documents


def _plan(terms: list[_Term], required: list[str], excluded: list[str], *, corpus: Any) -> Plan:
    if not terms and not required:
        return Plan("", ())
    all_documents = corpus.all_documents
    known = sorted((term for term in terms if term.all_documents), key=lambda term: term.all_documents)
    # Words of the last minute are not counted yet: they do not narrow the condition, and matching all of them suffices.
    new = [term for term in terms if not term.all_documents]
    shares = [Share(term.query, _idf(term.all_documents, all_documents), _share(term, all_documents)) for term in known]
    if not known:
        shares = [Share(term.query, 1.0, 0.0) for term in terms]
    condition, expected = _condition(shares, all_documents=all_documents)
    if known and new:
        condition = f"({condition}) | ({_all(term.query for term in new)})"
    gate = _all([*([f"({condition})"] if condition else []), *required, *(f"!{query}" for query in excluded)])
    scored = [Scored(query, _idf(0, all_documents)) for query in required]
    for term in (*known, *new):
        scored.append(Scored(_any(term.lexemes), len(term.lexemes) * _idf(term.documents, all_documents)))
        if term.corrected:
            weight = CORRECTED_WEIGHT * _idf(term.corrected_documents, all_documents)
            scored.append(Scored(_any(term.corrected), weight))
    first_bucket = 0
    if expected > CANDIDATES and not required:
        first_bucket = int(corpus.last_number * (1 - CANDIDATES / expected)) // BUCKET
    return Plan(gate, tuple(scored[:MAX_SCORED]), corpus.all_lexemes / all_documents, first_bucket)


class Share(NamedTuple):
    """A term of the condition: its query, weight, and share of documents that contain it."""

    query: str
    weight: float
    share: float


def _condition(shares: Sequence[Share], *, all_documents: int) -> tuple[str, float]:
    """Return the weakest condition, from ``MINIMUM_MATCH`` on, that few enough documents are expected to satisfy.

    Assumes that terms are statistically independent.
    """
    gated = shares[:MAX_GATED]
    total = sum(share.weight for share in gated)
    condition, expected = "", 0.0
    for match in (MINIMUM_MATCH, 0.8, 1.0):
        # Minus an epsilon, so that a rounding error cannot require more than all terms.
        condition, probability = at_least(gated, match * total - 1e-9)
        expected = probability * all_documents
        if expected <= CANDIDATES:
            break
    return condition, expected


def at_least(shares: Sequence[Share], needed: float) -> tuple[str, float]:
    """Return the query of documents whose terms weigh at least ``needed``, and its probability."""
    if needed <= 0:
        return "", 1.0
    if sum(share.weight for share in shares) < needed:
        return "", 0.0
    first, rest = shares[0], shares[1:]
    with_it, probability_with = at_least(rest, needed - first.weight)
    without, probability_without = at_least(rest, needed)
    query = first.query if not with_it else f"{first.query} & ({with_it})"
    if without:
        query = f"{query} | {without}"
    return query, first.share * probability_with + (1 - first.share) * probability_without


def _share(term: _Term, all_documents: int) -> float:
    return min(1.0, term.all_documents / all_documents)


def _idf(documents: int, all_documents: int) -> float:
    """Return the inverse document frequency of BM25 (Robertson and Zaragoza, 2009)."""
    return math.log1p(max(0.0, all_documents - documents + 0.5) / (documents + 0.5))


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _any(lexemes: Iterable[str]) -> str:
    return "(" + " | ".join(map(_quoted, lexemes)) + ")"


def _either(queries: Iterable[str]) -> str:
    return "(" + " | ".join(f"({query})" for query in queries) + ")"


def _all(queries: Iterable[str]) -> str:
    return " & ".join(queries)
