from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from neighborconnect.contracts.events import InteractionKind
from neighborconnect.feed.eligibility import LONG_DWELL_MS, RULES
from pipelines.transforms.activity import ACTIVITY_EVENT_SCHEMA, activity_events, connector_items

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


def test_a_like_has_the_connector_and_category_of_its_post() -> None:
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


def test_an_unlike_retracts_the_like_at_its_capture_time() -> None:
    like = {"id": "l1", "post_id": "p1", "user_id": "ada", "created_at": NOON}
    (act,) = acts(
        post_likes=[
            change("post_likes", op="d", committed_at=NOON + MINUTE, **like),
            change("post_likes", **like),
        ]
    )
    assert act["retracted_at"] == NOON + MINUTE


def test_the_first_deactivation_retracts_a_comment() -> None:
    comment = {"id": "c1", "post_id": "p1", "author_id": "ada", "created_at": NOON}
    (act,) = acts(
        comments=[
            change("comments", is_active=True, **comment),
            change("comments", op="u", is_active=False, committed_at=NOON + MINUTE, **comment),
            change("comments", op="d", is_active=False, committed_at=NOON + 2 * MINUTE, **comment),
        ]
    )
    assert (act["kind"], act["retracted_at"]) == ("comment", NOON + MINUTE)


def test_a_row_repeated_by_a_snapshot_is_one_act() -> None:
    join = {"id": "m1", "connector_id": "garden", "user_id": "ada", "joined_at": NOON}
    (act,) = acts(
        connector_members=[
            change("connector_members", **join),
            change("connector_members", op="r", committed_at=NOON + 60 * MINUTE, **join),
        ]
    )
    assert (act["kind"], act["item_id"], act["category"]) == ("join", "garden", "gardening")


def test_a_short_dwell_is_dropped() -> None:
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


def test_a_connector_has_its_latest_category() -> None:
    row = {"id": "garden", "created_at": NOON}
    changes = [
        change("connectors", category="hobby", is_active=True, **row),
        change("connectors", op="u", category="gardening", is_active=True, committed_at=NOON + MINUTE, **row),
    ]
    (item,) = connector_items(lake_frame("connectors", changes[::-1]).lazy()).collect().to_dicts()
    assert (item["category"], item["deleted_at"]) == ("gardening", None)


def test_a_changed_category_applies_to_later_acts_only() -> None:
    row = {"id": "garden", "created_at": NOON - 9 * MINUTE, "is_active": True}
    changes = [
        change("connectors", category="hobby", committed_at=NOON - 5 * MINUTE, **row),
        change("connectors", op="u", category="hobby", member_count=2, committed_at=NOON, **row),
        change("connectors", op="u", category="gardening", committed_at=NOON + MINUTE, **row),
        change("connectors", op="u", category="hobby", committed_at=NOON + 3 * MINUTE, **row),
        change("connectors", op="d", id="garden", committed_at=NOON + 4 * MINUTE, created_at=None),
    ]
    # The first act is older than the capture of the connector.
    times = [NOON + n * MINUTE for n in (-8, 0, 1, 2, 3, 5)]
    likes = [change("post_likes", id=str(at), post_id="p1", user_id="ada", created_at=at) for at in times]
    joins = [change("connector_members", id=str(at), connector_id="garden", user_id="bo", joined_at=at) for at in times]
    found = acts(connectors=changes[::-1], post_likes=likes, connector_members=joins)
    expected = dict(zip(times, ["hobby", "hobby", "gardening", "gardening", "hobby", "hobby"], strict=True))
    assert sorted((act["kind"], act["occurred_at"], act["category"]) for act in found if act["kind"] != "found") == [
        (kind, at, category) for kind in ("join", "like") for at, category in expected.items()
    ]


SECOND = timedelta(seconds=1)


def interaction(kind: str, *, received_at: datetime, clock: timedelta = timedelta(), **more: Any) -> dict[str, Any]:
    """An interaction of Ada's, from a device whose clock is ahead by ``clock``."""
    row: dict[str, Any] = {
        "user_id": "ada",
        "item_kind": "post",
        "item_id": "p1",
        "occurred_at": received_at + clock,
    } | more
    return change("interactions", kind=kind, received_at=received_at, **row)


