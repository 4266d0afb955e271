from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.transforms.events import ACTIVITY_EVENT_SCHEMA, LONG_DWELL_MS, activity_events, connector_items

from .lake_rows import change, lake_frame, lake_tables

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CONNECTOR = change("connectors", id="garden", category="gardening", created_at=NOON - 9 * MINUTE, is_active=True)
POST = change("posts", id="p1", connector_id="garden", author_id="bo", created_at=NOON - 8 * MINUTE, is_active=True)


def acts(**rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    places = {"connectors": [CONNECTOR], "posts": [POST]} | rows
    found = activity_events(**lake_tables(**places)).collect()
    assert dict(found.schema) == ACTIVITY_EVENT_SCHEMA
    return [act for act in found.to_dicts() if act["kind"] != "post"]


def test_a_like_knows_its_posts_connector_and_category() -> None:
    (act,) = acts(post_likes=[change("post_likes", id="l1", post_id="p1", user_id="ada", created_at=NOON)])
    assert act == {
        "user_id": "ada",
        "kind": "like",
        "item_kind": "post",
        "item_id": "p1",
        "connector_id": "garden",
        "category": "gardening",
        "occurred_at": NOON,
        "retracted_at": None,
    }


def test_an_unlike_retracts_the_like_when_it_was_committed() -> None:
    like = {"id": "l1", "post_id": "p1", "user_id": "ada", "created_at": NOON}
    (act,) = acts(
        post_likes=[
            change("post_likes", op="d", committed_at=NOON + MINUTE, **like),
            change("post_likes", **like),
        ]
    )
    assert act["retracted_at"] == NOON + MINUTE


def test_a_comment_set_inactive_is_retracted_by_the_first_such_change() -> None:
    comment = {"id": "c1", "post_id": "p1", "author_id": "ada", "created_at": NOON}
    (act,) = acts(
        comments=[
            change("comments", is_active=True, **comment),
            change("comments", op="u", is_active=False, committed_at=NOON + MINUTE, **comment),
            change("comments", op="d", is_active=False, committed_at=NOON + 2 * MINUTE, **comment),
        ]
    )
    assert (act["kind"], act["retracted_at"]) == ("comment", NOON + MINUTE)


def test_a_row_seen_again_in_a_snapshot_is_one_act() -> None:
    join = {"id": "m1", "connector_id": "garden", "user_id": "ada", "joined_at": NOON}
    (act,) = acts(
        connector_members=[
            change("connector_members", **join),
            change("connector_members", op="r", committed_at=NOON + 60 * MINUTE, **join),
        ]
    )
    assert (act["kind"], act["item_id"], act["category"]) == ("join", "garden", "gardening")


def test_a_glance_is_no_dwell() -> None:
    def dwell(milliseconds: int) -> dict[str, Any]:
        return change(
            "interactions",
            user_id="ada",
            kind="dwell",
            item_kind="post",
            item_id="p1",
            dwell_ms=milliseconds,
            occurred_at=NOON,
        )

    assert len(acts(interactions=[dwell(LONG_DWELL_MS - 1), dwell(LONG_DWELL_MS)])) == 1


def test_a_connectors_category_is_its_latest() -> None:
    row = {"id": "garden", "created_at": NOON}
    changes = [
        change("connectors", category="hobby", is_active=True, **row),
        change("connectors", op="u", category="gardening", is_active=True, committed_at=NOON + MINUTE, **row),
    ]
    (item,) = connector_items(lake_frame("connectors", changes[::-1]).lazy()).collect().to_dicts()
    assert (item["category"], item["deleted_at"]) == ("gardening", None)
