"""The marts exclude erased users and users without consent, before and after a build."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import pytest

from neighborconnect.settings import Settings
from pipelines.privacy.user_data import delete_from_marts
from tests.dbt_project.conftest import own_warehouse, populate, row_id
from tests.dbt_project.offers import put_offers

if TYPE_CHECKING:
    from tests.dbt_project.conftest import Warehouse

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
STAMPS = {"created_at": NOON, "updated_at": NOON, "is_active": True}


@pytest.fixture(scope="module")
def own(settings: Settings, postgres_admin_url: str) -> Iterator[Warehouse]:
    with own_warehouse(settings, postgres_admin_url, database="warehouse_for_consent") as warehouse:
        populate(warehouse)
        for name in ("refuses", "erased", "withdraws"):
            live(warehouse, name, analysed=name != "refuses", erased_at=NOON if name == "erased" else None)
        yield warehouse


def live(warehouse: Warehouse, name: str, *, analysed: bool, erased_at: datetime | None) -> None:
    """Let one person write, be followed, click, be answered, and be exposed to an experiment."""
    person, garden = row_id(name), row_id("garden")
    warehouse.put(
        "users", id=person, username=name, analysed=analysed, personalised=True, erased_at=erased_at, **STAMPS
    )
    post = uuid5(person, "post")
    warehouse.put("posts", id=post, connector_id=garden, author_id=person, title=name, content=name, **STAMPS)
    tie = {"follower_id": row_id("ana"), "followee_id": person, "created_at": NOON}
    warehouse.put("follows", id=uuid5(person, "followed"), **tie)
    request = uuid5(person, "request")
    warehouse.put(
        "predictions",
        request_id=request,
        user_id=person,
        item_kind="post",
        path="popular",
        item_ids=[str(row_id("post"))],
        scores=[0.5],
        features={},
        latency_ms=1.0,
        predicted_at=NOON,
    )
    put_offers(warehouse, seller=person, guest=row_id("ana"), garden=garden, at=NOON)
    warehouse.put(
        "exposures",
        exposure_id=uuid5(person, "exposure"),
        user_id=person,
        experiment="feed",
        variant="control",
        exposed_at=NOON,
    )
    warehouse.put(
        "interactions",
        interaction_id=uuid5(person, "click"),
        user_id=person,
        kind="click",
        item_kind="post",
        item_id=row_id("post"),
        request_id=request,
        position=0,
        occurred_at=NOON,
        received_at=NOON,
    )


def marts_with(warehouse: Warehouse, person: UUID) -> set[str]:
    tables = warehouse.sql(
        "select table_schema, table_name from information_schema.tables where table_schema in ('marts', 'snapshots')"
    )
    return {
        name
        for schema, name in tables
        if warehouse.sql(f"select 1 from {schema}.{name} t where t::text like %s limit 1", f"%{person}%")
    }


def test_marts_exclude_erased_users_and_missing_consent(own: Warehouse) -> None:
    own.build_models()
    # Posts of users without consent to analytics are still recommended to others.
    assert marts_with(own, row_id("refuses")) == {"recommendable_items"}
    assert marts_with(own, row_id("erased")) == set()
    everything = {
        "dim_users",
        "fct_activity",
        "fct_experiment_users",
        "fct_marketplace_items",
        "fct_posts",
        "fct_recommendations",
        "fct_sessions",
        "fct_user_activation",
        "marketplace_sellers",
        "user_profile_history",
    }
    assert marts_with(own, row_id("withdraws")) == everything | {"recommendable_items"}

    # An erasure does not wait for the next build.
    delete_from_marts(own.settings, [str(row_id("withdraws"))])
    assert marts_with(own, row_id("withdraws")) == set()

    own.sql("update raw.users set analysed = false where id = %s", row_id("withdraws"))
    own.sql("update raw.users set erased_at = now() where id = %s", row_id("ben"))
    own.build_models()
    assert marts_with(own, row_id("withdraws")) == {"recommendable_items"}
    assert marts_with(own, row_id("ben")) == set()
    own.build_models("--full-refresh")
    assert marts_with(own, row_id("ben")) == set()
    assert "fct_activity" in marts_with(own, row_id("ana"))
