"""Captured collections of the document store: stories and reels, by the same envelope as tables."""

from __future__ import annotations

from neighborconnect.contracts.columns import CapturedTable, Column, ColumnType, public, row_id, time

_UUID, _TEXT, _INT, _FLOAT = ColumnType.UUID, ColumnType.TEXT, ColumnType.INTEGER, ColumnType.FLOAT


def _shared(kind: str) -> tuple[Column, ...]:
    return (
        row_id(kind),
        public("connector_id", _UUID, "Id of the connector.", references="connectors"),
        public("author_id", _UUID, "Id of the author.", references="users"),
        public("title", _TEXT, "Title."),
        public("media_id", _UUID, "Id of the upload."),
        public("view_count", _INT, "Number of users who viewed it, without the author."),
    )


STORIES = CapturedTable(
    "stories",
    (
        *_shared("story"),
        public("content", _TEXT, "Text; null if there is none."),
        public("duration_seconds", _INT, "Lifetime in seconds."),
        time("created_at", "Creation time"),
        time("expires_at", "Time after which nobody sees it"),
    ),
    description="A story: an image or video that expires.",
)
REELS = CapturedTable(
    "reels",
    (
        *_shared("reel"),
        public("description", _TEXT, "Description; null if there is none."),
        public("duration_seconds", _FLOAT, "Duration of the video in seconds."),
        public("like_count", _INT, "Number of likes."),
        time("created_at", "Creation time"),
    ),
    description="A reel: a short video that does not expire.",
)
