"""Where uploads are: a document each, and objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from transactional_api.media.documents import DocumentStore, StoredDocument
from transactional_api.media.objects import Objects
from transactional_api.media.schemas import UploadState
from transactional_api.resources import Resources

COLLECTION = "media"
HELD_UNTIL = "heldUntil"
MAX_UPLOAD_BYTES = 20 * 1024 * 1024
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Media:
    """What uploads are served with."""

    documents: DocumentStore
    objects: Objects
    quota_bytes: int

    async def ready(self, media_id: UUID) -> StoredDocument | None:
        """Return an upload that has been processed, or None."""
        stored = await self.documents.get(COLLECTION, document_id=media_id)
        return stored if stored is not None and stored.document["state"] == UploadState.READY else None


def waits(stored: StoredDocument) -> bool:
    """Whether an upload is its owner's alone for now, since no model has looked at it."""
    until = stored.document.get(HELD_UNTIL)
    return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)


def open_media(resources: Resources) -> Media:
    """Return the stores of uploads."""
    settings = resources.settings
    return Media(resources.documents, Objects(settings), settings.media_quota_mib * _MIB)
