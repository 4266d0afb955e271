"""In a large town no hot path reads a whole table: PostgreSQL's own plans of the statements that the API sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from asgi_lifespan import LifespanManager
from sqlalchemy import event, text

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from transactional_api.app import create_app
from transactional_api.community.search import vocabulary
from transactional_api.core.db.migrate import migrate

DATABASE = "plans"
# Tables of fewer rows are rightly read whole.
LARGE = 5_000
# Person, connector and post n are md5('user n'), md5('connector n') and md5('post n').
ROWS = """
INSERT INTO users (id, email_hash, username, password_hash, first_name, last_name, neighborhood)
SELECT md5('user ' || n)::uuid, n || '@example.org', 'person' || n, repeat('!', 250),
       'Ada' || n % 97, 'Okafor' || n % 89,
       'quarter ' || n % 50
FROM generate_series(1, 25000) n;
INSERT INTO connectors (id, name, description, category, is_public, created_by, latitude, longitude)
SELECT md5('connector ' || n)::uuid, 'Group ' || n, 'Of street ' || n, 'kind ' || n % 40, n % 10 > 0,
       md5('user ' || n)::uuid, 40 + n % 100 / 100.0, -73 + n / 100 / 100.0
FROM generate_series(1, 6000) n;
INSERT INTO connector_members (connector_id, user_id)
SELECT md5('connector ' || 1 + (n * 7 + m * 131) % 6000)::uuid, md5('user ' || n)::uuid
FROM generate_series(1, 10000) n, generate_series(1, 5) m ON CONFLICT DO NOTHING;
INSERT INTO posts (id, connector_id, author_id, content, created_at)
SELECT md5('post ' || n)::uuid, md5('connector ' || 1 + n * 31 % 6000)::uuid, md5('user ' || 1 + n * 17 % 10000)::uuid,
       repeat(md5((n % 1000)::text) || ' ', 20), now() - n * interval '1 minute'
FROM generate_series(1, 12000) n;
INSERT INTO comments (post_id, author_id, content)
SELECT md5('post ' || 1 + n * 13 % 12000)::uuid, md5('user ' || 1 + n * 19 % 10000)::uuid, 'Yes'
FROM generate_series(1, 12000) n;
INSERT INTO post_likes (post_id, user_id)
SELECT md5('post ' || 1 + n * 13 % 12000)::uuid, md5('user ' || 1 + n * 23 % 10000)::uuid
FROM generate_series(1, 12000) n ON CONFLICT DO NOTHING;
INSERT INTO events (connector_id, created_by, title, description, location, start_date)
SELECT md5('connector ' || 1 + n * 31 % 6000)::uuid, md5('user ' || n)::uuid, 'Night ' || n,
       repeat(md5(n::text) || ' ', 20), 'Hall', now() + n * interval '1 hour'
FROM generate_series(1, 8000) n;
INSERT INTO marketplace_items (connector_id, seller_id, title, description, price, currency, category, condition)
SELECT md5('connector ' || 1 + n * 31 % 6000)::uuid, md5('user ' || n)::uuid, 'Spade ' || n,
       repeat(md5(n::text) || ' ', 20), n, 'USD', 'kind ' || n % 40, 'good'
