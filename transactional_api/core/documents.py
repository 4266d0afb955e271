"""Document store of media (uploads, stories, reels): one interface over MongoDB or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from pymongo import DESCENDING, AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CursorResult,
    Uuid,
    any_,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from transactional_api.core.db.tables import MediaDocument

MONGO_DATABASE = "neighborconnect"

Position = tuple[datetime, UUID]
"""Creation time and id of a document, the keys of the order."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document with its id; times are aware and in UTC, to the millisecond."""

    id: UUID
    document: dict[str, Any]
    created_at: datetime
    expires_at: datetime | None


class DocumentStore(Protocol):
    """Collections of JSON documents. Readers do not see expired documents."""

    async def insert(
        self,
        collection: str,
        *,
        document: Mapping[str, Any],
        expires_at: datetime | None = None,
        document_id: UUID | None = None,
    ) -> StoredDocument:
        """Store a document of JSON values, with a new id unless ``document_id`` is given."""
        ...

    async def get(self, collection: str, *, document_id: UUID) -> StoredDocument | None:
        """Return a document, or None."""
        ...

    async def get_many(self, collection: str, *, document_ids: Collection[UUID]) -> dict[UUID, StoredDocument]:
        """Return the existing documents by id."""
        ...

    async def find(
        self, collection: str, *, matching: Mapping[str, str | int | bool], limit: int, before: Position | None = None
    ) -> list[StoredDocument]:
        """Return at most ``limit`` documents whose top-level fields equal those of ``matching``, the newest first.

        With ``before``, return only documents after that position in this order.
        """
        ...

    async def change(self, collection: str, *, document_id: UUID, fields: Mapping[str, Any]) -> bool:
        """Set top-level fields; return whether the document existed."""
        ...

    async def add(self, collection: str, *, document_id: UUID, field: str, number: int) -> bool:
        """Add to a top-level number, 0 where it is missing, in one step; return whether the document existed."""
        ...

    async def delete(self, collection: str, *, document_id: UUID) -> bool:
        """Remove a document; return whether it existed."""
        ...


