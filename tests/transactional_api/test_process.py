"""The API as a process, and its health."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace

import httpx
import psutil
import psycopg
import pytest
from asgi_lifespan import LifespanManager
from websockets.asyncio.client import connect

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_chat import direct, say
from tests.transactional_api.test_chat_live import Line
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


@contextmanager
def running_process(**environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the API as a process of its own; yields it and its address once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "transactional_api"],
        # Others reach it by a name at which it cannot listen.
        env={**os.environ, "API_LISTEN": address, "API_URL": "http://api.internal:8000", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    workers: list[psutil.Process] = []
    try:
        with httpx.Client(trust_env=False, timeout=60) as http:
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
        workers = psutil.Process(process.pid).children()
        yield process, address
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        for worker in workers:
            if worker.is_running():
                worker.kill()


def serving_pid(process: subprocess.Popen[str], client_port: int) -> int | None:
    """Return the child process that holds the connection of a client at this port."""
    for child in psutil.Process(process.pid).children():
        if any(one.raddr and one.raddr.port == client_port for one in child.net_connections("tcp")):
            return int(child.pid)
    return None


def test_the_process_serves_and_stops_when_asked(settings: Settings) -> None:
    with running_process() as (process, _):
        assert [child for child in psutil.Process(process.pid).children() if "spawn_main" in child.cmdline()] == []
        process.send_signal(signal.SIGTERM)
        lines, _ = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode in {0, -signal.SIGTERM}
    assert all(line.startswith("{") for line in lines.splitlines())


class TestSeveralWorkers:
    """``API_WORKERS=2``: what people share is in the stores, whichever worker they meet."""

    READS = 6

    @pytest.fixture(scope="class")
    def two_workers(self, settings: Settings) -> Iterator[tuple[subprocess.Popen[str], str]]:  # noqa: ARG002 (migrates)
        with running_process(API_WORKERS="2", RATE_LIMIT_READS=f"{self.READS}/hour") as running:
            yield running

    @classmethod
    async def clients_by_worker(
        cls, stack: AsyncExitStack, process: subprocess.Popen[str], address: str
    ) -> dict[int, httpx.AsyncClient]:
        """Return a client for each of the two workers; the connection of a client stays with its worker."""
        until = time.monotonic() + READY_SECONDS
        first = await cls.connected_client(stack, process, address)
        while first is None:
            assert time.monotonic() < until, "no worker answers"
            first = await cls.connected_client(stack, process, address)
        second = None
        while second is None:
            assert time.monotonic() < until, "one worker never answers"
            # Whichever worker is idle accepts a connection: only a paused one is certain to leave it to the other.
            os.kill(first[0], signal.SIGSTOP)
            try:
                second = await cls.connected_client(stack, process, address)
            finally:
                os.kill(first[0], signal.SIGCONT)
            await asyncio.sleep(0.1)  # The supervisor replaces a worker that is silent for five seconds.
        return dict([first, second])

    @staticmethod
    async def connected_client(
        stack: AsyncExitStack, process: subprocess.Popen[str], address: str
    ) -> tuple[int, httpx.AsyncClient] | None:
        """Return the worker that accepts a connection and its client; None if none answers within two seconds."""
        http = httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=READY_SECONDS)
        try:
            alive = await http.get("/healthz", timeout=2.0)
        except httpx.TransportError:  # Not started yet, or it ended after it had accepted the connection.
            await http.aclose()
            return None
        stack.push_async_callback(http.aclose)
        assert alive.status_code == 200
        port = alive.extensions["network_stream"].get_extra_info("client_addr")[1]
        pid = serving_pid(process, port)
        assert pid is not None
        return pid, http

    async def test_both_serve_and_share_limits_and_metrics(
        self, two_workers: tuple[subprocess.Popen[str], str], settings: Settings, ada: Person
    ) -> None:
        async with AsyncExitStack() as stack:
            clients = list((await self.clients_by_worker(stack, *two_workers)).values())
            for http in clients:
                assert (await http.get("/readyz")).json() == {"status": "ok", "degraded": []}
            people = [replace(ada, http=http) for http in clients]
            answers = [await people[turn % 2].get("/users/profile") for turn in range(self.READS + 2)]
            assert [answer.status_code for answer in answers] == [200] * self.READS + [429] * 2
            token = {"Authorization": f"Bearer {settings.platform_token.get_secret_value()}"}
            for http in clients:
                # A worker counts a request after its answer has left.
                until = time.monotonic() + READY_SECONDS
                while (counted := await self.profile_reads(http, token)) != {"200": self.READS, "429": 2}:
                    assert time.monotonic() < until, counted

    @staticmethod
    async def profile_reads(http: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, float]:
        """Return the number of reads of a profile by status, as one worker reports them."""
        answer = await http.get("/metrics", headers=headers)
        assert "\napi_redis_up 1.0\n" in answer.text
        pattern = r'^api_requests_total{method="GET",route="[^"]*/users/profile",status="(\d+)"} (\S+)$'
        samples = re.findall(pattern, answer.text, re.MULTILINE)
        return {status: float(value) for status, value in samples}

    async def test_a_message_at_one_worker_is_heard_at_the_other(
        self, two_workers: tuple[subprocess.Popen[str], str], ada: Person, ben: Person
    ) -> None:
        process, address = two_workers
        talk = await direct(ada, ben)
        async with AsyncExitStack() as stack:
            clients = await self.clients_by_worker(stack, process, address)
            wire = await stack.enter_async_context(
                connect(
                    f"ws://{address}/ws/chat/{talk['id']}?last_event_id=0",
                    additional_headers={"Authorization": f"Bearer {ben.token}"},
                )
            )
            line = Line(wire)
            await line.hear("ready")
            pid = serving_pid(process, wire.local_address[1])
            (other,) = (http for worker, http in clients.items() if worker != pid)
            assert (await say(replace(ada, http=other), talk, "Are you coming?")).status_code == 201
            while "message" not in (heard := await line.hear("event")):
                pass
            assert heard["message"]["content"] == "Are you coming?"

    @pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGKILL])
    @pytest.mark.usefixtures("settings")  # Migrates.
    def test_workers_stop_with_their_supervisor(self, asked: signal.Signals) -> None:
        with running_process(API_WORKERS="2") as (process, address):
            children = psutil.Process(process.pid).children()
            workers = [child for child in children if "resource_tracker" not in str(child.cmdline())]
            assert len(workers) == 2
            process.send_signal(asked)
            # It ends when every process that holds the pipe has.
            lines, _ = process.communicate(timeout=STOP_SECONDS)
            assert process.returncode == (0 if asked is signal.SIGTERM else -signal.SIGKILL)
            _, alive = psutil.wait_procs(workers, timeout=STOP_SECONDS)
        assert alive == []
        assert all(line.startswith("{") for line in lines.splitlines())
        host, _, port = address.partition(":")
        with socket.socket() as probe:
            assert probe.connect_ex((host, int(port))) != 0

    async def test_a_worker_that_ends_is_replaced(self, two_workers: tuple[subprocess.Popen[str], str]) -> None:
        process, address = two_workers
        async with AsyncExitStack() as stack:
            before = await self.clients_by_worker(stack, process, address)
            killed = next(iter(before))
            os.kill(killed, signal.SIGKILL)
            after = await self.clients_by_worker(stack, process, address)
        assert killed not in after
