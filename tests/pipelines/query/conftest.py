from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from feature_repo.offline import ensure_offline_tables
from neighborconnect.settings import Settings
from tests.pipelines.analytical_stores import AnalyticalStores
from tests.pipelines.ingest.conftest import empty_stores

ANA, BEN = "6d1b9f5e-0000-4000-8000-000000000001", "6d1b9f5e-0000-4000-8000-000000000002"


def in_database(url: str | None, database: str) -> str:
    assert url is not None
    return urlsplit(url)._replace(path=database).geturl()


@pytest.fixture(scope="module")
def town(settings: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """Two users with a home in the lake and in a mart, whose neighborhood `analyst` may not read."""
    with empty_stores(settings, postgres_admin_url) as fresh:
        yield populate(fresh)


def populate(fresh: Settings) -> Settings:
    stores = AnalyticalStores(fresh)
    for number, (user, name) in enumerate(((ANA, "ana"), (BEN, "ben"))):
        stores.put("users", id=user, username=name, city="Brooklyn", neighborhood=f"home-{number}", is_active=True)
    stores.click(ANA)
    with psycopg.connect(fresh.warehouse_url) as owner:
        owner.execute("CREATE SCHEMA marts")
        owner.execute("CREATE TABLE marts.dim_users (user_id uuid, city text, neighborhood text, score numeric)")
        owner.execute("INSERT INTO marts.dim_users VALUES (%s, 'Brooklyn', 'home-0', 1.5)", [ANA])
        owner.execute("GRANT USAGE ON SCHEMA marts TO analyst, privacy_officer")
        owner.execute("GRANT SELECT (user_id, city, score) ON marts.dim_users TO analyst")
        owner.execute("GRANT SELECT ON marts.dim_users TO privacy_officer")
    ensure_offline_tables(fresh.feast_database_url)
    database = urlsplit(fresh.warehouse_url).path
    urls = ("warehouse_analyst_url", "warehouse_privacy_officer_url")
    return fresh.model_copy(update={name: in_database(getattr(fresh, name), database) for name in urls})