def _now() -> datetime:
    # MongoDB stores milliseconds; both stores return the same precision.
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class PostgresDocuments:
    """Documents in the ``media_documents`` table."""

    def __init__(self, engine: AsyncEngine) -> None:
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
        stored = StoredDocument(document_id or uuid4(), dict(document), _now(), expires_at)
        async with self._engine.begin() as connection:
            await connection.execute(
                insert(MediaDocument).values(
                    id=stored.id,
                    collection=collection,
                    document=stored.document,
                    created_at=stored.created_at,
                    expires_at=expires_at,
                )
            )
        return stored

    async def get(self, collection: str, *, document_id: UUID) -> StoredDocument | None:
        """Return a document, or None."""
        rows = await self._select(collection, MediaDocument.id == document_id, limit=1)
        return rows[0] if rows else None

    async def get_many(self, collection: str, *, document_ids: Collection[UUID]) -> dict[UUID, StoredDocument]:
        """Return the existing documents by id."""
        named = MediaDocument.id == any_(cast(list(document_ids), ARRAY(Uuid())))
        return {stored.id: stored for stored in await self._select(collection, named, limit=len(document_ids))}

    async def find(
        self, collection: str, *, matching: Mapping[str, str | int | bool], limit: int, before: Position | None = None
    ) -> list[StoredDocument]:
        """Return at most ``limit`` documents whose top-level fields equal those of ``matching``, the newest first."""
        conditions: list[ColumnElement[bool]] = [MediaDocument.document.contains(dict(matching))]
        if before is not None:
            position = tuple_(MediaDocument.created_at, MediaDocument.id)
            conditions.append(position < tuple_(literal(before[0]), literal(before[1])))
        return await self._select(collection, *conditions, limit=limit)

    async def change(self, collection: str, *, document_id: UUID, fields: Mapping[str, Any]) -> bool:
        """Set top-level fields; return whether the document existed."""
        statement = (
            update(MediaDocument)
            .where(*self._unexpired(collection), MediaDocument.id == document_id)
            .values(document=MediaDocument.document.concat(cast(dict(fields), JSONB)))
        )
        return await self._execute(statement)

    async def delete(self, collection: str, *, document_id: UUID) -> bool:
        """Remove a document; return whether it existed."""
        return await self._execute(
            delete(MediaDocument).where(*self._unexpired(collection), MediaDocument.id == document_id)
        )

    async def add(self, collection: str, *, document_id: UUID, field: str, number: int) -> bool:
        """Add to a top-level number in one step; return whether the document existed."""
        now = func.coalesce(MediaDocument.document[field].as_integer(), 0) + number
        statement = (
            update(MediaDocument)
            .where(*self._unexpired(collection), MediaDocument.id == document_id)
            .values(document=MediaDocument.document.concat(func.jsonb_build_object(field, now)))
        )
        return await self._execute(statement)

    async def _execute(self, statement: Any) -> bool:
        async with self._engine.begin() as connection:
            result: CursorResult[Any] = await connection.execute(statement)
            return result.rowcount > 0

    async def _select(self, collection: str, *conditions: ColumnElement[bool], limit: int) -> list[StoredDocument]:
        columns = (MediaDocument.id, MediaDocument.document, MediaDocument.created_at, MediaDocument.expires_at)
        statement = (
            select(*columns)
            .where(*self._unexpired(collection), *conditions)
            .order_by(MediaDocument.created_at.desc(), MediaDocument.id.desc())
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [StoredDocument(*row) for row in await connection.execute(statement)]

    @staticmethod
    def _unexpired(collection: str) -> tuple[ColumnElement[bool], ...]:
        unexpired = or_(MediaDocument.expires_at.is_(None), MediaDocument.expires_at > func.now())
        return MediaDocument.collection == collection, unexpired


class MongoDocuments:
    """Documents in MongoDB, one collection each; a TTL index removes expired ones."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._database = database

    async def insert(
        self,
        collection: str,
        *,
        document: Mapping[str, Any],
        expires_at: datetime | None = None,
        document_id: UUID | None = None,
    ) -> StoredDocument:
        """Store a document of JSON values, with a new id unless ``document_id`` is given."""
        stored = StoredDocument(document_id or uuid4(), dict(document), _now(), expires_at)
        await self._database[collection].create_index("expires_at", expireAfterSeconds=0)
        await self._database[collection].insert_one(
            {
                "_id": str(stored.id),
                "document": stored.document,
                "created_at": stored.created_at,
                "expires_at": expires_at,
            }
        )
        return stored

    async def get(self, collection: str, *, document_id: UUID) -> StoredDocument | None:
        """Return a document, or None."""
        rows = await self._select(collection, {"_id": str(document_id)}, limit=1)
        return rows[0] if rows else None

    async def get_many(self, collection: str, *, document_ids: Collection[UUID]) -> dict[UUID, StoredDocument]:
        """Return the existing documents by id."""
        named = {"_id": {"$in": [str(document_id) for document_id in document_ids]}}
        # MongoDB reads a limit of 0 as no limit.
        return {stored.id: stored for stored in await self._select(collection, named, limit=len(document_ids) or 1)}

    async def find(
        self, collection: str, *, matching: Mapping[str, str | int | bool], limit: int, before: Position | None = None
    ) -> list[StoredDocument]:
        """Return at most ``limit`` documents whose top-level fields equal those of ``matching``, the newest first."""
        query: dict[str, Any] = {f"document.{name}": value for name, value in matching.items()}
        if before is not None:
            at, document_id = before
            later = {"created_at": at, "_id": {"$lt": str(document_id)}}
            query["$and"] = [{"$or": [{"created_at": {"$lt": at}}, later]}]
        return await self._select(collection, query, limit=limit)

    async def change(self, collection: str, *, document_id: UUID, fields: Mapping[str, Any]) -> bool:
        """Set top-level fields; return whether the document existed."""
        changed = await self._database[collection].update_one(
            {"_id": str(document_id), **self._unexpired()},
            {"$set": {f"document.{name}": value for name, value in fields.items()}},
        )
        return changed.matched_count > 0

    async def delete(self, collection: str, *, document_id: UUID) -> bool:
        """Remove a document; return whether it existed."""
        deleted = await self._database[collection].delete_one({"_id": str(document_id), **self._unexpired()})
        return deleted.deleted_count > 0

    async def add(self, collection: str, *, document_id: UUID, field: str, number: int) -> bool:
        """Add to a top-level number in one step; return whether the document existed."""
        changed = await self._database[collection].update_one(
            {"_id": str(document_id), **self._unexpired()}, {"$inc": {f"document.{field}": number}}
        )
        return changed.matched_count > 0

    async def _select(self, collection: str, query: dict[str, Any], *, limit: int) -> list[StoredDocument]:
        matches = self._database[collection].find({**query, **self._unexpired()})
        rows = await matches.sort([("created_at", DESCENDING), ("_id", DESCENDING)]).limit(limit).to_list()
        return [StoredDocument(UUID(row["_id"]), row["document"], row["created_at"], row["expires_at"]) for row in rows]

    @staticmethod
    def _unexpired() -> dict[str, Any]:
        return {"$or": [{"expires_at": None}, {"expires_at": {"$gt": datetime.now(UTC)}}]}


@asynccontextmanager
async def open_mongo(url: str) -> AsyncIterator[MongoDocuments]:
    """Open the store of a MongoDB, and close its connections at the end; times are aware and in UTC."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, tz_aware=True, serverSelectionTimeoutMS=5_000)
    async with client:
        yield MongoDocuments(client[MONGO_DATABASE])
