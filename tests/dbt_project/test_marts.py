from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid5

import pytest

from pipelines import checks_marts, dbt
from pipelines.assets.expectations import MARTS

if TYPE_CHECKING:
    from tests.dbt_project.conftest import Warehouse

MONDAY = date(2026, 11, 16)


@pytest.fixture(scope="module", autouse=True)
def built(warehouse: Warehouse) -> None:
    warehouse.build()


def test_a_day_counts_what_the_town_did(warehouse: Warehouse) -> None:
    [day] = warehouse.sql(
        "select activity_date, registrations, posts, likes, joins, impressions, clicks, click_through, sessions "
        "from marts.daily_activity"
    )

    assert day == (MONDAY, 2, 1, 1, 2, 2, 1, 0.5, 3)


def test_an_answer_is_credited_with_its_own_clicks_only(warehouse: Warehouse) -> None:
    assert warehouse.sql("select path, items, impressions, clicks from marts.fct_recommendations") == [
        ("collaborative", 1, 1, 1)
    ]


def test_the_catalogue_has_public_items_with_their_text(warehouse: Warehouse) -> None:
    assert warehouse.sql("select item_kind, category, text from marts.recommendable_items order by item_kind") == [
        ("connector", "gardening", "Roof gardens\ngardening"),
        ("post", "gardening", "Seeds\nSwap on Sunday?"),
    ]


def test_every_column_of_every_model_is_described(warehouse: Warehouse) -> None:
    manifest = json.loads(dbt.ensure_manifest(warehouse.settings).read_text())
    described = {
        f"{node['schema']}.{node['name']}.{name}"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["description"]
        for name, column in node["columns"].items()
        if column["description"]
    }

    present = warehouse.sql(
        "select concat_ws('.', table_schema, table_name, column_name) from information_schema.columns "
        "where table_schema in ('staging', 'intermediate', 'marts')"
    )

    assert described == {name for (name,) in present}


def test_an_incremental_build_gives_what_a_full_one_gives(warehouse: Warehouse) -> None:
    """New rows, a late row of an old day and a like taken back, built step by step and all at once."""
    [(like, post, ben)] = warehouse.sql("select like_id, post_id, user_id from staging.stg_post_likes")
    warehouse.delete("post_likes", row_id=like)
    for days in (0, 3):
        at = datetime(2026, 11, 16, 22, tzinfo=UTC) + timedelta(days=days)
        warehouse.put("comments", id=uuid5(post, str(days)), post_id=post, author_id=ben, content="!", created_at=at)

    warehouse.build("--resource-type", "model")
    step_by_step = _contents(warehouse)
    warehouse.build("--full-refresh", "--resource-type", "model")

    assert _contents(warehouse) == step_by_step
    assert warehouse.sql("select likes, comments from marts.daily_activity where activity_date = %s", MONDAY) == [
        (0, 1)
    ]


def test_a_post_of_nobody_fails_the_build(warehouse: Warehouse) -> None:
    [(garden,)] = warehouse.sql("select connector_id from marts.dim_connectors")
    long_ago = datetime(2026, 11, 1, tzinfo=UTC)
    stranger = uuid5(garden, "nobody")
    warehouse.put(
        "posts",
        id=stranger,
        connector_id=garden,
        author_id=stranger,
        content="?",
        created_at=long_ago,
        _committed_at=long_ago,
    )

    with pytest.raises(dbt.DbtError, match="settled_reference_stg_posts_author_id"):
        warehouse.build("--select", "stg_posts")


def test_the_marts_meet_their_expectations_and_a_row_that_cannot_be_is_named(warehouse: Warehouse) -> None:
    warehouse.build("--resource-type", "model")
    assert {mart: checks_marts.unmet(warehouse.settings, mart=mart) for mart in MARTS} == dict.fromkeys(MARTS, {})

    warehouse.sql("update marts.daily_activity set click_through = 1.5 where activity_date = %s", MONDAY)
    assert list(checks_marts.unmet(warehouse.settings, mart="daily_activity")) == [
        "expect_column_values_to_be_between(click_through)"
    ]


def test_every_mart_with_expectations_is_checked() -> None:
    assert set(MARTS) == checks_marts.EXPECTATIONS.keys()


def _contents(warehouse: Warehouse) -> dict[str, list[str]]:
    wanted = {
        "fct_activity": "not is_retracted",
        "fct_sessions": "true",
        "daily_activity": "true",
        "fct_recommendations": "true",
    }
    return {
        table: sorted(row for (row,) in warehouse.sql(f"select t::text from marts.{table} t where {condition}"))
        for table, condition in wanted.items()
    }
