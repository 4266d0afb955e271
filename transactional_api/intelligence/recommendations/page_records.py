"""Records of the pages of feeds, with a hash of each author that differs between answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Final
from uuid import UUID

from neighborconnect.feed.page_record import MAX_OTHERS, PageRecord
from neighborconnect.feed.policy import ranking_policy
from neighborconnect.feed.reranking import Candidate, Carried, Dislikes

_HASH_BYTES: Final = 6


def record_page(
    fills: Sequence[Iterable[Candidate[UUID]]],
    *,
    request_id: UUID,
    limit: int,
    dislikes: Dislikes,
    carried: Carried,
    placed: Iterable[UUID],
    most_others: int = MAX_OTHERS,
) -> PageRecord:
    """Return the record of a page, with hashes of authors; ``most_others`` bounds the items that are not on it."""
    return PageRecord.of(
        policy=ranking_policy(),
        limit=limit,
        dislikes=replace(dislikes, authors=_hashed(dislikes.authors, request_id)),
        carried=replace(carried, authors=_hashed(carried.authors, request_id)),
        fills=[[anonymous(one, request_id=request_id) for one in fill] for fill in fills],
        placed=[str(item_id) for item_id in placed],
        most_others=most_others,
    )


def anonymous(candidate: Candidate[UUID], *, request_id: UUID) -> Candidate[str]:
    """Return a candidate with a hash of its author."""
    author = None if candidate.author is None else _hash(candidate.author, request_id)
    attributes = {one.name: getattr(candidate, one.name) for one in fields(candidate)}
    return Candidate(**attributes | {"item_id": str(candidate.item_id), "author": author})


def _hashed(groups: Mapping[str, float], request_id: UUID) -> dict[str, float]:
    return {_hash(group, request_id): weight for group, weight in groups.items()}


def _hash(author: str, request_id: UUID) -> str:
    return hashlib.blake2b(author.encode(), key=request_id.bytes, digest_size=_HASH_BYTES).hexdigest()
