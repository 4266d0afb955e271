"""Erasure of data derived by models: user vectors in MLflow's artifacts and embeddings of texts in the lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
import psycopg
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from models.content.embeddings import embeddings_path, text_hash
from models.recommendation import user_vectors
from neighborconnect.settings import Settings
from pipelines.ingest.lake import scan_events
from pipelines.privacy.mlflow_artifacts import MlflowArtifacts
from pipelines.privacy.user_data import CountsByUser

VECTORS_FILE: Final = "user_vectors.safetensors"
# A promotion follows its training within the hour; an older file was left by a run that died.
_ABANDONED_AFTER: Final = timedelta(days=1)
_HASHES_PER_DELETE: Final = 500
_TEXTS_IN_USE: Final = """
    SELECT concat_ws(E'\\n', title, content) FROM raw.posts
    WHERE NOT _deleted AND (author_id IS NULL OR author_id::text <> ALL(%(users)s))
    UNION SELECT concat_ws(E'\\n', name, lower(category COLLATE "pg_c_utf8"), description)
    FROM raw.connectors WHERE NOT _deleted
    UNION SELECT lower(category COLLATE "pg_c_utf8") FROM raw.connectors WHERE NOT _deleted
    UNION SELECT lower(btrim(interest) COLLATE "pg_c_utf8") FROM raw.users, jsonb_array_elements_text(
        CASE jsonb_typeof(interests) WHEN 'array' THEN interests ELSE '[]' END) AS interest
    WHERE NOT _deleted AND id::text <> ALL(%(users)s)
"""


def delete_vectors(settings: Settings, users: Sequence[str]) -> CountsByUser:
    """Delete users from the user vectors of MLflow's runs, and files of abandoned runs; return rows by user."""
    counts: Counter[str] = Counter()
    erased = set(users)
    artifacts = MlflowArtifacts(settings)
    for key, changed_at in artifacts.named(VECTORS_FILE):
        stored = user_vectors.from_bytes(artifacts.read(key))
        counts.update(user_id for user_id in stored.user_ids if user_id in erased)
        remains = np.array([user_id not in erased for user_id in stored.user_ids], dtype=bool)
        if not remains.any() or changed_at < datetime.now(UTC) - _ABANDONED_AFTER:
            artifacts.remove(key)
        elif not remains.all():
            ids = tuple(user_id for user_id in stored.user_ids if user_id not in erased)
            data = user_vectors.to_bytes(
                user_vectors.UserVectors(ids, stored.factors[remains], stored.content[remains])
            )
            artifacts.write(key, data)
    return counts


def delete_embeddings(settings: Settings, users: Sequence[str]) -> CountsByUser:
    """Delete embeddings of texts that nobody else uses; return the number of deleted texts by user.

    The table is a cache: a deleted embedding is computed again when it is needed.
    """
    path, options = embeddings_path(settings), settings.lake_storage_options
    if not users:
        return {}
    try:
        table = DeltaTable(path, storage_options=options)
    except TableNotFoundError:
        return {}
    stored = set(pl.scan_delta(table).select("text_hash").unique().collect()["text_hash"])
    unused = sorted(stored - _hashes_in_use(settings, users))
    for start in range(0, len(unused), _HASHES_PER_DELETE):
        quoted = ", ".join(f"'{digest}'" for digest in unused[start : start + _HASHES_PER_DELETE])
        DeltaTable(path, storage_options=options).delete(f"text_hash IN ({quoted})")
    deleted = set(unused)
    return Counter(user_id for user_id, text in _post_texts(settings, users) if text_hash(text) in deleted)


def _hashes_in_use(settings: Settings, users: Sequence[str]) -> set[str]:
    with psycopg.connect(settings.warehouse_url) as connection:
        texts = connection.execute(_TEXTS_IN_USE, {"users": list(users)}).fetchall()
    return {text_hash(text) for (text,) in texts if text}


def _post_texts(settings: Settings, users: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the author and the text of every version of the users' posts, each once."""
    posts = scan_events(settings, "posts").filter(pl.col("author_id").is_in(list(users)))
    rows = posts.select("author_id", "title", "content").unique().collect(engine="streaming")
    for author, *parts in rows.iter_rows():
        yield author, "\n".join(part for part in parts if part is not None)
