"""Support search in scripts without spaces, and case folding independent of the locale of the database.

``search_segments`` writes runs of Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese as bigrams of letters, as
Lucene's CJK analyzer does; the last letter of each run stands alone at the end, so that every letter begins a lexeme.
``search_fold`` folds case under a built-in collation. Documents of texts beyond ASCII are made again, in batches that
commit one by one. All of it can run again after an interruption.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    r"\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af"
)
FUNCTIONS = """
CREATE OR REPLACE FUNCTION search_fold(words text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $sql$
    SELECT replace(
        translate(lower(normalize(words, NFKC) COLLATE "pg_c_utf8"), U&'\\03c2\\0131', U&'\\03c3i'), U&'\\00df', 'ss'
    )
$sql$;

CREATE OR REPLACE FUNCTION search_bigrams(run text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $sql$
    SELECT string_agg(letter || next_letter, ' ' ORDER BY number) FROM (
        SELECT letter, number, lead(letter) OVER (ORDER BY number) AS next_letter
        FROM unnest(string_to_array(run, NULL)) WITH ORDINALITY AS letters (letter, number)
    ) pairs
$sql$;

CREATE OR REPLACE FUNCTION search_segments(words text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $plpgsql$
DECLARE
    folded text := public.search_fold(words);
BEGIN
    IF folded !~ '[@UNSPACED@]' THEN
        RETURN folded;
    END IF;
    RETURN (
        SELECT concat_ws(' ',
            string_agg(CASE WHEN is_unspaced THEN public.search_bigrams(run) ELSE run END, ' ' ORDER BY number),
            string_agg(right(run, 1), ' ' ORDER BY number) FILTER (WHERE is_unspaced))
        FROM (
            SELECT piece[1] AS run, number, piece[1] ~ '^[@UNSPACED@]' AS is_unspaced
            FROM regexp_matches(folded, '([@UNSPACED@]+|[^@UNSPACED@]+)', 'g') WITH ORDINALITY AS runs (piece, number)
        ) all_runs
    );
END
$plpgsql$;

CREATE OR REPLACE FUNCTION search_asked(words text) RETURNS text
IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $plpgsql$
DECLARE
    folded text := public.search_fold(words);
BEGIN
    IF folded !~ '[@UNSPACED@]' THEN
        RETURN folded;
    END IF;
    RETURN (
        SELECT string_agg(
            CASE WHEN piece[1] ~ '^[@UNSPACED@]' AND length(piece[1]) > 1 THEN public.search_bigrams(piece[1])
            ELSE piece[1] END, ' ' ORDER BY number)
        FROM regexp_matches(folded, '([@UNSPACED@]+|[^@UNSPACED@]+)', 'g') WITH ORDINALITY AS runs (piece, number)
    );
END
$plpgsql$;

CREATE OR REPLACE FUNCTION search_lexemes(language text, title text, body text) RETURNS tsvector
STABLE LANGUAGE sql AS $sql$
    SELECT setweight(to_tsvector(('public.search_' || language)::regconfig, segmented.title), 'A')
        || to_tsvector(('public.search_' || language)::regconfig, segmented.body)
        || strip(to_tsvector('public.search_simple', segmented.title || ' ' || segmented.body))
    FROM (
        SELECT public.search_segments(left(title, 2000)) AS title, public.search_segments(left(body, 20000)) AS body
    ) segmented
$sql$;
"""
# Kind, the title, the body.
SOURCES = {
    "users": ("user", ("username", "first_name", "last_name"), ()),
    "connectors": ("connector", ("name",), ("category", "description")),
    "posts": ("post", ("title",), ("content",)),
    "events": ("event", ("title",), ("description", "location")),
    "marketplace_items": ("item", ("title",), ("description",)),
}
BATCH = 300
# Source rows are locked, so that no edit or erasure happens between reading and writing.
REFILL = """
WITH batch AS MATERIALIZED (
    SELECT id, created_at, {title} AS title, {body} AS body FROM {table} AS source
    WHERE (created_at, id) > (:created_at, :id) AND octet_length({title} || {body}) > length({title} || {body})
    ORDER BY created_at, id LIMIT :most FOR NO KEY UPDATE OF source
), refilled AS (
    UPDATE search_documents SET words = search_lexemes(language, batch.title, batch.body)
    FROM batch WHERE kind = '{kind}' AND subject_id = batch.id
)
SELECT created_at, id FROM batch ORDER BY created_at DESC, id DESC LIMIT 1
"""


def upgrade() -> None:
    op.execute(FUNCTIONS.replace("@UNSPACED@", UNSPACED))
    with op.get_context().autocommit_block():
        for table, (kind, title, body) in SOURCES.items():
            refill = REFILL.format(table=table, kind=kind, title=_text(title), body=_text(body))
            _refill(sa.text(refill))


def _refill(statement: sa.TextClause) -> None:
    last: Any = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
    while last is not None:
        last = op.get_bind().execute(statement, {"created_at": last[0], "id": last[1], "most": BATCH}).first()


def _text(columns: tuple[str, ...]) -> str:
    return f"concat_ws(' ', {', '.join(columns)})" if columns else "''"