FROM generate_series(1, 8000) n;
INSERT INTO notifications (user_id, notice_id, kind, subject_kind, subject_id, title, body)
SELECT md5('user ' || 1 + n % 5000)::uuid, gen_random_uuid(), 'post_comment', 'post', md5('post ' || n)::uuid, 'A', 'B'
FROM generate_series(1, 20000) n;
INSERT INTO follows (follower_id, followee_id)
SELECT md5('user ' || n)::uuid, md5('user ' || 1 + (n * 3 + m) % 10000)::uuid
FROM generate_series(1, 10000) n, generate_series(1, 3) m
WHERE n <> 1 + (n * 3 + m) % 10000 ON CONFLICT DO NOTHING;
"""
HOT = [
    "/posts/{post}",
    "/posts/{post}/comments",
    "/posts/connector/{connector}",
    "/posts/feed/following",
    "/posts/feed/connectors",
    "/posts/feed/nearby?latitude=40.5&longitude=-72.9&radius=2000",
    "/posts/tag/bees",
    "/connectors/{connector}",
    "/connectors/{connector}/members",
    "/connectors?joined=true",
    "/connectors?category=kind%207",
    "/connectors/search?q=street%20431",
    "/connectors/discover",
    "/connectors/discover?latitude=40.5&longitude=-72.9&radius=2000",
    "/events/connector/{connector}",
    "/events?latitude=40.5&longitude=-72.9&radius=2000",
    "/marketplace/items?connector_id={connector}",
    "/notifications",
    "/notifications/grouped",
    "/notifications/unread",
    "/notifications/unread-totals",
    "/users/profile",
    "/users/search?q=person431",
    "/users/{user}/followers",
    "/search?q={word}",
    "/search?q=persn431",
    "/search?q=lost%20cat%20near%20the%20street",
    "/search?q=night%20431%20or%20spade%20431&kind=event&kind=item",
    "/search?q={word}&connector_id={connector}",
]


@pytest.fixture(scope="module")
def large(settings: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """A database with a large town in it."""
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER neighborconnect")
    superuser = postgres_admin_url.rsplit("/", 1)[0] + f"/{DATABASE}"
    with psycopg.connect(superuser, autocommit=True) as admin:
        url = settings.database_url.rsplit("/", 1)[0] + f"/{DATABASE}"
        migrate(url)
        # Capture is not what is looked at.
        admin.execute("SET session_replication_role = replica")
        admin.execute(ROWS)
        admin.execute("ANALYZE")
    yield settings.model_copy(update={"database_url": url})
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
async def large_town(large: Settings) -> AsyncIterator[Town]:
    app = create_app(large.model_copy(update={"recommendation_url": "http://127.0.0.1:9"}))
    async with LifespanManager(app) as running:
        async with app.state.context.transaction() as session:
            # The rows came without triggers.
            await vocabulary.rebuild(session)
            await session.execute(text("ANALYZE search_documents, search_words"))
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            yield Town(app, http)


def read_whole(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the tables that a plan reads from one end to the other."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from read_whole(part)


async def test_no_hot_path_reads_a_large_table_whole(large_town: Town, large: Settings) -> None:
    viewer: Person = await large_town.create_user()
    with psycopg.connect(large.database_url) as connection:
        ids = "SELECT md5('post 31')::uuid, md5('connector 962')::uuid, md5('user 4')::uuid, md5('431')"
        [(post, connector, user, word)] = connection.execute(ids).fetchall()
        counted = connection.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'").fetchall()
    large_tables = {name for name, rows in counted if rows > LARGE}
    sent: list[tuple[str, Any]] = []
    engine = large_town.app.state.engine.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    large_town.app.state.psycopg_pool.on_statement = lambda sql, parameters: sent.append((sql, parameters))
    found: dict[str, set[str]] = {}
    for path in HOT:
        sent.clear()
        answer = await viewer.request("GET", path.format(post=post, connector=connector, user=user, word=word))
        assert answer.status_code == 200, (path, answer.text)
        selects = [one for one in sent if one[0].lstrip().startswith(("SELECT", "WITH"))]
        # The look-up of the viewer, which every request makes, and the read itself.
        assert len(selects) > 1, path
        with psycopg.connect(large.database_url) as connection:
            for statement, parameters in selects:
                plans = connection.execute("EXPLAIN (FORMAT JSON) " + statement, parameters).fetchone()
                assert plans is not None
                plan = plans[0] if isinstance(plans[0], list) else json.loads(plans[0])
                if whole := large_tables & set(read_whole(plan[0]["Plan"])):
                    found.setdefault(path, set()).update(whole)
    assert found == {}
