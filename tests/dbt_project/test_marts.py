from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid5

import pytest

from pipelines.quality import mart_expectations
from pipelines.quality.checks import MARTS
from pipelines.warehouse import dbt

if TYPE_CHECKING:
    from tests.dbt_project.conftest import Warehouse

MONDAY = date(2026, 11, 16)
PLACE_COLUMNS = {"neighborhood", "city", "state", "country", "latitude", "longitude", "home_cell"}


def test_a_day_counts_all_acts(built: Warehouse) -> None:
    [day] = built.sql(
        "select activity_date, registrations, posts, likes, joins, impressions, clicks, click_through, sessions, "
        "rsvps, purchases, reviews, reactions from marts.daily_activity"
    )

    assert day == (MONDAY, 2, 1, 1, 2, 2, 1, 0.5, 3, 1, 1, 1, 1)


def test_clicks_are_attributed_to_their_response(built: Warehouse) -> None:
    assert built.sql("select path, items, impressions, clicks from marts.fct_recommendations") == [
        ("collaborative", 1, 1, 1)
    ]


def test_recommendable_items_are_public_with_their_text(built: Warehouse) -> None:
    columns = "item_kind, category, text, is_open, price"
    assert built.sql(f"select {columns} from marts.recommendable_items order by item_kind") == [
        ("connector", "gardening", "Roof gardens\ngardening", True, None),
        ("event", "gardening", "Seed swap", False, None),
        ("item", "gardening", "Spade\ntools", False, 20),
        ("post", "gardening", "Seeds\nSwap on Sunday?", True, None),
    ]


def test_events_purchases_reviews_and_decisions_reach_marts(built: Warehouse) -> None:
    assert built.sql("select category, attending, guests, occupancy from marts.fct_events") == [
        ("gardening", 1, 1, 0.5)
    ]
    assert built.sql("select sold_price, hours_to_sale, viewers from marts.fct_marketplace_items") == [(20, 3.0, 1)]
    assert built.sql("select median_sold_price, sold_share from marts.weekly_marketplace_prices") == [(20.0, 1.0)]
    assert built.sql("select sold, revenue, reviews, mean_rating from marts.marketplace_sellers") == [(1, 20, 1, 4.0)]
    assert built.sql("select reviews, mean_rating, helpful_votes from marts.weekly_connector_reviews") == [(1, 5.0, 1)]
    assert built.sql("select reels, authors, views, likes from marts.weekly_reels") == [(1, 1, 3, 1)]
    assert built.sql("select sent, opened, median_seconds_to_open from marts.daily_notifications") == [(1, 1, 3600.0)]
    assert built.sql(
        "select decision_visibility, automated_detection, source_type, appeal_state "
        "from marts.fct_statements_of_reasons"
    ) == [("DECISION_VISIBILITY_CONTENT_LABELLED", "No", "SOURCE_TYPE_OTHER_NOTIFICATION", "upheld")]
    assert built.sql(
        "select opened, decided, labeled, open_at_end, median_hours_to_decision, appeals_upheld "
        "from marts.daily_moderation"
    ) == [(1, 1, 1, 0, 5.0, 1)]


def models_of(layer: str) -> dict[str, dict[str, Any]]:
    """Return the models or snapshots of a schema by name, as the manifest of the last build has them."""
    manifest = json.loads((dbt.target_dir() / "manifest.json").read_text())
    return {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] in {"model", "snapshot"} and node["schema"] == layer
    }


def test_every_column_has_a_description_in_postgresql(built: Warehouse) -> None:
    undescribed = built.sql(
        "select n.nspname, c.relname, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum >= 0 and not a.attisdropped "
        "where n.nspname in ('staging', 'intermediate', 'snapshots', 'marts') and c.relkind in ('r', 'v') "
        "and (obj_description(c.oid, 'pg_class') is null or col_description(c.oid, a.attnum) is null)"
    )
    assert undescribed == []


def test_every_mart_has_owner_grain_and_enforced_contract(built: Warehouse) -> None:
    marts = models_of("marts")
    assert len(marts) > 10
    for name, node in (marts | models_of("snapshots")).items():
        assert node["config"]["meta"].keys() >= {"owner", "grain"}, name
    for name, node in marts.items():
        assert node["config"]["contract"]["enforced"], name


