"""Analytics hold nothing of people who refuse them or were erased, whether they said so before or after a build."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

import pytest

from neighborconnect.settings import Settings
from tests.dbt_project.conftest import own_warehouse, populate, row_id

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
    """Let one person write, be followed, click, and be answered."""
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
    tables = warehouse.sql("select table_name from information_schema.tables where table_schema = 'marts'")
    return {
        name
        for (name,) in tables
        if warehouse.sql(f"select 1 from marts.{name} t where t::text like %s limit 1", f"%{person}%")
    }


def test_marts_leave_out_people_who_refuse_or_were_erased(own: Warehouse) -> None:
    own.build("--resource-type", "model")
    # What a person who refuses analytics wrote is still recommended to others, and never to themselves.
    assert marts_with(own, row_id("refuses")) == {"recommendable_items"}
    assert marts_with(own, row_id("erased")) == set()
    everything = {"dim_users", "fct_activity", "fct_posts", "fct_recommendations", "fct_sessions"}
    assert marts_with(own, row_id("withdraws")) == everything | {"recommendable_items"}

    own.sql("update raw.users set analysed = false where id = %s", row_id("withdraws"))
    own.sql("update raw.users set erased_at = now() where id = %s", row_id("ben"))
    own.build()
    assert marts_with(own, row_id("withdraws")) == {"recommendable_items"}
    assert marts_with(own, row_id("ben")) == set()
    own.build("--full-refresh", "--resource-type", "model")
    assert marts_with(own, row_id("ben")) == set()
    assert "fct_activity" in marts_with(own, row_id("ana"))
