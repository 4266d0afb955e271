"""Both document stores keep the same promises."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from sqlalchemy import text

from neighborconnect.contracts.captured.documents import STORIES
from neighborconnect.settings import Settings
from tests.transactional_api.media.mongo import running_mongo
from transactional_api.core.db.session import create_engine
from transactional_api.core.document_capture import CapturedDocuments
from transactional_api.core.documents import DocumentStore, PostgresDocuments, open_mongo


@pytest.fixture(scope="module")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_mongo(tmp_path_factory.mktemp("mongo")) as url:
        yield url


@pytest.fixture(params=["postgres", "mongo"])
async def store(request: pytest.FixtureRequest, settings: Settings, mongo_url: str) -> AsyncIterator[DocumentStore]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "mongo":
            yield await stack.enter_async_context(open_mongo(mongo_url))
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


async def test_many_documents_come_back_by_id(store: DocumentStore, collection: str) -> None:
    kept = [await store.insert(collection, document={"place": place}) for place in range(3)]
    past = datetime.now(UTC) - timedelta(hours=1)
    expired = await store.insert(collection, document={}, expires_at=past)
    asked = [kept[2].id, uuid4(), expired.id, kept[0].id]
    assert await store.get_many(collection, document_ids=asked) == {kept[0].id: kept[0], kept[2].id: kept[2]}
    assert await store.get_many(collection, document_ids=[]) == {}


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


async def test_stories_in_mongo_are_published_after_an_interruption(
    settings: Settings, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        engine = create_engine(settings.database_url)
        stack.push_async_callback(engine.dispose)
        mongo = await stack.enter_async_context(open_mongo(mongo_url))
        store = CapturedDocuments(mongo, engine)
        story = {"title": "First tomatoes", "author_id": str(uuid4()), "view_count": 0}
        stored = await store.insert("stories", document=story)
        other = await store.insert("media", document={"state": "ready"})
        with monkeypatch.context() as killed:
            killed.setattr(store, "_publish", AsyncMock(side_effect=ConnectionError))
            with pytest.raises(ConnectionError):
                await store.change("stories", document_id=stored.id, fields={"view_count": 1})
        assert await store.publish_pending() == 0, "it may still be under way"
        assert await store.publish_pending(after=timedelta(0)) == 1
        assert await store.publish_all("stories") >= 1
        await store.delete("stories", document_id=stored.id)

        async with engine.connect() as connection:
            statement = text("SELECT topic, op, before, after FROM cdc_outbox WHERE key = ANY(:keys) ORDER BY id")
            rows = (await connection.execute(statement, {"keys": [str(stored.id), str(other.id)]})).all()
            left = (await connection.execute(text("SELECT count(*) FROM document_changes"))).scalar_one()
    assert [(row.topic, row.op) for row in rows] == [(STORIES.topic, op) for op in ("r", "r", "r", "d")]
    assert [row.after["view_count"] for row in rows[:3]] == [0, 1, 1]
    assert set(rows[0].after) == {column.name for column in STORIES.published}
    assert (rows[3].before, left) == ({"id": str(stored.id)}, 0)
