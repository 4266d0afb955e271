"""Which parts of the online store were written since it was last empty.

Redis may be emptied: a flush, a new server, a restart without persistence. Feast does not notice, since it keeps in
its registry how far each view was materialized. So each writer marks its part in the store itself, where the mark
shares the fate of the data: a part without a mark has to be written in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from redis import Redis

from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings

FEATURES = "features"
STREAM = "stream"
_KEY = "neighborconnect:online_store"
_GENERATION = "generation"
_TIMEOUT_SECONDS = 5
# The store may be emptied while a part is written: then the mark would stand for rows that are gone.
_MARK = "if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then redis.call('HSET', KEYS[1], ARGV[2], '1') end"


def vectors_part(kind: ItemKind) -> str:
    """Return the name of the part that holds user vectors of the recommender of ``kind``."""
    return f"vectors:{kind.value}"


@contextmanager
def _client(settings: Settings) -> Iterator[Redis]:
    client = Redis.from_url(
        settings.feast_redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
    )
    with client:
        yield client


def written_parts(settings: Settings) -> set[str]:
    """Return the parts that are complete; raises ``redis.RedisError`` when the store does not answer."""
    with _client(settings) as client:
        # redis-py types the answers as those of both its clients.
        names: Any = client.hkeys(_KEY)
        return {name.decode() for name in names} - {_GENERATION}


@contextmanager
def writing(settings: Settings, part: str) -> Iterator[None]:
    """Mark ``part`` as complete at the end of the block, unless the block raises or the store is emptied meanwhile."""
    with _client(settings) as client:
        client.hsetnx(_KEY, _GENERATION, uuid4().hex)
        generation: Any = client.hget(_KEY, _GENERATION)
        yield
        client.eval(_MARK, 1, _KEY, generation, part)
