from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from neighborconnect.contracts.events import ItemKind
from pipelines.transforms.events import ACTIVITY_EVENT_SCHEMA
from pipelines.transforms.training import TRAINING_SCHEMA, training_interactions

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def weights(act: str, *, kind: ItemKind, item_kind: str, retracted: bool = False) -> list[float]:
    row = {"user_id": "ana", "kind": act, "item_kind": item_kind, "item_id": "i", "occurred_at": NOON}
    events = pl.LazyFrame([row | {"retracted_at": NOON if retracted else None}], schema=ACTIVITY_EVENT_SCHEMA)
    signs = training_interactions(events, kind=kind).collect()
    assert dict(signs.schema) == TRAINING_SCHEMA
    return signs["weight"].to_list()


@pytest.mark.parametrize(
    ("act", "post", "connector"),
    [
        ("like", [3.0], []),
        ("comment", [3.0], []),
        ("join", [], [3.0]),
        ("click", [1.0], [1.0]),
        ("dwell", [1.0], []),
        ("visit", [], [1.0]),
        ("impression", [], []),
        ("hide", [], []),
        ("post", [], []),
    ],
)
def test_an_act_counts_where_it_tells_interest(act: str, post: list[float], connector: list[float]) -> None:
    assert weights(act, kind=ItemKind.POST, item_kind="post") == post
    assert weights(act, kind=ItemKind.CONNECTOR, item_kind="connector") == connector


def test_a_like_that_was_taken_back_is_no_sign() -> None:
    assert weights("like", kind=ItemKind.POST, item_kind="post", retracted=True) == []


def test_a_membership_that_was_left_is_still_a_sign() -> None:
    assert weights("join", kind=ItemKind.CONNECTOR, item_kind="connector", retracted=True) == [3.0]
