"""Snapshot of the social graph from the warehouse's mirror, published for the training and serving of matching.

Users without consent to personalization, inactive users and erased users are excluded. Homes are generalized to H3
cells in which at least ``K_ANONYMITY`` users of the snapshot live.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import h3
import numpy as np
import psycopg

from models.artifact_store import ArtifactStore
from models.content.embeddings import LakeEmbeddingCache, embed
from models.matching.pair_features import with_vectors
from models.matching.social_graph import (
    UNKNOWN,
    FloatArray,
    IntArray,
    SocialGraph,
    from_bytes,
    social_graph_of,
    to_bytes,
    version_at,
)
from neighborconnect.contracts.models import SOCIAL_GRAPH_PREFIX
from neighborconnect.settings import Settings
from pipelines.empty_input import has_live_rows, require_rows

K_ANONYMITY: Final = 5
"""Minimum number of users in a published home cell."""
_MIN_RESOLUTION: Final = 5
_USERS = """
    SELECT id::text, interests, lower(city COLLATE "pg_c_utf8"),
        CASE WHEN neighborhood IS NOT NULL THEN lower(concat_ws('/', city, neighborhood) COLLATE "pg_c_utf8") END,
        home_cell
    FROM raw.users
    WHERE NOT _deleted AND is_active AND personalised AND erased_at IS NULL ORDER BY id
"""
_CONNECTORS = """
    SELECT id::text, lower(category COLLATE "pg_c_utf8"), is_public
    FROM raw.connectors WHERE NOT _deleted AND is_active ORDER BY id
"""
_FOLLOWS = """
    SELECT follower_id::text, followee_id::text, (extract(epoch FROM created_at) * 1e6)::bigint
    FROM raw.follows WHERE NOT _deleted ORDER BY id
"""
_MEMBERSHIPS = """
    SELECT user_id::text, connector_id::text, (extract(epoch FROM joined_at) * 1e6)::bigint
    FROM raw.connector_members WHERE NOT _deleted ORDER BY id
"""


def collect(settings: Settings) -> SocialGraph:
    """Return the current graph, with node vectors."""
    with psycopg.connect(settings.warehouse_url) as connection:
        users = connection.execute(_USERS).fetchall()
        connectors = connection.execute(_CONNECTORS).fetchall()
        follows = connection.execute(_FOLLOWS).fetchall()
        memberships = connection.execute(_MEMBERSHIPS).fetchall()
    user_index = {row[0]: index for index, row in enumerate(users)}
    connector_index = {row[0]: index for index, row in enumerate(connectors)}
    stated = [sorted({interest.strip().lower() for interest in row[1] or () if interest.strip()}) for row in users]
    interests = tuple(
        sorted({interest for row in stated for interest in row} | {row[1] for row in connectors if row[1]})
    )
    interest_index = {interest: index for index, interest in enumerate(interests)}
    follow_edges, followed_at = _edges(follows, user_index, user_index)
    membership_edges, joined_at = _edges(memberships, user_index, connector_index)
    graph = social_graph_of(
        users=tuple(user_index),
        connectors=tuple(connector_index),
        interests=interests,
        follows=follow_edges,
        followed_at=followed_at,
        members=membership_edges,
        joined_at=joined_at,
        likes=_index_pairs([(index, interest_index[name]) for index, row in enumerate(stated) for name in row]),
        categories=np.array([interest_index.get(row[1], UNKNOWN) for row in connectors], dtype=np.int64),
        is_open=np.array([bool(row[2]) for row in connectors], dtype=bool),
        cities=_encode_categories(row[2] for row in users),
        neighborhoods=_encode_categories(row[3] for row in users),
        cells=generalize_location([row[4] for row in users]),
        interest_vectors=_embed_interests(settings, interests),
    )
    return with_vectors(graph)


def publish_current(settings: Settings) -> tuple[SocialGraph, str]:
    """Publish the current graph; return it and its version.

    Raises:
        EmptyInputError: if the mirror has no user; the newest snapshot stays. An empty graph because no user consents
            is no error.
    """
    graph = collect(settings)
    if not graph.users:
        users = int(has_live_rows(settings, "users"))
        require_rows(users, replacing=_count_newest_users(settings), target="the social graph snapshot")
    return graph, publish(settings, graph)


def _count_newest_users(settings: Settings) -> int:
    try:
        return len(read_newest(settings)[0].users)
    except LookupError:
        return 0


def publish(settings: Settings, graph: SocialGraph) -> str:
    """Publish a graph under the current time; return its version."""
    version = version_at(datetime.now(UTC))
    ArtifactStore(settings, *SOCIAL_GRAPH_PREFIX).publish(version, to_bytes(graph))
    return version


def read_newest(settings: Settings) -> tuple[SocialGraph, str]:
    """Return the newest graph and the name of its version.

    Raises:
        LookupError: if no snapshot was published.
    """
    store = ArtifactStore(settings, *SOCIAL_GRAPH_PREFIX)
    version = store.newest()
    if version is None:
        raise LookupError("No snapshot of the social graph was published yet.")
    return from_bytes(store.read(version)), f"{'/'.join(SOCIAL_GRAPH_PREFIX)}@{version}"


def generalize_location(homes: list[str | None]) -> IntArray:
    """Generalize home cells until each contains at least ``K_ANONYMITY`` users.

    A cell with fewer users is replaced by its parent cell; below resolution ``_MIN_RESOLUTION`` the home is unknown.

    Args:
        homes: H3 cell of each user's home, or None if it is unknown.

    Returns:
        The H3 cells as integers, in the same order; 0 for unknown.
    """
    cells = list(homes)
    while True:
        counts = Counter(cell for cell in cells if cell)
        sparse = {cell for cell, count in counts.items() if count < K_ANONYMITY}
        if not sparse:
            return np.array([h3.str_to_int(cell) if cell else 0 for cell in cells], dtype=np.int64)
        cells = [_parent(cell) if cell in sparse else cell for cell in cells]


def _parent(cell: str) -> str | None:
    resolution = h3.get_resolution(cell)
    return h3.cell_to_parent(cell, resolution - 1) if resolution > _MIN_RESOLUTION else None


def _edges(rows: list[Any], source: dict[str, int], target: dict[str, int]) -> tuple[IntArray, IntArray]:
    """Return the edges between existing nodes, shape (n, 2), and their times in microseconds since 1970."""
    existing = [(source[row[0]], target[row[1]], row[2]) for row in rows if row[0] in source and row[1] in target]
    edges = np.array(existing, dtype=np.int64).reshape(-1, 3)
    return edges[:, :2], edges[:, 2]


def _index_pairs(pairs: list[tuple[int, int]]) -> IntArray:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _encode_categories(names: Iterable[str | None]) -> IntArray:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(name, len(codes)) if name else UNKNOWN for name in names], dtype=np.int64)


def _embed_interests(settings: Settings, interests: tuple[str, ...]) -> FloatArray:
    vectors: FloatArray = np.asarray(embed(interests, cache=LakeEmbeddingCache(settings)), dtype=np.float32)
    return vectors
