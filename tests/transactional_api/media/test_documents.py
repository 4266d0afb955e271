"""Both document stores keep the same promises."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from neighborconnect.settings import Settings
from transactional_api.db.session import create_engine
from transactional_api.media.documents import DocumentStore, PostgresDocuments, open_mongo

MONGO_URL = os.environ.get("MONGO_URL")
STORES = ["postgres", *(["mongo"] if MONGO_URL else [])]


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[DocumentStore]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "mongo":
            yield await stack.enter_async_context(open_mongo(str(MONGO_URL)))
        else:
            engine = create_engine(settings.database_url)
            stack.push_async_callback(engine.dispose)
            yield PostgresDocuments(engine)


@pytest.fixture
def collection() -> str:
    return f"stories_{uuid4().hex}"


async def test_a_document_comes_back_as_it_went_in(store: DocumentStore, collection: str) -> None:
    document = {"title": "Café", "views": 3, "tags": ["a", "b"], "nested": {"x": None, "y": 1.5}}
    kept = await store.insert(collection, document=document)
    found = await store.get(collection, document_id=kept.id)
    assert found == kept
    assert found.document == document
    assert found.created_at.tzinfo is not None


async def test_find_matches_fields_and_gives_the_newest_first(store: DocumentStore, collection: str) -> None:
    kept = [await store.insert(collection, document={"author": "ada", "place": place}) for place in range(3)]
    await store.insert(collection, document={"author": "ben", "place": 3})
    found = await store.find(collection, matching={"author": "ada"}, limit=2)
    by_age = sorted(kept, key=lambda one: (one.created_at, one.id), reverse=True)
    assert [one.id for one in found] == [one.id for one in by_age[:2]]


async def test_a_collection_does_not_see_another(store: DocumentStore, collection: str) -> None:
    kept = await store.insert(collection, document={"x": 1})
    assert await store.get(collection + "_other", document_id=kept.id) is None
    assert await store.find(collection + "_other", matching={}, limit=10) == []


async def test_a_change_keeps_the_other_fields(store: DocumentStore, collection: str) -> None:
    kept = await store.insert(collection, document={"title": "Before", "views": 1})
    assert await store.change(collection, document_id=kept.id, fields={"views": 2, "likes": 1})
    found = await store.get(collection, document_id=kept.id)
    assert found is not None
    assert found.document == {"title": "Before", "views": 2, "likes": 1}
    assert not await store.change(collection, document_id=uuid4(), fields={"views": 2})


async def test_what_was_deleted_is_gone(store: DocumentStore, collection: str) -> None:
    kept = await store.insert(collection, document={"x": 1})
    assert await store.delete(collection, document_id=kept.id)
    assert not await store.delete(collection, document_id=kept.id)
    assert await store.get(collection, document_id=kept.id) is None


async def test_what_has_expired_is_gone_for_every_reader(store: DocumentStore, collection: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    gone = await store.insert(collection, document={"x": 1}, expires_at=now - timedelta(seconds=1))
    kept = await store.insert(collection, document={"x": 1}, expires_at=now + timedelta(hours=1))
    assert await store.get(collection, document_id=gone.id) is None
    assert not await store.change(collection, document_id=gone.id, fields={"x": 2})
    assert not await store.delete(collection, document_id=gone.id)
    assert await store.find(collection, matching={"x": 1}, limit=10) == [kept]


async def test_find_goes_on_after_a_place(store: DocumentStore, collection: str) -> None:
    for place in range(5):
        await store.insert(collection, document={"place": place})
    everything = await store.find(collection, matching={}, limit=10)
    rest = await store.find(collection, matching={}, limit=10, before=(everything[1].created_at, everything[1].id))
    assert rest == everything[2:]


async def test_add_counts_from_nothing_and_loses_nothing_at_once(store: DocumentStore, collection: str) -> None:
    kept = await store.insert(collection, document={"title": "a"})
    await asyncio.gather(*(store.add(collection, document_id=kept.id, field="views", number=1) for _ in range(10)))
    found = await store.get(collection, document_id=kept.id)
    assert found is not None
    assert found.document == {"title": "a", "views": 10}
    assert not await store.add(collection, document_id=uuid4(), field="views", number=1)
