"""Previews of the first link of a text: requested when it is written, looked up when it is read.

A preview belongs to an address, not to a text or a person. The job ``FETCH_PREVIEW`` fetches it, so that a page learns
neither who wrote the link nor who reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ARRAY, String, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db import tables
from transactional_api.core.db.statements import CompiledStatement, StatementRunner
from transactional_api.core.jobs import queue
from transactional_api.core.media.stores import media_of

FETCH_PREVIEW: Final = queue.JobReference(
    "link_previews.fetch", lane=queue.Lane.PREVIEWS, priority=queue.Priority.UPKEEP
)
MAX_URL: Final = 2_000
_LINK = re.compile(r"https?://[^\s<>\"\\^`{|}]+", re.IGNORECASE)
_TRAILING = ".,;:!?'*_~)]}»”\u2019"
_FOUND = CompiledStatement(
    select(*tables.LinkPreview.__table__.columns).where(
        tables.LinkPreview.url_hash == any_(bindparam("hashes", type_=ARRAY(String()))),
        tables.LinkPreview.title.is_not(None),
    )
)


class LinkPreview(BaseModel):
    """Title and description of a page, for readers who decide whether to open it. It has no picture."""

    url: str = Field(description="The link, as it is in the text.", examples=["https://example.org/seed-swap"])
    title: str = Field(examples=["Seed swap on Dean Street"])
    description: str | None = Field(examples=["Bring seeds, take seeds. Every first Saturday."])
    site_name: str | None = Field(examples=["Dean Street Gardeners"])


class ShowsLink(BaseModel):
    """A response with the preview of the first link of its ``content``."""

    link_preview: LinkPreview | None = Field(
        default=None,
        description="Preview of the first link of `content`; null until it is fetched, and without one.",
    )

    is_private: ClassVar[bool] = False
    """Whether the content is a message, which has previews only by a setting."""

    def linked(self) -> str | None:
        """Return the first link of the content."""
        return first_link(getattr(self, "content", None) or "")


def first_link(content: str) -> str | None:
    """Return the first ``http`` or ``https`` link of a text, without punctuation of the sentence."""
    if match := _LINK.search(content):
        url = match[0]
        end, unbalanced = len(url), url.count(")") - url.count("(")
        while url[end - 1] in _TRAILING:
            if url[end - 1] == ")":
                if unbalanced <= 0:
                    break
                unbalanced -= 1
            end -= 1
        url = url[:end]
        return url if len(url) <= MAX_URL and not url.endswith("://") else None
    return None


def hash_of(url: str) -> str:
    """Return the key of an address."""
    return sha256(url.encode()).hexdigest()


async def request_preview(session: AsyncSession, content: str, *, user_id: UUID) -> None:
    """Fetch the preview of the first link of a user's text after the commit, unless previews are switched off."""
    if not media_of(session).link_previews:
        return
    if (url := first_link(content)) is not None:
        await queue.defer(session, FETCH_PREVIEW, url=url, user_id=str(user_id))


async def resolve_previews(runner: StatementRunner, parts: Iterable[ShowsLink]) -> None:
    """Complete the parts of a response that have a link: one query, and none without links."""
    media = media_of(runner)
    if not media.link_previews:
        return
    shown = (part for part in parts if media.previews_in_messages or not part.is_private)
    links = [(part, url) for part in shown if (url := part.linked()) is not None]
    if not links:
        return
    rows = await _FOUND.all(runner, hashes=list({hash_of(url) for _, url in links}))
    previews = {row.url_hash: row for row in rows}
    for part, url in links:
        if row := previews.get(hash_of(url)):
            part.link_preview = LinkPreview(
                url=url, title=row.title, description=row.description, site_name=row.site_name
            )
