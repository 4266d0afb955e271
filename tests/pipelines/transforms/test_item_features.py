from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings

from feature_repo.schemas import EVENT_KINDS, MARKETPLACE_ITEM_KINDS
from pipelines.transforms.activity import ITEM_SCHEMA
from pipelines.transforms.item_features import (
    CONNECTOR_WINDOWS,
    POST_HORIZON,
    POST_WINDOWS,
    PRIOR_CLICK_THROUGH,
    PRIOR_VIEWS,
    connector_stats,
    event_stats,
    marketplace_item_stats,
    post_stats,
)

from .histories import CATEGORY, EVENTS, GOODS, POSTS, START, Act, frame, histories, moment_lists

# Half of the items come in the middle of the histories, and one goes again.
BORN = {item: START + timedelta(days=30 * (n % 2)) for n, item in enumerate((*CATEGORY, *POSTS, *EVENTS, *GOODS))}
DIED = {"garden-3": START + timedelta(days=60)}


def items(connector_of: dict[str, str]) -> pl.LazyFrame:
    return pl.LazyFrame(
        [
            {
                "item_id": item,
                "connector_id": connector,
                "category": CATEGORY[connector],
                "created_at": BORN[item],
                "deleted_at": DIED.get(item),
            }
            for item, connector in connector_of.items()
        ],
        schema=ITEM_SCHEMA,
    )


def count(history: list[Act], *, kind: str, moment: datetime, window: timedelta | None) -> int:
    return sum(act.kind == kind and act.counts_at(moment, window=window) for act in history)


def alive(item: str, moment: datetime) -> bool:
    return BORN[item] <= moment and not (item in DIED and DIED[item] <= moment)


@settings(max_examples=25)
@given(history=histories, at=moment_lists)
def test_post_stats_equal_brute_force(history: list[Act], at: list[datetime]) -> None:
    found = {
        (row["post_id"], row["event_timestamp"]): row
        for row in post_stats(frame(history), posts=items(POSTS), at=at).collect().to_dicts()
    }
    for moment in set(at):
        for post in POSTS:
            mine = [act for act in history if act.item_id == post and act.item_kind == "post"]
            times = [act.occurred_at for act in mine] + [BORN[post]]
            lately = any(moment - POST_HORIZON < time <= moment for time in times)
            assert ((post, moment) in found) == (alive(post, moment) and lately)
            if (post, moment) not in found:
                continue
            row = found.pop((post, moment))
            for plural, kind in {
                "views": "impression",
                "clicks": "click",
                "likes": "like",
                "comments": "comment",
            }.items():
                for suffix, window in POST_WINDOWS.items():
                    assert row[f"{plural}_{suffix}"] == count(mine, kind=kind, moment=moment, window=window)
            assert row["age_hours"] == pytest.approx((moment - BORN[post]) / timedelta(hours=1))
            prior = PRIOR_VIEWS * PRIOR_CLICK_THROUGH
            expected = min((row["clicks_total"] + prior) / (row["views_total"] + PRIOR_VIEWS), 1.0)
            assert row["click_through"] == pytest.approx(expected)
    assert not found


@settings(max_examples=25)
@given(history=histories, at=moment_lists)
def test_connector_stats_equal_brute_force(history: list[Act], at: list[datetime]) -> None:
    connectors = {connector: connector for connector in CATEGORY}
    found = {
        (row["connector_id"], row["event_timestamp"]): row
        for row in connector_stats(frame(history), connectors=items(connectors), at=at).collect().to_dicts()
    }
    assert set(found) == {(item, moment) for item in CATEGORY for moment in at if alive(item, moment)}
    for (connector, moment), row in found.items():
        own = [act for act in history if act.item_id == connector]
        within = [act for act in history if act.connector_id == connector and act.item_kind == "post"]
        for suffix, window in CONNECTOR_WINDOWS.items():
            for plural, kind in {"views": "impression", "clicks": "click", "visits": "visit", "joins": "join"}.items():
                assert row[f"{plural}_{suffix}"] == count(own, kind=kind, moment=moment, window=window)
            for plural, kind in {"posts": "post", "likes": "like", "comments": "comment"}.items():
                assert row[f"{plural}_{suffix}"] == count(within, kind=kind, moment=moment, window=window)
        assert row["members"] == row["joins_total"]
        assert row["age_days"] == pytest.approx((moment - BORN[connector]) / timedelta(days=1))


@settings(max_examples=25)
@given(history=histories, at=moment_lists)
def test_events_and_items_for_sale_equal_brute_force(history: list[Act], at: list[datetime]) -> None:
    for kind, owners, counted, key, view in (
        ("event", EVENTS, EVENT_KINDS, "event_id", event_stats(frame(history), events=items(EVENTS), at=at)),
        (
            "item",
            GOODS,
            MARKETPLACE_ITEM_KINDS,
            "marketplace_item_id",
            marketplace_item_stats(frame(history), items=items(GOODS), at=at),
        ),
    ):
        expected = {}
        for moment in set(at):
            for item in owners:
                mine = [act for act in history if act.item_id == item and act.item_kind == kind]
                times = [BORN[item], *(act.occurred_at for act in mine)]
                if not alive(item, moment) or not any(moment - POST_HORIZON < time <= moment for time in times):
                    continue
                expected[item, moment] = {
                    f"{plural}_{suffix}": count(mine, kind=act, moment=moment, window=window)
                    for act, plural in counted.items()
                    for suffix, window in POST_WINDOWS.items()
                } | {"age_hours": pytest.approx((moment - BORN[item]) / timedelta(hours=1), rel=1e-6)}
        found = {(row.pop(key), row.pop("event_timestamp")): row for row in view.collect().to_dicts()}
        assert found == expected
