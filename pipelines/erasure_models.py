"""Erasure from what models keep: user vectors in MLflow's artefacts, and embeddings of texts in the lake."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import psycopg
from deltalake import DeltaTable
from minio import Minio

from models.recommendation import vectors
from models.recommendation.content import embeddings_path, text_hash
from neighborconnect.settings import Settings
from pipelines.ingest.lake import VACUUM_AFTER, scan_events
from pipelines.people import Counts

VECTORS_FILE: Final = "user_vectors.safetensors"
# A release follows its training within the hour; a file that is older was left by a run that died.
_LEFT_OVER: Final = timedelta(days=1)
_HASHES_A_DELETE: Final = 500
_TEXTS: Final = """
    SELECT concat_ws(E'\\n', title, content) FROM raw.posts
    WHERE NOT _deleted AND (author_id IS NULL OR author_id::text <> ALL(%(people)s))
    UNION SELECT concat_ws(E'\\n', name, lower(category), description) FROM raw.connectors WHERE NOT _deleted
    UNION SELECT lower(category) FROM raw.connectors WHERE NOT _deleted
    UNION SELECT lower(btrim(interest)) FROM raw.users, jsonb_array_elements_text(
        CASE jsonb_typeof(interests) WHEN 'array' THEN interests ELSE '[]' END) AS interest
    WHERE NOT _deleted AND id::text <> ALL(%(people)s)
"""


def delete_vectors(settings: Settings, people: Sequence[str]) -> Counts:
    """Remove people from the user vectors of MLflow's runs, and files that a dead run left; return rows by person."""
    counts: Counter[str] = Counter()
    gone = set(people)
    store, bucket = _objects(settings), settings.s3_mlflow_bucket
    for key, changed_at in _vector_files(store, bucket):
        response = store.get_object(bucket, key)
        try:
            found = vectors.from_bytes(response.read())
        finally:
            response.close()
            response.release_conn()
        counts.update(one for one in found.user_ids if one in gone)
        stays = np.array([one not in gone for one in found.user_ids], dtype=bool)
        if not stays.any() or changed_at < datetime.now(UTC) - _LEFT_OVER:
            store.remove_object(bucket, key)
        elif not stays.all():
            ids = tuple(one for one in found.user_ids if one not in gone)
            data = vectors.to_bytes(vectors.UserVectors(ids, found.factors[stays], found.content[stays]))
            store.put_object(bucket, key, io.BytesIO(data), len(data))
    return counts


def delete_embeddings(settings: Settings, people: Sequence[str]) -> Counts:
    """Delete embeddings of texts that nobody else has any more; return by person how many of their texts were there.

    The table is a cache: an embedding that is deleted although it could be used again is computed again.
    """
    path, options = embeddings_path(settings), settings.lake_storage_options
    if not people or not DeltaTable.is_deltatable(path, options):
        return {}
    known = set(pl.scan_delta(path, storage_options=options).select("text_hash").unique().collect()["text_hash"])
    stale = sorted(known - _hashes_in_use(settings, people))
    for start in range(0, len(stale), _HASHES_A_DELETE):
        listed = ", ".join(f"'{one}'" for one in stale[start : start + _HASHES_A_DELETE])
        DeltaTable(path, storage_options=options).delete(f"text_hash IN ({listed})")
    dropped = set(stale)
    return Counter(person for person, text in _written(settings, people) if text_hash(text) in dropped)


def vacuum_embeddings(settings: Settings, *, after: timedelta = VACUUM_AFTER) -> int:
    """Delete the files of embeddings that no version younger than ``after`` needs; return the number."""
    path, options = embeddings_path(settings), settings.lake_storage_options
    if not DeltaTable.is_deltatable(path, options):
        return 0
    hours = int(after.total_seconds() // 3_600)
    table = DeltaTable(path, storage_options=options)
    return len(table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False))


def _hashes_in_use(settings: Settings, people: Sequence[str]) -> set[str]:
    with psycopg.connect(settings.warehouse_url) as connection:
        texts = connection.execute(_TEXTS, {"people": list(people)}).fetchall()
    return {text_hash(text) for (text,) in texts if text}


def _written(settings: Settings, people: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each text that the people ever posted, once, with its author."""
    posts = scan_events(settings, "posts").filter(pl.col("author_id").is_in(list(people)))
    rows = posts.select("author_id", "title", "content").unique().collect(engine="streaming")
    for author, *words in rows.iter_rows():
        yield author, "\n".join(one for one in words if one is not None)


def _vector_files(store: Minio, bucket: str) -> Iterator[tuple[str, datetime]]:
    for found in store.list_objects(bucket, recursive=True):
        if found.object_name and found.object_name.endswith(f"/{VECTORS_FILE}") and found.last_modified:
            yield found.object_name, found.last_modified


def _objects(settings: Settings) -> Minio:
    address = urlsplit(settings.s3_endpoint_url)
    return Minio(
        address.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=address.scheme == "https",
        region=settings.s3_region,
    )
