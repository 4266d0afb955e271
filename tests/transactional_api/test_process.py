"""The API as a process, and its health."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import psycopg
from asgi_lifespan import LifespanManager

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from transactional_api.app import create_app

READY_SECONDS, STOP_SECONDS = 120, 10


async def test_health_says_alive_and_ready(town: Town) -> None:
    answers = {path: await town.http.get(path) for path in ("/healthz", "/readyz")}
    assert {path: answer.status_code for path, answer in answers.items()} == {"/healthz": 200, "/readyz": 200}
    assert answers["/readyz"].json() == {"status": "ok", "degraded": []}


async def test_the_landing_page_leads_to_the_documentation(town: Town) -> None:
    landing = (await town.http.get("/")).json()
    assert (await town.http.get(landing["documentation"])).status_code == 200
    assert (await town.http.get(landing["openapi"])).json()["info"]["title"] == landing["name"]


async def test_without_its_stores_the_api_is_alive_but_not_ready(settings: Settings) -> None:
    nowhere = {"database_url": "postgresql://nobody:x@127.0.0.1:9/nothing", "redis_url": "redis://127.0.0.1:9/0"}
    app = create_app(settings.model_copy(update=nowhere))
    async with (
        LifespanManager(app) as running,
        httpx.AsyncClient(transport=httpx.ASGITransport(running.app), base_url="http://api.test") as http,
    ):
        alive, ready = await http.get("/healthz"), await http.get("/readyz")
        refresh = await http.post("/api/v1/users/refresh", json={"refresh_token": "x" * 40})
    assert (alive.status_code, ready.status_code) == (200, 503)
    assert (refresh.status_code, refresh.json()["code"]) == (503, "service_unavailable")


async def test_connections_that_the_server_closed_are_replaced(town: Town, ada: Person) -> None:
    await ada.get("/users/profile")
    with psycopg.connect(town.app.state.settings.database_url, autocommit=True) as other:
        ended = other.execute(
            "SELECT pid, pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'neighborconnect-api'"
        ).fetchall()
    assert ended
    assert (await ada.get("/users/profile")).status_code == 200


def test_the_process_serves_and_stops_when_asked(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "transactional_api"],
        # Others reach it by a name at which it cannot listen.
        env={**os.environ, "API_LISTEN": address, "API_URL": "http://api.internal:8000"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(trust_env=False) as http:
            until = time.monotonic() + READY_SECONDS
            while True:
                try:
                    ready = http.get(f"http://{address}/readyz")
                    break
                except httpx.TransportError:
                    assert time.monotonic() < until
                    time.sleep(0.2)
        assert ready.status_code == 200
        assert "server" not in ready.headers
        process.send_signal(signal.SIGTERM)
        lines, _ = process.communicate(timeout=STOP_SECONDS)
    finally:
        process.kill()
    assert process.returncode in {0, -signal.SIGTERM}
    assert all(line.startswith("{") for line in lines.splitlines())
