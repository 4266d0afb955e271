"""One table of rules decides what is left out, offline and online."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from models.recommendation.data import Split, TimeSplit, checked_interactions
from models.recommendation.masks import MASKS, mask_users, masking
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.eligibility import IMPRESSION_DAYS, OPENED_DAYS, Exclusion, excludes, mask_of

NOW = datetime(2026, 3, 29, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_strongest_reason_wins_and_the_future_is_ignored() -> None:
    acts = [("click", "a", NOW - DAY), ("like", "a", NOW - DAY), ("post", "b", NOW), ("hide", "c", NOW + DAY)]
    mask = mask_of(acts, item_kind="post", at=NOW)
    assert mask.excluded == {"a": Exclusion.LIKED, "b": Exclusion.OWN}
    assert [mask.reason(item) for item in ("a", "c")] == [Exclusion.LIKED, None]


def test_shown_items_return_last_and_least_recent_first() -> None:
    old, older = NOW - DAY, NOW - 2 * DAY
    acts = [
        ("impression", "a", old),
        ("impression", "b", older),
        ("impression", "c", NOW - IMPRESSION_DAYS * DAY),
        ("impression", "d", old),
        ("like", "d", old),
    ]
    mask = mask_of(acts, item_kind="post", at=NOW)
    assert mask.split(["a", "b", "c", "d", "e"]) == (["c", "e"], ["b", "a"])
    assert mask.reason("a") is Exclusion.SHOWN


@pytest.mark.parametrize("act", ["click", "dwell"])
def test_an_opened_post_returns_when_its_record_is_deleted(act: str) -> None:
    acts = [(act, "a", NOW - OPENED_DAYS * DAY), (act, "b", NOW - (OPENED_DAYS - 1) * DAY)]
    assert mask_of(acts, item_kind="post", at=NOW).excluded == {"b": Exclusion.OPENED}


@pytest.mark.parametrize(
    ("kind", "act", "expected"),
    [
        ("post", "click", True),
        ("post", "impression", False),
        ("connector", "join", True),
        ("connector", "click", False),
        ("event", "rsvp", True),
        ("event", "click", False),
        ("item", "purchase", True),
        ("item", "visit", False),
    ],
)
def test_what_a_training_set_says_of_an_act_is_the_rule(kind: str, act: str, expected: bool) -> None:
    assert excludes(kind, act) is expected
    frame = pl.DataFrame({"kind": [act]}).select(masking(ItemKind(kind), pl.col("kind")))
    assert frame[MASKS].to_list() == [expected]


def test_the_masks_of_everyone_are_those_of_each() -> None:
    frame = pl.DataFrame(
        [
            ("u", "like", "post", "a", NOW - DAY, None),
            ("u", "like", "post", "b", NOW - DAY, NOW),
            ("u", "join", "connector", "c", NOW - DAY, None),
            ("v", "impression", "post", "a", NOW - DAY, None),
        ],
        schema={
            "user_id": pl.String,
            "kind": pl.String,
            "item_kind": pl.String,
            "item_id": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
            "retracted_at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
    masks = mask_users(frame, kind=ItemKind.POST, at=NOW)
    assert masks["u"].excluded == {"a": Exclusion.LIKED}
    assert list(masks["v"].shown) == ["a"]
    assert "c" in mask_users(frame, kind=ItemKind.CONNECTOR, at=NOW)["u"].excluded


def test_a_split_judges_and_ranks_what_serving_would_show() -> None:
    rows = [
        ("u", "opened", NOW - 9 * DAY, 1.0, False),
        ("u", "joined", NOW - 9 * DAY, 3.0, True),
        ("v", "opened", NOW - 9 * DAY, 3.0, True),
        ("u", "opened", NOW, 3.0, True),
        ("u", "joined", NOW, 3.0, True),
    ]
    interactions = checked_interactions(
        pl.DataFrame(rows, schema=["user_id", "item_id", "occurred_at", "weight", MASKS], orient="row")
    )
    split = TimeSplit(test_share=0.4).split(interactions)
    assert split.test.select("user_id", "item_id").rows() == [("u", "opened")]
    assert split.matrix.item_ids == ("joined", "opened")
    assert split.mask.toarray().tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert Split("all", split.train.drop(MASKS), split.test, None).mask.nnz == 3
