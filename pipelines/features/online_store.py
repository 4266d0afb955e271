"""Parts of the online store that were written since it was last empty.

Redis may be emptied: by a flush, a new server or a restart without persistence. Feast does not notice, because its
registry stores how far each view was materialized. Therefore each writer marks its part as complete in Redis itself,
where the mark is lost together with the data: a part without a mark must be written in full.
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
# If the store is emptied during the write, the generation differs and the part is not marked as complete.
_MARK = "if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then redis.call('HSET', KEYS[1], ARGV[2], '1') end"


def vectors_part(kind: ItemKind) -> str:
    """Return the name of the part with the user vectors of the recommender of ``kind``."""
    return f"vectors:{kind.value}"


@contextmanager
def _client(settings: Settings) -> Iterator[Redis]:
    client = Redis.from_url(
        settings.feast_redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
    )
    with client:
        yield client


def written_parts(settings: Settings) -> set[str]:
    """Return the complete parts.

    Raises:
        redis.RedisError: if the store does not respond.
    """
    with _client(settings) as client:
        # redis-py types the results as those of its synchronous and asynchronous clients.
        names: Any = client.hkeys(_KEY)
        return {name.decode() for name in names} - {_GENERATION}


@contextmanager
def writing(settings: Settings, part: str) -> Iterator[None]:
    """Mark ``part`` as complete after the block, unless the block raises or the store is emptied during it."""
    with _client(settings) as client:
        client.hsetnx(_KEY, _GENERATION, uuid4().hex)
        generation: Any = client.hget(_KEY, _GENERATION)
        yield
        client.eval(_MARK, 1, _KEY, generation, part)
