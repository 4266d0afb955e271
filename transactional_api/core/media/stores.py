"""Stores of uploads: a document each, and objects in the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from neighborconnect.settings import LinkPreviews
from transactional_api.core.app_context import AppContext
from transactional_api.core.db.session import UnitOfWork
from transactional_api.core.documents import DocumentStore, StoredDocument
from transactional_api.core.media.objects import Objects

COLLECTION = "media"
HOLD_UNTIL = "hold_until"
AUTHOR_ALT_TEXT = "author_alt_text"
"""Field of the description that the author gave; ``alt_text`` is the one of the vision model."""
MAX_UPLOAD_BYTES = 20 * 1024 * 1024
MEDIA = "neighborconnect.media"
"""Key of a session's ``info`` under which a request stores the media stores."""
_MIB = 1024 * 1024


class UploadState(StrEnum):
    """State of an upload."""

    AWAITED = "awaited"
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MediaStores:
    """Document store, object store and quota of uploads."""

    documents: DocumentStore
    objects: Objects
    quota_bytes: int
    link_previews: bool = True
    """Whether texts show previews of their links."""
    previews_in_messages: bool = False
    """Whether messages do, too."""

    async def ready(self, media_id: UUID) -> StoredDocument | None:
        """Return a processed upload, or None."""
        stored = await self.documents.get(COLLECTION, document_id=media_id)
        return stored if stored is not None and stored.document["state"] == UploadState.READY else None


def media_of(unit: UnitOfWork) -> MediaStores:
    """Return the media stores of the request of a session or runner."""
    return cast("MediaStores", unit.info[MEDIA])


def is_under_review(stored: StoredDocument) -> bool:
    """Return whether an upload is hidden from others until the vision models have analyzed it."""
    until = stored.document.get(HOLD_UNTIL)
    return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)


def alt_text_of(document: dict[str, Any]) -> str | None:
    """Return the description of an upload: the one of its author, or the suggested one."""
    return document.get(AUTHOR_ALT_TEXT) or document.get("alt_text")


def open_media(context: AppContext) -> MediaStores:
    """Return the stores of uploads."""
    settings = context.settings
    has_previews = settings.link_previews is not LinkPreviews.OFF
    return MediaStores(
        context.documents,
        Objects(settings),
        settings.media_quota_mib * _MIB,
        has_previews,
        has_previews and settings.link_previews_in_messages,
    )
