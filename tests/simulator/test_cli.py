"""The commands as people call them, the town's front door among them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import psycopg
import pytest

from neighborconnect.settings import Settings
from simulator.bulk import TownError
from simulator.cli import DEMO_PASSWORD, _password

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


@pytest.fixture
def environment(town_url: str, settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": town_url, "NEIGHBORCONNECT_HOME": str(tmp_path), "COLUMNS": "200"}


@pytest.fixture
def api(environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environment["API_LISTEN"] = f"127.0.0.1:{free.getsockname()[1]}"
    environment["API_URL"] = url = f"http://{environment['API_LISTEN']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "transactional_api"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/readyz", timeout=2).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_simulate_loads_prints_who_to_log_in_as_and_keeps_the_truth_beside(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = neighborconnect("simulate", "--users", "20", "--days", "2", "--end", "2026-05-04", environment=environment)
    assert done.returncode == 0, done.stderr
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
    assert again.stderr.startswith("error: There are 20 people in this town already")
    assert "Traceback" not in again.stderr


def test_bulk_into_another_machine_asks_for_yes(environment: dict[str, str]) -> None:
    here = Settings.model_validate({**_settings_of(environment), "database_url": environment["DATABASE_URL"]})
    there = here.model_copy(update={"database_url": "postgresql://u:p@db.example.org/neighborconnect"})
    assert _password(here, yes=False) == DEMO_PASSWORD
    with pytest.raises(TownError, match="on another machine"):
        _password(there, yes=False)
    assert _password(there, yes=True) != DEMO_PASSWORD


def _settings_of(environment: dict[str, str]) -> dict[str, str]:
    names = {name.upper() for name in Settings.model_fields}
    return {name.lower(): value for name, value in {**os.environ, **environment}.items() if name in names}


def test_a_small_town_lives_through_the_real_api(environment: dict[str, str], api: str) -> None:
    done = neighborconnect("simulate", "--users", "5", "--days", "1", "--interactions", "200", environment=environment)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        counts = dict(connection.execute("SELECT topic, count(*) FROM cdc_outbox GROUP BY topic").fetchall())
        people = connection.execute("SELECT count(*) FROM users WHERE last_login IS NOT NULL").fetchone()
        homes = connection.execute("SELECT count(home_cell), count(home_sealed) FROM users").fetchone()
        answered = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE status = 'waiting') FROM event_attendees"
        ).fetchone()
        unequal = connection.execute(
            "SELECT count(*) FROM posts p WHERE likes_count <> (SELECT count(*) FROM post_likes WHERE post_id = p.id)"
        ).fetchone()
    assert people == (5,)
    assert unequal == (0,)
    assert homes is not None
    assert 0 < homes[0] == homes[1] <= 5
    assert answered is not None
    assert answered[0] > answered[1] == 0
    assert counts["neighborconnect.public.posts"] >= 20
    assert counts["behaviour.interactions"] > counts["prediction.recommendations"] > 5


def test_without_an_api_the_reason_is_one_sentence(environment: dict[str, str]) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # It does not listen, and while it is bound nobody else does.
        nobody = {**environment, "API_URL": f"http://127.0.0.1:{deaf.getsockname()[1]}"}
        done = neighborconnect("simulate", "--users", "5", "--days", "1", environment=nobody)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
