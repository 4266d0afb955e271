"""Semantic search: synonyms match, for viewers who may see the item, as long as an encoder answers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from neighborconnect.contracts.content import DIMENSIONS
from neighborconnect.settings import Settings
from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_search import EVENT, ITEM
from transactional_api.community.search import embeddings, queries, service
from transactional_api.core.db.tables import Erasure
from transactional_api.core.inference.client import InferenceClient

# Words that this encoder takes for the same; every other word is a direction of its own.
SAME = {"sofa": "couch", "tap": "faucet"}


def encode(text: str) -> list[float]:
    """Add up the directions of the words of a text: without a word in common, texts have little in common."""
    total = np.zeros(DIMENSIONS)
    for word in text.lower().replace(".", " ").split():
        digest = hashlib.sha256(SAME.get(word, word).encode()).digest()
        total += np.random.default_rng(int.from_bytes(digest[:8])).standard_normal(DIMENSIONS)
    return list((total / (np.linalg.norm(total) or 1)).astype(float))


class Encoder:
    """A content service that knows how to embed, and whose answers can be changed."""

    def __init__(self) -> None:
        self.version = "encoder-1"
        self.works = True
        self.texts: list[str] = []

    async def answer(self, request: Request) -> Response:
        if not self.works:
            return Response(status_code=503)
        texts = (await request.json())["request"]["texts"]
        self.texts += texts
        return JSONResponse({"model_version": self.version, "embeddings": [encode(text) for text in texts]})


@pytest.fixture
async def encoder(town: Town, settings: Settings) -> AsyncIterator[Encoder]:
    encoder = Encoder()
    async with serving(Starlette(routes=[Route("/embed", encoder.answer, methods=["POST"])])) as url:
        client = InferenceClient(settings.model_copy(update={"content_url": url, "inference_deadline_ms": 5_000}))
        state = town.app.state
        before, state.inference, state.query_embedder = state.inference, client, embeddings.QueryEmbedder(client)
        yield encoder
        state.inference, state.query_embedder = before, embeddings.QueryEmbedder(before)
        await client.aclose()


async def learn(town: Town) -> int:
    learnt, total = -1, 0
    while learnt:
        learnt = await embeddings.update_all(town.app.state.context, town.app.state.inference)
        total += learnt
    return total


async def found(person: Person, words: str, **params: Any) -> list[str]:
    answer = (await person.get("/search", q=words, **params)).json()
    return [one["id"] for one in answer["items"]]


async def test_other_words_for_the_same_are_found_in_every_kind(town: Town, ada: Person, encoder: Encoder) -> None:
    # The same words each time: similarity of two texts here depends on the words next to the shared one.
    connector = await ada.make_connector(name="Velvet couch", category="furniture")
    post = await ada.make_post(connector, content="Velvet couch")
    event = await ada.post(
        "/events", {**EVENT, "description": "", "title": "Velvet couch", "connector_id": connector["id"]}
    )
    item = await ada.post(
        "/marketplace/items", {**ITEM, "description": "", "title": "Velvet couch", "connector_id": connector["id"]}
    )
    await learn(town)
    answer = (await ada.get("/search", q="sofa", connector_id=connector["id"])).json()
    assert answer["semantic"] is True
    ids = {one["id"] for one in answer["items"]}
    assert ids == {connector["id"], post["id"], event.json()["id"], item.json()["id"]}
    counts = {one["kind"]: one["count"] for one in answer["facets"]}
    assert counts == {"user": 0, "connector": 1, "post": 1, "event": 1, "item": 1}
    assert await found(ada, "bicycle", connector_id=connector["id"]) == []


async def test_semantic_matches_respect_visibility(town: Town, ada: Person, ben: Person, encoder: Encoder) -> None:
    secret = await ada.make_connector(is_public=False)
    open_to_all = await ada.make_connector()
    hidden = await ada.make_post(secret, content="My faucet drips.")
    shown = await ada.make_post(open_to_all, content="My faucet drips.")
    await learn(town)
    assert await found(ada, "tap", connector_id=secret["id"]) == [hidden["id"]]
    assert await found(ben, "tap", connector_id=secret["id"]) == []
    assert await found(ben, "tap", connector_id=open_to_all["id"]) == [shown["id"]]
    await town.block(ada, ben)
    assert await found(ben, "tap", connector_id=open_to_all["id"]) == []


async def test_small_connector_is_compared_exactly(
    town: Town, ada: Person, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a town so large that the index gives up: wherever it is used, it reads the very nearest alone.
    alone = "SELECT " + ", ".join(
        f"set_config('{name}', '{value}', true)"
        for name, value in (("hnsw.ef_search", "1"), ("enable_seqscan", "off"), ("enable_sort", "off"))
    )
    monkeypatch.setattr(service, "_ITERATIVE_SCAN", text(alone))
    large, small = await ada.make_connector(), await ada.make_connector()
    for _ in range(3):
        await ada.make_post(large, content="faucet")
    post = await ada.make_post(small, content="Faucet dripping")
    await learn(town)
    assert await found(ada, "tap", connector_id=small["id"]) == [post["id"]]


async def test_of_a_connector_the_newest_are_compared(
    town: Town, ada: Person, encoder: Encoder, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(service._semantic_statement.cache_clear)
    service._semantic_statement.cache_clear()
    monkeypatch.setattr(queries, "MAX_COMPARED", 1)
    connector = await ada.make_connector()
    await ada.make_post(connector, content="faucet")
    newest = await ada.make_post(connector, content="faucet")
    await learn(town)
    assert await found(ada, "tap", connector_id=connector["id"]) == [newest["id"]]


async def test_only_changed_texts_are_embedded_again(town: Town, ada: Person, encoder: Encoder) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector, content="A couch.")
    await learn(town)
    encoder.texts.clear()
    assert await learn(town) == 0
    await ada.put(f"/posts/{post['id']}", {"content": "A faucet."})
    assert await learn(town) == 1
    assert encoder.texts.count("A faucet.") == 1
    assert await found(ada, "sofa", connector_id=connector["id"]) == []
    assert await found(ada, "tap", connector_id=connector["id"]) == [post["id"]]


async def test_update_sleeps_between_batches_and_stops_in_time(
    town: Town, ada: Person, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learn(town)
    connector = await ada.make_connector()
    await ada.make_post(connector, content="A couch.")
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(embeddings, "asyncio", SimpleNamespace(sleep=rest))
    monkeypatch.setattr(embeddings, "MAX_RUN_SECONDS", 0)
    assert await embeddings.update_all(town.app.state.context, town.app.state.inference) == 0
    monkeypatch.undo()
    monkeypatch.setattr(embeddings, "asyncio", SimpleNamespace(sleep=rest))
    # The connector and the post are of two kinds, and so of two batches.
    assert await learn(town) == 2
    assert len(rests) == 2
    assert min(rests) > 0


async def test_what_is_withdrawn_before_its_turn_is_not_learnt(
    town: Town, ada: Person, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = await ada.make_connector()
    await learn(town)
    older = await ada.make_post(connector, content="A couch.")
    await ada.make_post(connector, content="A faucet.")

    async def withdraw(_seconds: float) -> None:
        await ada.delete(f"/posts/{older['id']}")

    monkeypatch.setattr(embeddings, "MAX_TEXTS", 1)
    monkeypatch.setattr(embeddings, "asyncio", SimpleNamespace(sleep=withdraw))
    encoder.texts.clear()
    assert await embeddings.update_all(town.app.state.context, town.app.state.inference) == 1
    assert encoder.texts == [".", "A faucet."]


async def test_vectors_of_another_encoder_are_not_compared(town: Town, ada: Person, encoder: Encoder) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector, content="A couch.")
    await learn(town)
    encoder.version = "encoder-2"
    assert await found(ada, "sofa", connector_id=connector["id"]) == []
    await learn(town)
    assert await found(ada, "sofa", connector_id=connector["id"]) == [post["id"]]


async def test_words_asked_again_are_not_encoded_again(town: Town, ada: Person, encoder: Encoder) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector, content="A couch.")
    await learn(town)
    for _ in range(2):
        assert await found(ada, "sofa", connector_id=connector["id"]) == [post["id"]]
    assert encoder.texts.count("sofa") == 1
    encoder.works = False
    assert await found(ada, "sofa", connector_id=connector["id"]) == [post["id"]]


async def test_without_an_encoder_words_and_spelling_go_on(town: Town, ada: Person, encoder: Encoder) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector, content="A couch.")
    await learn(town)
    encoder.works = False
    answer = (await ada.get("/search", q="couch", connector_id=connector["id"])).json()
    assert (answer["semantic"], [one["id"] for one in answer["items"]]) == (False, [post["id"]])


async def test_deleted_and_erased_texts_leave_no_embedding(town: Town, ada: Person, encoder: Encoder) -> None:
    connector = await ada.make_connector()
    gone = await ada.make_post(connector, content="A couch.")
    kept = await ada.make_post(connector, content="A faucet.")
    await learn(town)

    async def known() -> set[UUID]:
        rows = await town.rows(
            "SELECT subject_id FROM embeddings WHERE subject_id IN (:gone, :kept)", gone=gone["id"], kept=kept["id"]
        )
        return {row.subject_id for row in rows}

    assert await known() == {UUID(gone["id"]), UUID(kept["id"])}
    await ada.delete(f"/posts/{gone['id']}")
    await embeddings.delete_orphans.func(_Context(town), timestamp=0)
    assert await known() == {UUID(kept["id"])}
    async with town.app.state.context.transaction() as session:
        await embeddings.erase(session, Erasure(user_id=ada.id))
    assert await known() == set()


class _Context:
    """The context that a job receives."""

    def __init__(self, town: Town) -> None:
        self.additional_context = {"resources": town.app.state.context}
        self.job = None


async def test_search_works_without_pgvector(
    town: Town, ada: Person, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_kept(_session: Any) -> bool:
        return False

    monkeypatch.setattr(embeddings, "embeddings_available", not_kept)
    connector = await ada.make_connector()
    post = await ada.make_post(connector, content="A couch.")
    assert await learn(town) == 0
    answer = (await ada.get("/search", q="couch", connector_id=connector["id"])).json()
    assert (answer["semantic"], [one["id"] for one in answer["items"]]) == (False, [post["id"]])
