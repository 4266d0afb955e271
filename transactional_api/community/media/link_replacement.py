"""Replacement of stored links to uploads by their ids.

Stored links are not shown any more: a foreign server would learn of every reader. The columns with links remain for the
release before, which reads them while both releases run. This release writes no links.

The migration queues the job twice: at once, and a day later for rows that the release before wrote in between. Rows are
not locked while uploads are looked up; a row that changed in between is skipped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text

from neighborconnect.telemetry import get_logger
from transactional_api.core.app_context import AppContext
from transactional_api.core.jobs import queue
from transactional_api.core.media.addresses import avatar_url
from transactional_api.core.media.processing import MediaKind
from transactional_api.core.media.references import stored_of
from transactional_api.core.media.stores import MediaStores, open_media

_AT_ONCE = 200

log = get_logger(__name__)


@dataclass(frozen=True)
class _Source:
    """Table with a column of links, and its column of references."""

    table: str
    column: str
    links: str
    """The column as a JSON list."""
    missing: str
    """Condition: a row has links and no reference."""
    written: str
    owner: str = "NULL::uuid"
    only: MediaKind | None = None

    @property
    def find(self) -> TextClause:
        return text(
            f"SELECT id, {self.links} AS links, {self.column}::text AS old, {self.owner} AS owner_id "  # noqa: S608
            f"FROM {self.table} WHERE id > :after AND {self.missing} ORDER BY id LIMIT :most"
        )

    @property
    def write(self) -> TextClause:
        return text(
            f"UPDATE {self.table} SET {self.written} "  # noqa: S608 (names of this module)
            f"WHERE id = :id AND {self.missing} AND {self.column}::text IS NOT DISTINCT FROM :old"
        )


_IDS = "media_ids = CAST(:ids AS jsonb)"
_LINK, _LINKS = "image_url IS NOT NULL AND media_ids = '[]'", "{column} <> '[]' AND media_ids = '[]'"
_LISTS = (
    _Source("posts", "image_url", "jsonb_build_array(image_url)", _LINK, _IDS, "author_id"),
    _Source("post_versions", "image_url", "jsonb_build_array(image_url)", _LINK, _IDS),
    _Source("marketplace_items", "images", "images", _LINKS.format(column="images"), _IDS, "seller_id"),
    _Source("chat_messages", "attachments", "attachments", _LINKS.format(column="attachments"), _IDS, "author_id"),
)
_CONNECTORS = _Source(
    *("connectors", "image_url", "jsonb_build_array(image_url)", "image_url IS NOT NULL AND media_id IS NULL"),
    "media_id = CAST(:media_id AS uuid)",
    only=MediaKind.IMAGE,
)
# A permanent avatar URL is a reference already.
_PEOPLE = _Source(
    *("users", "avatar_url", "jsonb_build_array(avatar_url)"),
    "avatar_url IS NOT NULL AND avatar_url NOT LIKE '%/api/v1/media/avatars/%'",
    *("avatar_url = :address", "id"),
    only=MediaKind.IMAGE,
)


@queue.task("media.replace_links", priority=queue.Priority.UPKEEP)
async def replace_links(context: AppContext) -> None:
    """Replace stored links by references; idempotent."""
    media, written = open_media(context), 0
    for source in (*_LISTS, _CONNECTORS, _PEOPLE):
        async for rows in _batches(context, source):
            changes = [
                {"id": row.id, "old": row.old} | _values(context, source, ids)
                for row in rows
                if (ids := await _ids(media, row, only=source.only))
            ]
            async with context.transaction() as session:
                for change in changes:
                    await session.execute(source.write, change)
            written += len(changes)
    log.info("media.links_replaced", rows=written)


def _values(context: AppContext, source: _Source, ids: list[str]) -> dict[str, str]:
    if source is _CONNECTORS:
        return {"media_id": ids[0]}
    if source is _PEOPLE:
        return {"address": avatar_url(context.settings.public_url, ids[0])}
    return {"ids": orjson.dumps(ids).decode()}


async def _ids(media: MediaStores, row: Any, *, only: MediaKind | None) -> list[str]:
    """Return the uploads of a row's links; only the author's own, if the table has an author."""
    ids = []
    for link in row.links:
        target = media.objects.target_of(str(link))
        stored = await stored_of(media, target) if target is not None else None
        if stored is None or (row.owner_id is not None and stored.document["owner_id"] != str(row.owner_id)):
            continue
        if only is None or stored.document["kind"] == only:
            ids.append(str(stored.id))
    return list(dict.fromkeys(ids))


async def _batches(context: AppContext, source: _Source) -> AsyncIterator[Sequence[Any]]:
    after = UUID(int=0)
    while True:
        async with context.transaction() as session:
            rows: Sequence[Any] = (await session.execute(source.find, {"after": after, "most": _AT_ONCE})).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id
