from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ingest.schema import EVENT_TIME
from pipelines.stream.window import USER_COLUMN, LastHour
from pipelines.transforms.act_tables import ACT_TABLE_BY_NAME
from pipelines.transforms.activity import activity_events
from pipelines.transforms.user_features import user_recent_activity
from tests.pipelines.transforms.lake_rows import change, lake_frame, lake_tables

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
USERS = [str(UUID(int=n)) for n in range(3)]


@st.composite
def lake_changes(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    """Changes of ninety minutes in five tables, in the order of their capture, some of them twice."""
    found: list[tuple[str, dict[str, Any]]] = []
    for number in range(draw(st.integers(0, 25))):
        table = draw(st.sampled_from(tuple(USER_COLUMN)))
        user = draw(st.sampled_from(USERS))
        time = NOW - timedelta(minutes=draw(st.integers(0, 90)), seconds=number)
        row: dict[str, Any] = {"id": str(UUID(int=100 + number)), USER_COLUMN[table]: user}
        row["post_id"] = str(UUID(int=1_000 + draw(st.integers(0, 5))))
        row["connector_id"] = str(UUID(int=2_000 + draw(st.integers(0, 2))))
        if table == "interactions":
            kind, item_kind = draw(st.sampled_from((("click", "post"), ("impression", "post"), ("visit", "connector"))))
            item = row["post_id"] if item_kind == "post" else row["connector_id"]
            row = {"user_id": user, "kind": kind, "item_kind": item_kind, "item_id": item, "occurred_at": time}
            found.append((table, change(table, **row)))
            continue
        row[EVENT_TIME[table]] = time
        row["is_active"] = True
        row |= {"event_id": row["post_id"], "item_id": row["connector_id"], "blocked_id": user, "muted_id": user}
        if act := ACT_TABLE_BY_NAME.get(table):
            row["status"] = draw(st.sampled_from((*act.statuses, "declined"))) if act.statuses else None
        found.append((table, change(table, **row)))
        if draw(st.booleans()):
            # A counter moves: an update that is no act.
            found.append((table, change(table, op="u", committed_at=time + timedelta(seconds=1), **row)))
        if draw(st.booleans()):
            gone_at = min(time + timedelta(minutes=draw(st.integers(1, 30))), NOW)
            found.append((table, change(table, op="d", committed_at=gone_at, **row)))
    found.sort(key=lambda entry: (entry[1]["_committed_at"], entry[1]["_event_id"]))
    repeated = draw(st.lists(st.sampled_from(found), max_size=10)) if found else []
    return found + repeated


@settings(max_examples=25)
@given(changes=lake_changes(), size=st.integers(1, 15))
def test_stream_features_equal_batch_features(changes: list[tuple[str, dict[str, Any]]], size: int) -> None:
    window, touched = LastHour(), set[str]()
    for start in range(0, len(changes), size):
        polled = changes[start : start + size]
        frames = {
            table: lake_frame(table, [row for name, row in polled if name == table])
            for table in {name for name, _ in polled}
        }
        touched |= window.add(frames, now=NOW)
    events = {row["_event_id"]: (table, row) for table, row in changes}.values()
    history = {table: [row for name, row in events if name == table] for table in USER_COLUMN}
    batch = user_recent_activity(activity_events(**lake_tables(**history)), at=[NOW]).collect().sort("user_id")
    streamed = window.features(touched, at=NOW).sort("user_id")
    assert streamed.to_dicts() == batch.filter(pl.col("user_id").is_in(list(touched))).to_dicts()
    # Users of the batch who were not pushed have no act in the hour.
    counts = [name for name in batch.columns if name.endswith("_last_hour")]
    assert not batch.filter(~pl.col("user_id").is_in(list(touched))).select(pl.sum_horizontal(counts).sum()).item()


def test_an_expired_act_updates_its_user_once_more() -> None:
    like = change("post_likes", id="l1", post_id="p1", user_id="ada", created_at=NOW - timedelta(minutes=59))
    window = LastHour()
    assert window.add({"post_likes": lake_frame("post_likes", [like])}, now=NOW) == {"ada"}
    later = NOW + timedelta(minutes=2)
    assert window.expired(since=NOW, now=later) == {"ada"}
    assert window.features({"ada"}, at=later)["likes_last_hour"].to_list() == [0]
    assert window.expired(since=later, now=NOW + timedelta(minutes=10)) == set()
    assert window.rows == 0


def test_imported_history_is_not_stored() -> None:
    old = change(
        "interactions",
        user_id="ada",
        kind="click",
        item_kind="post",
        item_id="p1",
        occurred_at=NOW - timedelta(days=30),
        committed_at=NOW,
    )
    window = LastHour()
    assert window.add({"interactions": lake_frame("interactions", [old])}, now=NOW) == set()
    assert window.rows == 0
