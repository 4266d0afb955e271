"""Change capture of documents: stories and reels are published by the envelope of captured tables.

In PostgreSQL, triggers write each change to the outbox in the transaction of the document (migration 0045). MongoDB
shares no transaction with the outbox, so ``CapturedDocuments`` publishes the *state* of a document after each change:

1. it commits a row of ``document_changes``;
2. it changes the document;
3. in one transaction, it reads the document, writes its state to the outbox and deletes the row of step 1.

If the process ends between the steps, ``publish_pending`` repeats step 3. Every change is followed by an event with
the document's state at that time or later; two changes in quick succession may share a state. Documents that MongoDB
removes by ``expires_at`` have no delete event: readers compare ``expires_at`` with the time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from neighborconnect.contracts.tables import CAPTURED_DOCUMENTS
from neighborconnect.settings import Settings
from transactional_api.core.db.tables import DocumentChange
from transactional_api.core.documents import (
    DocumentStore,
    Position,
    PostgresDocuments,
    StoredDocument,
    open_mongo,
)

PENDING_AFTER: Final = timedelta(minutes=1)
"""Age from which a change that is not published counts as interrupted; requests time out earlier."""
_PAGE: Final = 500
_CONTRACTS: Final = {contract.name: contract for contract in CAPTURED_DOCUMENTS}
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:document_id, 7235004))")
_PUBLISH: Final = text(
    "INSERT INTO cdc_outbox (topic, key, op, before, after) "
    "VALUES (:topic, :key, :op, CAST(:before AS jsonb), CAST(:after AS jsonb))"
)


class CapturedDocuments:
    """A document store outside PostgreSQL whose stories and reels are published after each change."""

    def __init__(self, documents: DocumentStore, engine: AsyncEngine) -> None:
        self._documents = documents
        self._engine = engine

    async def insert(
        self,
        collection: str,
        *,
        document: Mapping[str, Any],
        expires_at: datetime | None = None,
        document_id: UUID | None = None,
    ) -> StoredDocument:
        """Store a document of JSON values, with a new id unless ``document_id`` is given."""
        document_id = document_id or uuid4()
        async with self._published(collection, document_id):
            return await self._documents.insert(
                collection, document=document, expires_at=expires_at, document_id=document_id
            )

    async def get(self, collection: str, *, document_id: UUID) -> StoredDocument | None:
        """Return a document, or None."""
        return await self._documents.get(collection, document_id=document_id)

    async def get_many(self, collection: str, *, document_ids: Collection[UUID]) -> dict[UUID, StoredDocument]:
        """Return the existing documents by id."""
        return await self._documents.get_many(collection, document_ids=document_ids)

    async def find(
        self, collection: str, *, matching: Mapping[str, str | int | bool], limit: int, before: Position | None = None
    ) -> list[StoredDocument]:
        """Return at most ``limit`` documents whose top-level fields equal those of ``matching``, the newest first."""
        return await self._documents.find(collection, matching=matching, limit=limit, before=before)

    async def change(self, collection: str, *, document_id: UUID, fields: Mapping[str, Any]) -> bool:
        """Set top-level fields; return whether the document existed."""
        async with self._published(collection, document_id):
            return await self._documents.change(collection, document_id=document_id, fields=fields)

    async def add(self, collection: str, *, document_id: UUID, field: str, number: int) -> bool:
        """Add to a top-level number in one step; return whether the document existed."""
        async with self._published(collection, document_id):
            return await self._documents.add(collection, document_id=document_id, field=field, number=number)

    async def delete(self, collection: str, *, document_id: UUID) -> bool:
        """Remove a document; return whether it existed."""
        async with self._published(collection, document_id):
            return await self._documents.delete(collection, document_id=document_id)

    async def publish_pending(self, *, after: timedelta = PENDING_AFTER) -> int:
        """Publish the documents whose change was interrupted; return the number of changes."""
        interrupted = select(DocumentChange.id, DocumentChange.collection, DocumentChange.document_id).where(
            DocumentChange.created_at <= func.now() - after
        )
        async with self._engine.connect() as connection:
            changes = (await connection.execute(interrupted.order_by(DocumentChange.created_at))).all()
        for change in changes:
            await self._publish(change.id, change.collection, change.document_id)
        return len(changes)

    async def publish_all(self, collection: str, *, on_progress: Callable[[int], None] = lambda _rows: None) -> int:
        """Publish the state of every document of a collection; return their number."""
        total, before = 0, None
        while page := await self._documents.find(collection, matching={}, limit=_PAGE, before=before):
            for stored in page:
                await self._publish(uuid4(), collection, stored.id)
            total, before = total + len(page), (page[-1].created_at, page[-1].id)
            on_progress(total)
        return total

    @asynccontextmanager
    async def _published(self, collection: str, document_id: UUID) -> AsyncIterator[None]:
        if collection not in _CONTRACTS:
            yield
            return
        change_id = uuid4()
        async with self._engine.begin() as connection:
            values = {"id": change_id, "collection": collection, "document_id": document_id}
            await connection.execute(insert(DocumentChange).values(values))
        # After an error the document may have changed all the same: the row stays for ``publish_pending``.
        yield
        await self._publish(change_id, collection, document_id)

    async def _publish(self, change_id: UUID, collection: str, document_id: UUID) -> None:
        contract, key = _CONTRACTS[collection], str(document_id)
        async with self._engine.begin() as connection:
            # Without the lock, an older state could get a higher event id than a newer one.
            await connection.execute(_LOCK, {"document_id": key})
            stored = await self._documents.get(collection, document_id=document_id)
            event = {
                "topic": contract.topic,
                "key": key,
                "op": "d" if stored is None else "r",
                "before": orjson.dumps({"id": key}).decode() if stored is None else None,
                "after": None if stored is None else _image(collection, stored),
            }
            await connection.execute(_PUBLISH, event)
            await connection.execute(delete(DocumentChange).where(DocumentChange.id == change_id))


def _image(collection: str, stored: StoredDocument) -> str:
    values = stored.document | {
        "id": stored.id,
        "created_at": stored.created_at,
        "expires_at": stored.expires_at,
    }
    return orjson.dumps({column.name: values.get(column.name) for column in _CONTRACTS[collection].published}).decode()


@asynccontextmanager
async def open_documents(settings: Settings, *, engine: AsyncEngine) -> AsyncIterator[DocumentStore]:
    """Open the MongoDB store if ``MONGO_URL`` is set, else the PostgreSQL store."""
    if settings.mongo_url is None:
        yield PostgresDocuments(engine)
        return
    async with open_mongo(settings.mongo_url) as documents:
        yield CapturedDocuments(documents, engine)
