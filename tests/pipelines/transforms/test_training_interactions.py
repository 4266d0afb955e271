"""Selection and weights of the training interactions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from neighborconnect.contracts.events import ItemKind
from pipelines.transforms.activity import ACTIVITY_EVENT_SCHEMA
from pipelines.transforms.training_interactions import TRAINING_SCHEMA, training_interactions

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def weights(act: str, *, kind: ItemKind, item_kind: str | None = None, retracted: bool = False) -> list[float]:
    row = {"user_id": "ana", "kind": act, "item_kind": item_kind or kind.value, "item_id": "i", "occurred_at": NOON}
    events = pl.LazyFrame([row | {"retracted_at": NOON if retracted else None}], schema=ACTIVITY_EVENT_SCHEMA)
    interactions = training_interactions(events, kind=kind).collect()
    assert dict(interactions.schema) == TRAINING_SCHEMA
    return interactions["weight"].to_list()


class TestTrainingInteractions:
    @pytest.mark.parametrize("deliberate", ["like", "comment"])
    @pytest.mark.parametrize("passing", ["click", "dwell"])
    def test_deliberate_acts_on_posts_weigh_more(self, deliberate: str, passing: str) -> None:
        [strong], [weak] = weights(deliberate, kind=ItemKind.POST), weights(passing, kind=ItemKind.POST)
        assert strong > weak > 0

    @pytest.mark.parametrize("passing", ["click", "visit"])
    def test_a_join_weighs_more_than_a_visit_or_a_click(self, passing: str) -> None:
        [strong], [weak] = weights("join", kind=ItemKind.CONNECTOR), weights(passing, kind=ItemKind.CONNECTOR)
        assert strong > weak > 0

    @pytest.mark.parametrize("passing", ["click", "dwell"])
    def test_an_answer_weighs_more_than_a_look_at_the_event(self, passing: str) -> None:
        [strong], [weak] = weights("rsvp", kind=ItemKind.EVENT), weights(passing, kind=ItemKind.EVENT)
        assert strong > weak > 0

    @pytest.mark.parametrize("passing", ["visit", "click", "dwell"])
    def test_a_purchase_weighs_more_than_a_look_at_the_item(self, passing: str) -> None:
        [strong], [weak] = weights("purchase", kind=ItemKind.ITEM), weights(passing, kind=ItemKind.ITEM)
        assert strong > weak > 0

    @pytest.mark.parametrize(("kind", "act"), [(ItemKind.EVENT, "rsvp"), (ItemKind.ITEM, "purchase")])
    def test_a_withdrawn_answer_or_purchase_is_dropped(self, kind: ItemKind, act: str) -> None:
        assert weights(act, kind=kind, retracted=True) == []

    @pytest.mark.parametrize("kind", list(ItemKind))
    @pytest.mark.parametrize("act", ["post", "found", "host", "sell"])
    def test_acts_without_interest_are_dropped(self, act: str, kind: ItemKind) -> None:
        assert weights(act, kind=kind) == []

    @pytest.mark.parametrize("kind", list(ItemKind))
    @pytest.mark.parametrize("act", ["impression", "hide"])
    def test_impressions_and_hides_have_no_weight(self, act: str, kind: ItemKind) -> None:
        assert weights(act, kind=kind) == [0.0]

    def test_acts_on_another_item_kind_are_dropped(self) -> None:
        assert weights("click", kind=ItemKind.POST, item_kind="connector") == []
        assert weights("click", kind=ItemKind.CONNECTOR, item_kind="post") == []

    def test_a_retracted_like_is_dropped(self) -> None:
        assert weights("like", kind=ItemKind.POST, retracted=True) == []

    def test_a_join_counts_after_the_user_has_left(self) -> None:
        join = weights("join", kind=ItemKind.CONNECTOR)
        assert weights("join", kind=ItemKind.CONNECTOR, retracted=True) == join != []

    def test_an_act_has_the_category_of_its_time(self) -> None:
        row = {"user_id": "ana", "kind": "like", "item_kind": "post", "item_id": "i", "occurred_at": NOON}
        acts = [row | {"category": "cooking"}, row | {"category": "music", "occurred_at": NOON + timedelta(days=1)}]
        events = pl.LazyFrame(acts, schema=ACTIVITY_EVENT_SCHEMA)
        interactions = training_interactions(events, kind=ItemKind.POST).sort("occurred_at").collect()
        assert interactions["category"].to_list() == ["cooking", "music"]
