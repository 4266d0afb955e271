"""Migrations are frozen, and carry a database with rows in it."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from alembic import command
from asgi_lifespan import LifespanManager
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy.exc import DBAPIError

import transactional_api.core.db.migrations
from neighborconnect.settings import Settings
from tests.transactional_api.people import Person
from transactional_api.app import create_app
from transactional_api.core.db.migrate import migrate, migration_config
from transactional_api.core.security.tokens import Bearer, issue_access_token

MIGRATIONS = Path(transactional_api.core.db.migrations.__file__).parent
FROZEN = "transactional_api.core.db.migrations."
OUR_PACKAGES = {
    "neighborconnect",
    "local_stack",
    "transactional_api",
    "pipelines",
    "feature_repo",
    "models",
    "bentos",
    "simulator",
}


def imported_modules(path: Path) -> set[str]:
    """Names of the modules that a file imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.fixture
def empty_database(settings: Settings, postgres_admin_url: str) -> Iterator[str]:
    """The URL of a database without tables, owned by the role of the API."""
    name, owner = f"migrations_{uuid4().hex[:12]}", settings.database_url.split("/")[2].split(":")[0]
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        create = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        admin.execute(create)
    url = settings.database_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres_admin_url.rpartition("/")[0] + f"/{name}", autocommit=True) as admin:
        for extension in ("pg_trgm", "vector"):
            admin.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    yield url
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    "path", sorted(path for path in MIGRATIONS.rglob("*.py") if path.name != "env.py"), ids=lambda path: path.stem
)
def test_a_migration_imports_no_live_code(path: Path) -> None:
    ours = {name for name in imported_modules(path) if name.partition(".")[0] in OUR_PACKAGES}
    assert {name for name in ours if not name.startswith(FROZEN)} == set()


def test_an_index_of_a_table_with_rows_is_built_concurrently() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (MIGRATIONS / "versions").glob("0*.py")}
    blocking = re.compile(r"op\.create_index\(|CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)")
    assert [
        name
        for name, words in sorted(texts.items())
        if name >= "0035" and blocking.search(words) and "create_table(" not in words
    ] == []


