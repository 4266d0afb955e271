"""Record of the items of each feed, so that interactions can only report items that were in it.

Redis holds the record for as long as interactions with the feed are accepted. A feed without a record (Redis lost it,
or was unreachable) accepts every item that the viewer may see: the signature of its id proves that it was issued.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, TypeVar
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from neighborconnect.telemetry import get_logger
from transactional_api.intelligence.recommendations.request_ids import WINDOW_SECONDS
from transactional_api.intelligence.recommendations.schemas import FeedPage

# The last bytes of a random UUID; 500 items of one feed share them with probability below 1e-13.
_ID_BYTES: Final = 8

FeedT = TypeVar("FeedT", bound=FeedPage[Any])

log = get_logger(__name__)


async def remember(redis: Redis, feed: FeedT) -> FeedT:
    """Record the items of a feed and return the feed."""
    ids = b"".join(_short(item.item_id) for item in feed.items)
    if ids:
        try:
            await redis.set(_key(feed.request_id), ids, ex=WINDOW_SECONDS)
        except RedisError as error:
            log.warning("served_items.not_recorded", error=str(error))
    return feed


async def find_served(redis: Redis, request_ids: Collection[UUID]) -> dict[UUID, frozenset[bytes]]:
    """Return the recorded items of feeds for ``contains``; feeds without a record are left out."""
    ordered = sorted(request_ids)
    if not ordered:
        return {}
    try:
        records = await redis.mget([_key(request_id) for request_id in ordered])
    except RedisError as error:
        log.warning("served_items.not_read", error=str(error))
        return {}
    return {
        request_id: frozenset(record[start : start + _ID_BYTES] for start in range(0, len(record), _ID_BYTES))
        for request_id, record in zip(ordered, records, strict=True)
        if record
    }


def contains(served: frozenset[bytes], item_id: UUID) -> bool:
    """Return whether an item is among the recorded items of a feed."""
    return _short(item_id) in served


def _short(item_id: UUID) -> bytes:
    return item_id.bytes[-_ID_BYTES:]


def _key(request_id: UUID) -> str:
    return f"feed:{request_id}:items"
