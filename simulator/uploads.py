"""Uploads of a town in the form in which the platform stores processed ones: documents, rows and objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from simulator.columns import Ids
from simulator.drawing import HEIGHT, WIDTH, draw_picture

DOCUMENTS = "media_documents"
_COLLECTION = "media"
_JPEG, _WEBP = "image/jpeg", "image/webp"


@dataclass(frozen=True, slots=True)
class Upload:
    """A processed picture: the number of its owner, the key of its objects, the drawing, and a description."""

    id: str
    owner: int
    key: str
    drawing: str
    variant: int
    alt_text: str
    created_at: datetime

    def objects(self) -> Iterator[tuple[str, bytes, str]]:
        """Yield key, content and content type of each stored object."""
        picture = draw_picture(self.drawing, self.variant)
        yield f"{self.key}-clean", picture.data, _JPEG
        for width, thumbnail in picture.thumbnails.items():
            yield self._thumbnail(width), thumbnail, _WEBP

    def document(self, owner_id: str) -> dict[str, Any]:
        """Return the document of the upload."""
        picture = draw_picture(self.drawing, self.variant)
        return {
            "owner_id": owner_id,
            "key": self.key,
            "size": len(picture.data),
            "state": "ready",
            "reason": None,
            "kind": "image",
            "content_type": _JPEG,
            "processed_key": f"{self.key}-clean",
            "thumbnails": {str(width): self._thumbnail(width) for width in picture.thumbnails},
            "hold_until": None,
            "width": WIDTH,
            "height": HEIGHT,
            "duration_seconds": None,
            "alt_text": self.alt_text,
        }

    def _thumbnail(self, width: int) -> str:
        return f"{self.key}-{width}.webp"


def upload_rows(uploads: Sequence[Upload], ids: Ids) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of uploads: the subjects of moderation, the used quota, and the documents."""
    if not uploads:
        return
    owner_ids = ids.users.to_list()
    described = [
        {
            "id": upload.id,
            "owner_id": owner_ids[upload.owner],
            "moderated_text": upload.alt_text,
            "created_at": upload.created_at,
            "document": upload.document(owner_ids[upload.owner]),
        }
        for upload in uploads
    ]
    rows = pl.DataFrame(
        [{**row, "bytes": row["document"]["size"], "document": json.dumps(row["document"])} for row in described],
        schema_overrides={"created_at": pl.Datetime("us", "UTC")},
        infer_schema_length=None,
    )
    yield "uploads", rows.select("id", "owner_id", "moderated_text", "created_at")
    usage = rows.group_by("owner_id", maintain_order=True).agg(pl.col("bytes").sum())
    yield "media_usage", usage.rename({"owner_id": "user_id"})
    yield DOCUMENTS, rows.select("id", pl.lit(_COLLECTION).alias("collection"), "document", "created_at")


def to_milliseconds(at: datetime) -> datetime:
    """Round down to milliseconds, the precision of documents."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)