@pytest.mark.parametrize("clock", [4 * SECOND, timedelta(), -3600 * SECOND], ids=["ahead", "right", "behind"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_an_unhide_retracts_earlier_hides_by_server_time(clock: timedelta, newest_first: bool) -> None:
    rows = [
        interaction("hide", received_at=NOON, clock=clock),
        interaction("unhide", received_at=NOON + 2 * SECOND),
        interaction("hide", received_at=NOON + 3 * SECOND, clock=clock),
        interaction("hide", received_at=NOON, clock=clock, item_id="p2"),
        interaction("unhide", received_at=NOON + 2 * SECOND, user_id="bo"),
    ]
    found = acts(interactions=rows[::-1] if newest_first else rows)
    early = min(clock, timedelta())
    assert sorted(
        (act["item_id"], act["occurred_at"], act["retracted_at"]) for act in found if act["retracted_at"]
    ) == [("p1", NOON + early, NOON + 2 * SECOND)]
    assert sorted((act["item_id"], act["occurred_at"]) for act in found if not act["retracted_at"]) == [
        ("p1", NOON + 3 * SECOND + early),
        ("p2", NOON + early),
    ]
    assert {act["kind"] for act in found} == {"hide"}


def test_founding_a_connector_is_an_act_while_it_is_active() -> None:
    founded = CONNECTOR | {"created_by": "ada"}
    closed = change("connectors", op="u", committed_at=NOON, **{**_values(founded), "is_active": False})
    (act,) = acts(connectors=[founded])
    assert (act["user_id"], act["kind"], act["item_kind"], act["item_id"]) == ("ada", "found", "connector", "garden")
    assert (act["connector_id"], act["occurred_at"], act["retracted_at"]) == ("garden", founded["created_at"], None)
    (act,) = acts(connectors=[founded, closed])
    assert act["retracted_at"] == NOON
    assert acts(connectors=[CONNECTOR]) == []


def _values(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("_")}


def test_every_rule_has_lake_acts_or_is_online_only() -> None:
    by_post: dict[str, Any] = {"post_id": "p1", "created_at": NOON}
    made = activity_events(
        **lake_tables(
            interactions=[
                interaction(kind, received_at=NOON, item_kind=item_kind, item_id=item_id, dwell_ms=LONG_DWELL_MS)
                for kind in InteractionKind
                for item_kind, item_id in (("post", "p1"), ("connector", "garden"), ("event", "e1"), ("item", "i1"))
            ],
            post_likes=[change("post_likes", id="l1", user_id="ada", **by_post)],
            post_reactions=[change("post_reactions", id="r1", user_id="ada", kind="care", **by_post)],
            comments=[change("comments", id="c1", author_id="ada", is_active=True, **by_post)],
            connector_members=[
                change("connector_members", id="m1", connector_id="garden", user_id="ada", joined_at=NOON)
            ],
            posts=[POST],
            connectors=[CONNECTOR | {"created_by": "ada"}],
            events=[change("events", id="e1", created_by="ada", created_at=NOON, is_active=True)],
            event_attendees=[
                change("event_attendees", id="a1", event_id="e1", user_id="ada", joined_at=NOON, status="waiting")
            ],
            marketplace_items=[change("marketplace_items", id="i1", seller_id="ada", created_at=NOON, is_active=True)],
            marketplace_purchases=[
                change("marketplace_purchases", id="b1", buyer_id="ada", item_id="i1", created_at=NOON, status="agreed")
            ],
        )
    ).collect()
    produced = set(made.select("item_kind", "kind").iter_rows())
    rules = {(item_kind, act): rule for item_kind, rules in RULES.items() for act, rule in rules.items()}
    assert {one for one in rules if one not in produced} == {one for one, rule in rules.items() if rule.online_only}


def test_an_answer_counts_from_acceptance_to_refusal_and_again() -> None:
    hours = [NOON + timedelta(hours=n) for n in range(4)]
    answer = {"id": "r1", "event_id": "picnic", "user_id": "ada"}
    changes = [
        change("event_attendees", op="u" if n else "c", joined_at=hour, status=status, **answer)
        for n, (hour, status) in enumerate(zip(hours, ("declined", "attending", "declined", "maybe"), strict=True))
    ]
    events = [change("events", id="picnic", connector_id="garden", created_at=NOON, is_active=True)]

    acts = activity_events(**lake_tables(event_attendees=changes, events=events, connectors=[CONNECTOR])).collect()

    rsvps = acts.filter(pl.col("kind") == "rsvp").sort("occurred_at")
    assert rsvps.select("item_id", "connector_id", "occurred_at", "retracted_at").rows() == [
        ("picnic", "garden", hours[1], hours[2]),
        ("picnic", "garden", hours[3], None),
    ]
    assert rsvps["category"].to_list() == [CONNECTOR["category"]] * 2