def test_rows_of_the_first_schema_survive_every_migration(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0002")
    with psycopg.connect(empty_database, autocommit=True) as old:
        (user,) = old.execute(
            "INSERT INTO users (email, username, password_hash, first_name, last_name, city) "
            "VALUES ('ada@example.org', 'ada', 'x', 'Ada', 'Bell', 'Delft') RETURNING id"
        ).fetchone() or (None,)
        (connector,) = old.execute(
            "INSERT INTO connectors (name, category, created_by) VALUES ('Gardeners', 'gardening', %s) RETURNING id",
            [user],
        ).fetchone() or (None,)
        old.execute(
            "INSERT INTO posts (connector_id, author_id, content) VALUES (%s, %s, 'Who has a ladder?')",
            [connector, user],
        )
        old.execute("UPDATE users SET reputation = 3 WHERE id = %s", [user])

    migrate(empty_database)

    with psycopg.connect(empty_database, autocommit=True) as new:
        row = new.execute("SELECT email_hash, username, city, reputation, role, personalised FROM users").fetchall()
        assert row == [("ada@example.org", "ada", "Delft", 3, "member", True)]
        assert new.execute("SELECT content FROM posts").fetchall() == [("Who has a ladder?",)]
        new.execute("UPDATE connectors SET join_policy = 'approval'")
        events = new.execute("SELECT topic, op, after FROM cdc_outbox ORDER BY id").fetchall()
    assert [(topic.rpartition(".")[2], op) for topic, op, _ in events] == [
        ("users", "c"),
        ("connectors", "c"),
        ("posts", "c"),
        ("users", "u"),
        ("connectors", "u"),
    ]
    assert "role" not in events[0][2]
    assert events[-1][2]["join_policy"] == "approval"


RENAMED = {"notification_hours": "delivery_schedules", "media_marks": "media_engagements"}
# Migration 0031 replaces who viewed an item by a count.
REPLACED = {"marketplace_item_views"}
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
ADA, ADAS_SESSION = UUID("a0000000-0000-0000-0000-000000000001"), UUID("d0000000-0000-0000-0000-00000000000a")


def row_counts(url: str) -> dict[str, int]:
    """Number of rows by table, without the empty tables and those of the job queue."""
    with psycopg.connect(url) as connection:
        tables = [name for (name,) in connection.execute(TABLES).fetchall() if not name.startswith("procrastinate_")]
        counts = {
            name: connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
            for name in tables
        }
    return {name: count[0] for name, count in counts.items() if count and count[0]}


@asynccontextmanager
async def api_of(settings: Settings) -> AsyncIterator[Person]:
    """An API over migrated rows, and a client of one of its users."""
    async with LifespanManager(create_app(settings)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            token = issue_access_token(Bearer(ADA, ADAS_SESSION), settings=settings)
            yield Person(ADA, http, token, ADAS_SESSION)


async def test_rows_of_every_table_survive_and_the_api_reads_them(empty_database: str, settings: Settings) -> None:
    with migration_config(empty_database) as config:
        await asyncio.to_thread(command.upgrade, config, "0030")
    with psycopg.connect(empty_database, autocommit=True) as old:
        old.execute((Path(__file__).parent / "rows_0030.sql").read_bytes())
    before = row_counts(empty_database)
    assert len(before) > 50, "the data has rows for every table that the API fills"

    await asyncio.to_thread(migrate, empty_database)

    after = row_counts(empty_database)
    expected = {RENAMED.get(name, name): count for name, count in before.items() if name not in REPLACED}
    assert {name: after.get(name) for name in expected} == expected
    async with api_of(settings.model_copy(update={"database_url": empty_database})) as ada:
        counters: dict[str, dict[str, object]] = {
            "/posts/d0000000-0000-0000-0000-000000000001": {"like_count": 1, "comment_count": 1},
            "/connectors/c0000000-0000-0000-0000-000000000001": {"member_count": 2, "post_count": 1},
            "/events/d0000000-0000-0000-0000-000000000003": {"attendee_count": 2},
            "/marketplace/items/d0000000-0000-0000-0000-000000000004": {"view_count": 1, "price": "25.00"},
            "/users/profile": {"username": "ada", "reputation": 7},
        }
        for path, expected_fields in counters.items():
            body = (await ada.get(path)).json()
            assert {name: body.get(name) for name in expected_fields} == expected_fields, body
        lists = (
            "/posts/connector/c0000000-0000-0000-0000-000000000001",
            "/posts/d0000000-0000-0000-0000-000000000001/comments",
            "/chat/conversations",
            "/chat/conversations/d0000000-0000-0000-0000-000000000007/messages",
        )
        for path in lists:
            answer = await ada.get(path)
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["items"]) == 1, path


def test_tags_of_older_posts_are_read_again(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0032")
    words = {
        "#\u0939\u093f\u0928\u094d\u0926\u0940 today": "\u0939\u093f\u0928\u094d\u0926\u0940",
        "#plain caf\u00e9": "plain",
        "caf\u00e9": None,
    }
    with psycopg.connect(empty_database, autocommit=True) as old:
        (user,) = old.execute(
            "INSERT INTO users (email, username, password_hash, first_name, last_name) "
            "VALUES ('ada@example.org', 'ada', 'x', 'Ada', 'Bell') RETURNING id"
        ).fetchone() or (None,)
        (connector,) = old.execute(
            "INSERT INTO connectors (name, category, created_by) VALUES ('Gardeners', 'gardening', %s) RETURNING id",
            [user],
        ).fetchone() or (None,)
        for content in words:
            old.execute(
                "INSERT INTO posts (connector_id, author_id, content) VALUES (%s, %s, %s)", [connector, user, content]
            )
        old.execute("INSERT INTO post_tags SELECT id, 'stale' FROM posts WHERE content LIKE '#%'")

    migrate(empty_database)

    with psycopg.connect(empty_database, autocommit=True) as new:
        rows = new.execute("SELECT content, tag FROM posts LEFT JOIN post_tags ON post_id = posts.id").fetchall()
    assert dict(rows) == words


BEGUN_AGAIN = (("0034", "0035"), ("0035", "0036"), ("0037", "0038"), ("0038", "0039"), ("0039", "0040"))


def test_a_migration_that_commits_step_by_step_can_run_again(empty_database: str) -> None:
    for before, after in BEGUN_AGAIN:
        with migration_config(empty_database) as config:
            command.upgrade(config, before)
            command.upgrade(config, after)
        with psycopg.connect(empty_database, autocommit=True) as interrupted:
            interrupted.execute("UPDATE alembic_version SET version_num = %s", [before])
    migrate(empty_database)


def test_an_index_that_was_left_invalid_is_built(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0034")
    with psycopg.connect(empty_database, autocommit=True) as old:
        user, connector = people_and_place(old)
        for _ in range(2):
            add_post(old, user, connector, "The same")
        with pytest.raises(psycopg.errors.UniqueViolation):
            old.execute("CREATE UNIQUE INDEX CONCURRENTLY ix_events_end_date ON posts (content)")
    with migration_config(empty_database) as config:
        command.upgrade(config, "0035")
    with psycopg.connect(empty_database) as new:
        row = new.execute(
            "SELECT indrelid::regclass::text, indisvalid FROM pg_index "
            "WHERE indexrelid = 'ix_events_end_date'::regclass"
        ).fetchone()
    assert row == ("events", True)


def test_search_documents_are_rebuilt_after_a_failed_refill(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0037")
    with psycopg.connect(empty_database, autocommit=True) as old:
        user, connector = people_and_place(old)
        add_post(old, user, connector, "\u4eca\u5929\u516c\u56ed")
        old.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'interrupted'; END $$"
        )
        old.execute("CREATE TRIGGER fail BEFORE UPDATE ON search_documents FOR EACH ROW EXECUTE FUNCTION fail()")
        with pytest.raises(DBAPIError, match="interrupted"):
            migrate(empty_database)
        assert old.execute("SELECT version_num FROM alembic_version").fetchone() == ("0037",)
        old.execute("DROP FUNCTION fail CASCADE")
    migrate(empty_database)
    with psycopg.connect(empty_database) as new:
        assert words_of_posts(new) == [sorted(("\u4eca\u5929", "\u5929\u516c", "\u516c\u56ed", "\u56ed"))]


def test_a_refill_waits_for_an_edit_and_takes_its_words(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0037")
    with psycopg.connect(empty_database, autocommit=True) as old:
        user, connector = people_and_place(old)
        add_post(old, user, connector, "\u4eca\u5929")
    with psycopg.connect(empty_database) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute("UPDATE posts SET content = '\u660e\u65e5'")
        migrating = pool.submit(migrate, empty_database)
        with psycopg.connect(empty_database, autocommit=True) as watcher:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%refilled%'"
            while not watcher.execute(waiting + " AND pid <> pg_backend_pid()").fetchone():
                assert not migrating.done()
        writer.commit()
        migrating.result()
        assert words_of_posts(writer) == [sorted(("\u660e\u65e5", "\u65e5"))]


def test_renamed_tables_keep_rows_and_take_their_parts_along(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0040")
    with psycopg.connect(empty_database, autocommit=True) as old:
        user, _ = people_and_place(old)
        old.execute("INSERT INTO notification_hours (user_id, timezone, digest_hour) VALUES (%s, 'UTC', 7)", [user])
        old.execute("CREATE TABLE meanings (kind text, subject_id uuid, embedding vector(2), PRIMARY KEY (kind))")
        old.execute("CREATE INDEX ix_meanings_post ON meanings (subject_id)")
        old.execute("INSERT INTO meanings VALUES ('post', %s, '[1, 2]')", [user])
    with migration_config(empty_database) as config:
        command.upgrade(config, "0041")
    with psycopg.connect(empty_database) as new:
        assert new.execute("SELECT time_zone, digest_hour FROM delivery_schedules").fetchall() == [("UTC", 7)]
        assert new.execute("SELECT kind FROM embeddings").fetchall() == [("post",)]
        parts = new.execute("SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class").fetchall()
    names = {str(name) for (name,) in parts}
    assert {"pk_delivery_schedules", "embeddings_pkey", "ix_embeddings_post", "uq_users_email_hash"} <= names
    assert [name for name in names if re.search("notification_hours|meanings|media_marks", name)] == []


def test_document_fields_are_renamed_and_durations_converted(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0041")
    documents = {
        "media": {"ownerId": "a", "type": "video/mp4", "seconds": 1.5, "heldUntil": None},
        "stories": {"connectorId": "c", "duration": 24, "views": 3},
        "reels": {"authorId": "a", "duration": "1:05", "views": 2, "likes": 1},
    }
    with psycopg.connect(empty_database, autocommit=True) as old:
        for collection, document in documents.items():
            old.execute(
                "INSERT INTO media_documents (id, collection, document, created_at) "
                "VALUES (gen_random_uuid(), %s, %s, now())",
                [collection, Jsonb(document)],
            )
    with migration_config(empty_database) as config:
        command.upgrade(config, "0042")
    with psycopg.connect(empty_database) as new:
        assert dict(new.execute("SELECT collection, document FROM media_documents").fetchall()) == {
            "media": {"owner_id": "a", "content_type": "video/mp4", "duration_seconds": 1.5, "hold_until": None},
            "stories": {"connector_id": "c", "duration_seconds": 86_400, "view_count": 3},
            "reels": {"author_id": "a", "duration_seconds": 65, "view_count": 2, "like_count": 1},
        }


def test_receipts_consents_and_queued_jobs_take_the_new_names(empty_database: str) -> None:
    with migration_config(empty_database) as config:
        command.upgrade(config, "0042")
    line = {"place": "database:posts.author_id", "fate": "blanked", "number": 2, "at": "2026-03-01T09:31:02Z"}
    with psycopg.connect(empty_database, autocommit=True) as old:
        user, _ = people_and_place(old, email="email_hash")
        old.execute("INSERT INTO consents (user_id, purpose, granted) VALUES (%s, 'personalisation', true)", [user])
        old.execute(
            "INSERT INTO erasures (user_id, keeps_words, code_hash, receipt) VALUES (%s, false, 'x', %s)",
            [user, Jsonb([line, line | {"fate": "deleted", "number": None}])],
        )
        old.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', 'mail.send', '{}')"
        )
        secret = {"kind": "second_factor_off", "was": {"secret_sealed": "x", "last_step": 1}}
        old.execute(
            "INSERT INTO one_time_tokens (user_id, purpose, token_hash, expires_at, change) "
            "VALUES (%s, 'undo', 'x', now() + interval '1 day', %s)",
            [user, Jsonb(secret)],
        )
        old.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
            "VALUES ('default', 'users.tell_of_change', %s)",
            [Jsonb({"moment": "now", "was": secret["was"]})],
        )
    migrate(empty_database)
    with psycopg.connect(empty_database) as new:
        renamed = {"secret_encrypted": "x", "last_step": 1}
        (change,) = new.execute("SELECT change->'was' FROM one_time_tokens").fetchone() or (None,)
        (args,) = new.execute(
            "SELECT args FROM procrastinate_jobs WHERE task_name = 'users.send_change'"
        ).fetchone() or (None,)
        assert (change, args) == (renamed, {"changed_at": "now", "was": renamed})
        (receipt,) = new.execute("SELECT receipt FROM erasures").fetchone() or ([],)
        jobs = new.execute("SELECT task_name FROM procrastinate_jobs WHERE args = '{}' AND queue_name = 'default'")
        assert ("emails.send",) in jobs.fetchall()
        assert new.execute("SELECT purpose FROM consents").fetchall() == [("personalization",)]
    assert [(line["action"], line["row_count"]) for line in receipt] == [("redacted", 2), ("deleted", None)]
    assert {tuple(sorted(line)) for line in receipt} == {("action", "completed_at", "location", "row_count")}


def test_two_migrators_run_one_after_the_other(empty_database: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for migrating in [pool.submit(migrate, empty_database) for _ in range(2)]:
            migrating.result()
    with psycopg.connect(empty_database) as new:
        queued = new.execute(
            "SELECT scheduled_at > now() + interval '23 hours' FROM procrastinate_jobs "
            "WHERE task_name = 'media.replace_links' ORDER BY id"
        ).fetchall()
    assert queued == [(None,), (True,)]


def people_and_place(connection: psycopg.Connection[Any], *, email: str = "email") -> tuple[Any, Any]:
    """Insert a person and a connector, and return their ids."""
    (user,) = connection.execute(
        sql.SQL(
            "INSERT INTO users ({}, username, password_hash, first_name, last_name) "
            "VALUES ('ada@example.org', 'ada', 'x', 'Ada', 'Bell') RETURNING id"
        ).format(sql.Identifier(email))
    ).fetchone() or (None,)
    (connector,) = connection.execute(
        "INSERT INTO connectors (name, category, created_by) VALUES ('Gardeners', 'gardening', %s) RETURNING id", [user]
    ).fetchone() or (None,)
    return user, connector


def add_post(connection: psycopg.Connection[Any], user: Any, connector: Any, content: str) -> None:
    connection.execute(
        "INSERT INTO posts (connector_id, author_id, content) VALUES (%s, %s, %s)", [connector, user, content]
    )


def words_of_posts(connection: psycopg.Connection[Any]) -> list[list[str]]:
    """The lexemes of each post's search document, in order."""
    rows = connection.execute("SELECT tsvector_to_array(words) FROM search_documents WHERE kind = 'post'")
    return [sorted(words) for (words,) in rows]
