"""People who asked for it leave the lake, the warehouse and the feature stores; the others stay."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
import redis

from feature_repo.store import apply, build_store, close
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.features import USER_AFFINITY
from neighborconnect.contracts.privacy import PLATFORM, Fate, Store
from neighborconnect.contracts.topics import STREAMS
from pipelines import erasure
from pipelines.ingest.rebuild_log import begin, exclusive_rebuild, finish
from pipelines.privacy_api import RequestedErasure
from pipelines.training_sets import collect_interactions
from tests.pipelines.ingest.api import request_erasure
from tests.pipelines.ingest.copies import Copies
from tests.transactional_api.cdc.rows import connect
from transactional_api.privacy.erasures import REQUESTED_LIMIT

pytestmark = pytest.mark.usefixtures("api")
NOW = datetime.now(UTC)


def live(copies: Copies, user_id: str, *, mark: str) -> None:
    """Let one person do what leaves something in every table."""
    at = NOW.isoformat()
    copies.put("users", id=user_id, username=mark, personalised=True, is_active=True, created_at=at)
    copies.put("connectors", name="Gardeners", created_by=user_id, is_active=True, created_at=at)
    copies.put("connector_members", connector_id=str(uuid.uuid4()), user_id=user_id, joined_at=at)
    copies.put("posts", author_id=user_id, content=mark, is_active=True, created_at=at)
    copies.put("comments", author_id=user_id, content=mark, is_active=True, created_at=at)
    copies.put("post_likes", post_id=str(uuid.uuid4()), user_id=user_id, created_at=at)
    copies.put("follows", follower_id=user_id, followee_id=str(uuid.uuid4()), created_at=at)
    copies.put("follows", follower_id=str(uuid.uuid4()), followee_id=user_id, created_at=at)
    copies.click(user_id)


def test_every_table_that_names_a_person_is_a_place_of_the_lake() -> None:
    names = ("user_id", "author_id", "follower_id", "followee_id", "created_by")
    columns = {(stream.table, column.name) for stream in STREAMS for column in stream.columns if column.name in names}
    known = {(place.name, place.person) for place in PLATFORM if place.store is Store.LAKE}
    made = {("training", "user_id"), ("moderation_feedback", "text"), ("embeddings", "text_hash")}
    assert columns | {("users", "id")} | made == known


def test_who_asked_leaves_every_copy_and_nobody_else(copies: Copies) -> None:
    gone_as = request_erasure(copies.settings)
    gone, stays = gone_as[1], str(uuid.uuid4())
    live(copies, gone, mark="goneword")
    live(copies, stays, mark="staysword")
    erasure_id = gone_as[0]
    copies.put("erasures", id=erasure_id, user_id=gone, keeps_words=False, requested_at=NOW.isoformat())
    wanted = [one for one in erasure.wanted(copies.settings) if one.id == erasure_id]
    assert wanted == [RequestedErasure(erasure_id, gone, keeps_words=False)]
    receipts = erasure.forget(copies.settings, wanted)
    assert (copies.lake_has("goneword"), copies.lake_has(gone)) == (set(), {"erasures"})
    # The mirror of the tables follows the product database, whose own erasure empties it.
    assert copies.warehouse_has(gone) <= {"erasures", "users", "posts", "comments"}
    assert copies.lake_has(stays) == copies.warehouse_has(stays) == copies.lake_has("") - {"erasures"}
    lines = {str(line["place"]): line["number"] for line in receipts.lines(gone)}
    assert set(lines) == {place.label for place in PLATFORM}
    assert (lines["lake:interactions.user_id"], lines["lake:follows.followee_id"]) == (1, 1)
    assert lines["kafka:topics.key"] is None
    again = erasure.forget(copies.settings, wanted)
    assert {line["number"] for line in again.lines(gone)} == {0, None}


def test_words_that_may_stay_do(copies: Copies) -> None:
    person = str(uuid.uuid4())
    live(copies, person, mark="keptword")
    erasure.forget(copies.settings, [RequestedErasure(str(uuid.uuid4()), person, keeps_words=True)])
    assert copies.lake_has("keptword") == {"posts", "comments"}


def test_an_erasure_is_repeated_while_kafka_could_bring_something_back(copies: Copies) -> None:
    settings = copies.settings
    many = {request_erasure(settings) for _ in range(REQUESTED_LIMIT + 1)}
    old_id, _ = request_erasure(settings)
    with connect(settings) as connection:
        age = erasure.REPEATED_FOR + timedelta(hours=1)
        connection.execute("UPDATE erasures SET requested_at = now() - %s WHERE id = %s", [age, old_id])
    wanted = [one.id for one in erasure.wanted(settings)]
    assert len(set(wanted)) == len(wanted)
    assert {one for one, _ in many} <= set(wanted)
    assert old_id not in wanted
    with exclusive_rebuild(settings) as log:
        begin(log, sink="lake")
        assert old_id in {one.id for one in erasure.wanted(settings)}, "a rebuild is unfinished"
        finish(log, sink="lake")
    assert old_id not in {one.id for one in erasure.wanted(settings)}


def test_features_of_who_asked_go_offline_and_online(copies: Copies) -> None:
    settings, gone, stays = copies.settings, str(uuid.uuid4()), str(uuid.uuid4())
    store = build_store(settings)
    try:
        apply(store)
        rows = pl.DataFrame(
            {
                "user_id": [gone, stays],
                "event_timestamp": [NOW, NOW],
                "categories": [["gardening"]] * 2,
                "weights": [[1.0]] * 2,
            }
        )
        store.write_to_online_store(USER_AFFINITY, rows.to_pandas())
    finally:
        close(store)
    with psycopg.connect(settings.feast_database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO offline.user_affinity (user_id, event_timestamp) VALUES (%s, %s)", [(gone, NOW), (stays, NOW)]
        )
    receipts = erasure.forget(settings, [RequestedErasure(str(uuid.uuid4()), gone, keeps_words=False)])
    with psycopg.connect(settings.feast_database_url) as connection:
        left = connection.execute(
            "SELECT user_id FROM offline.user_affinity WHERE user_id = ANY(%s)", [[gone, stays]]
        ).fetchall()
    assert left == [(stays,)]
    with redis.Redis.from_url(settings.feast_redis_url) as online:
        keys = [key for key in online.scan_iter() if gone.encode() in key or stays.encode() in key]
    assert len(keys) == 1
    assert stays.encode() in keys[0]
    numbers = {str(line["place"]): line["number"] for line in receipts.lines(gone)}
    assert (numbers["features:offline.user_id"], numbers["online_features:redis.key"]) == (1, 1)


def test_who_refuses_personalisation_is_not_learnt_from(copies: Copies) -> None:
    willing, unwilling = str(uuid.uuid4()), str(uuid.uuid4())
    for person in (willing, unwilling):
        copies.put("users", id=person, personalised=True, created_at=NOW.isoformat())
        copies.click(person)
    copies.put("users", id=unwilling, personalised=False, created_at=NOW.isoformat())
    learnt_from = collect_interactions(copies.settings, kind=ItemKind.POST)["user_id"].to_list()
    assert learnt_from == [willing]


def test_the_api_is_told_with_the_platforms_token(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any, Any]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), json.loads(request.content), request.headers))
        return httpx.Response(204)

    client = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **named: client(**named, transport=httpx.MockTransport(serve)))
    one = RequestedErasure(str(uuid.uuid4()), str(uuid.uuid4()), keeps_words=False)
    erasure.report(copies.settings, one, erasure.forget(copies.settings, [one]))
    [(url, body, headers)] = asked
    assert url.endswith(f"/api/v1/privacy/erasures/{one.id}/platform")
    assert headers["X-Platform-Token"] == copies.settings.platform_token.get_secret_value()
    assert {line["fate"] for line in body["lines"]} <= set(Fate)
