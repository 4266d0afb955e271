"""The commands as people call them, the town's front door among them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest

from neighborconnect.file_types import content_type_of
from neighborconnect.settings import Settings
from simulator.bulk import TownError
from simulator.cli import DEMO_PASSWORD, _password
from tests.conftest import settings_of

Run = subprocess.CompletedProcess[str]


def neighborconnect(*arguments: str, environment: dict[str, str]) -> Run:
    program = Path(sys.executable).with_name("neighborconnect")
    return subprocess.run(
        [program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_simulate_loads_a_town_and_writes_the_ground_truth(environment: dict[str, str], tmp_path: Path) -> None:
    size = ("--users", "20", "--days", "2", "--end", "2026-05-04")
    logins = tmp_path / "demo-logins.json"
    done = neighborconnect("simulate", *size, "--demo-logins", str(logins), environment=environment)
    assert done.returncode == 0, done.stderr
    assert logins.stat().st_mode & 0o077 == 0
    offered = json.loads(logins.read_text(encoding="utf-8"))["logins"]
    assert all(one["email"] in done.stdout for one in (offered[0], offered[-1]))
    assert ".0@town.example with password good-neighbours" in done.stdout
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        users = {str(ident) for (ident,) in connection.execute("SELECT id FROM users")}
        newest = connection.execute("SELECT max(payload->>'occurred_at') FROM cdc_outbox").fetchone()
    truth = pl.read_parquet(tmp_path / "ground_truth" / "seed-1-from-0" / "people.parquet")
    assert set(truth["user_id"]) == users
    assert newest is not None
    assert "2026-05-03" < newest[0] < "2026-05-04"

    again = neighborconnect("simulate", "--users", "20", environment=environment)
    assert again.returncode == 1
    assert again.stderr.startswith("error: The database has 20 users already")
    assert "Traceback" not in again.stderr


def test_bulk_load_elsewhere_requires_yes(environment: dict[str, str]) -> None:
    names = {name.upper() for name in Settings.model_fields}
    here = settings_of({name: value for name, value in {**os.environ, **environment}.items() if name in names})
    there = here.model_copy(update={"database_url": "postgresql://u:p@db.example.org/neighborconnect"})
    assert _password(here, yes=False) == DEMO_PASSWORD
    with pytest.raises(TownError, match="on another machine"):
        _password(there, yes=False)
    assert _password(there, yes=True) != DEMO_PASSWORD


def test_small_town_is_simulated_through_the_api(environment: dict[str, str], api: str) -> None:
    done = neighborconnect("simulate", "--users", "5", "--days", "1", "--interactions", "200", environment=environment)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        counts = dict(connection.execute("SELECT topic, count(*) FROM cdc_outbox GROUP BY topic").fetchall())
        people = connection.execute("SELECT count(*) FROM users WHERE last_login IS NOT NULL").fetchone()
        homes = connection.execute("SELECT count(home_cell), count(home_encrypted) FROM users").fetchone()
        answered = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE status = 'attending') FROM event_attendees"
        ).fetchone()
        unequal = connection.execute(
            "SELECT count(*) FROM posts p WHERE likes_count <> (SELECT count(*) FROM post_likes WHERE post_id = p.id)"
        ).fetchone()
    assert people == (5,)
    assert unequal == (0,)
    assert homes is not None
    assert 0 < homes[0] == homes[1] <= 5
    assert answered is not None
    assert answered[0] >= answered[1] > 0
    assert counts["neighborconnect.public.posts"] >= 20
    assert counts["behaviour.interactions"] > counts["prediction.recommendations"] > 5


def test_unreachable_api_is_reported_in_one_sentence(environment: dict[str, str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # Bound without listening, so that no other process listens either.
        unreachable = {**environment, "API_URL": f"http://127.0.0.1:{unused.getsockname()[1]}"}
        done = neighborconnect("simulate", "--users", "5", "--days", "1", environment=unreachable)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_list_of_a_demo_person_is_empty(environment: dict[str, str], api: str) -> None:
    done = neighborconnect("simulate", "--users", "40", "--days", "5", environment=environment)
    assert done.returncode == 0, done.stderr
    with httpx.Client(base_url=f"{api}/api/v1", timeout=30) as client:

        def log_in(address: str) -> None:
            answer = client.post("/users/login", json={"email": address, "password": DEMO_PASSWORD})
            client.headers["authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"

        def items(path: str, *, post: bool = False) -> list[dict[str, Any]]:
            answer = client.post(path, json={}) if post else client.get(path)
            entries: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
            assert entries, path
            return entries

        person, moderator = re.findall(r"[\w.]+@town\.example", done.stdout)
        log_in(person)
        user_id = client.get("/users/profile").raise_for_status().json()["id"]
        for path in (
            "/notifications",
            "/chat/conversations",
            "/marketplace/purchases",
            "/marketplace/sales",
            "/events",
            "/users/blocks",
            "/users/mutes",
            f"/users/{user_id}/followers",
            f"/users/{user_id}/following",
            "/moderation/log",
        ):
            items(path)
        for feed in ("content", "connectors", "events", "marketplace"):
            items(f"/recommendations/{feed}", post=True)
        assert client.get("/notifications/unread").raise_for_status().json()["unread_count"] > 0
        assert {one["kind"] for one in items("/chat/conversations")} == {"direct", "group"}
        items(f"/chat/conversations/{items('/chat/conversations')[0]['id']}/messages")
        attended = items(f"/events/{items('/events')[0]['id']}/attendees")
        assert attended[0]["status"] == "attending"
        pictured = next(item for item in items("/marketplace/items?limit=50") if item["media"])
        assert pictured["media"][0]["state"] == "ready"
        picture = httpx.get(pictured["media"][0]["url"], timeout=60).raise_for_status().content
        assert content_type_of(picture) == "image/jpeg"
        own = [one["id"] for one in items("/connectors?limit=50")]
        for path in ("/stories/connector", "/reviews/connector", "/posts/connector"):
            assert any(client.get(f"{path}/{connector}").raise_for_status().json()["items"] for connector in own), path

        log_in(moderator)
        cases = items("/moderation/cases")
        assert {"spam", "harassment"} & {reason for case in cases for reason in case["reasons"]}
        items("/moderation/appeals")