def test_marts_about_places_omit_small_groups(built: Warehouse) -> None:
    """Rows of one person, item or connector are not about a place."""
    of_places = {
        name: node
        for name, node in models_of("marts").items()
        if PLACE_COLUMNS & node["columns"].keys() and not node["columns"].keys() & {"user_id", "item_id"}
    }
    assert "weekly_neighborhood_activity" in of_places
    for name, node in of_places.items():
        assert "macro.neighborconnect.has_minimum_group" in node["depends_on"]["macros"], name


def test_the_minimum_group_cannot_be_lowered(built: Warehouse) -> None:
    with pytest.raises(dbt.DbtError, match="must be at least 5"):
        built.dbt("compile", "--select", "weekly_neighborhood_activity", "--vars", "minimum_group_people: 4")


def test_an_incremental_build_equals_a_full_build(built: Warehouse) -> None:
    """New rows, a late row of an old day, a retracted like and a renamed connector, built in steps and all at once."""
    [(like, post, ben)] = built.sql("select like_id, post_id, user_id from staging.stg_post_likes")
    built.delete("post_likes", row_id=like)
    _take_back_offers(built)
    for days in (0, 3):
        at = datetime(2026, 11, 16, 22, tzinfo=UTC) + timedelta(days=days)
        built.put("comments", id=uuid5(post, str(days)), post_id=post, author_id=ben, content="!", created_at=at)

    renamed_at = datetime(2026, 11, 18, tzinfo=UTC)
    built.sql(
        "update raw.connectors set name = 'Roofs', category = 'Farming', _event_id = _event_id + 1000, "
        "_committed_at = %s",
        renamed_at,
    )

    built.build_models()
    step_by_step = _contents(built)
    built.build_models("--full-refresh")

    assert _contents(built) == step_by_step
    assert built.sql(
        "select likes, comments, rsvps, purchases, reviews, reactions from marts.daily_activity "
        "where activity_date = %s",
        MONDAY,
    ) == [(0, 1, 0, 0, 0, 1)]
    # Acts before the change of the category keep the category of their time.
    assert built.sql(
        "select category, min(occurred_at) > %s, max(occurred_at) < %s from marts.fct_activity "
        "where category is not null group by category order by category",
        renamed_at,
        renamed_at,
    ) == [("farming", True, False), ("gardening", False, True)]
    assert built.sql("select category from marts.fct_posts") == [("gardening",)]
    assert built.sql(
        "select connector_name, category from marts.daily_connector_engagement order by activity_date"
    ) == [("Roof gardens", "gardening"), ("Roofs", "farming")]


def test_a_post_without_author_fails_the_build(built: Warehouse) -> None:
    [(garden,)] = built.sql("select connector_id from marts.dim_connectors")
    long_ago = datetime(2026, 11, 1, tzinfo=UTC)
    stranger = uuid5(garden, "nobody")
    built.put(
        "posts",
        id=stranger,
        connector_id=garden,
        author_id=stranger,
        content="?",
        created_at=long_ago,
        _committed_at=long_ago,
    )

    with pytest.raises(dbt.DbtError, match="settled_reference_stg_posts_author_id"):
        built.dbt("test", "--select", "stg_posts")
    built.sql("delete from raw.posts where id = %s", stranger)


def test_an_unexpected_row_is_reported(built: Warehouse) -> None:
    unexpected = {mart: mart_expectations.count_unexpected_rows(built.settings, mart=mart) for mart in MARTS}
    assert [mart for mart, rows in unexpected.items() if rows] == []

    built.sql("update marts.daily_activity set click_through = 1.5 where activity_date = %s", MONDAY)
    assert list(mart_expectations.count_unexpected_rows(built.settings, mart="daily_activity")) == [
        "expect_column_values_to_be_between(click_through)"
    ]


def test_every_mart_with_expectations_is_checked() -> None:
    assert set(MARTS) == mart_expectations.EXPECTATIONS.keys()


def _take_back_offers(built: Warehouse) -> None:
    """Decline the event, cancel the purchase and remove the review."""
    for table, change in {
        "event_attendees": "status = 'declined'",
        "marketplace_purchases": "status = 'cancelled'",
        "reviews": "is_active = false",
    }.items():
        built.sql(f"update raw.{table} set {change}, _event_id = _event_id + 1000, _committed_at = now()")


def _contents(built: Warehouse) -> dict[str, list[str]]:
    wanted = {
        "fct_activity": "not is_retracted",
        "fct_sessions": "true",
        "daily_activity": "true",
        "fct_recommendations": "true",
    }
    return {
        table: sorted(row for (row,) in built.sql(f"select t::text from marts.{table} t where {condition}"))
        for table, condition in wanted.items()
    }
