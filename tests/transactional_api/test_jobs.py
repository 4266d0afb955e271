"""Background jobs: queued with the transaction, run by the worker, taken up again after a kill."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import pytest

from neighborconnect.contracts.health import health_path, read_health
from neighborconnect.settings import Settings
from tests.transactional_api.people import Town
from transactional_api.mail import letters

SECONDS = 60


def lying(settings: Settings, to: str) -> list[str]:
    return [str(letter["Subject"]) for letter in letters.lying(settings) if letter["To"] == to]


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(SECONDS * 10):
        if happened():
            return
        await asyncio.sleep(0.1)
    raise TimeoutError


async def test_a_job_runs_once_its_transaction_commits(town: Town, settings: Settings) -> None:
    person = await town.settle()
    to = f"{person.id}@example.org"
    async with town.app.state.resources.transaction() as session:
        await letters.post(session, user_id=person.id, subject="Hello", text="Come and see.\n")
        await town.run_jobs()
        assert lying(settings, to) == []
    await town.run_jobs()
    assert lying(settings, to) == ["Hello"]


async def test_a_job_of_a_transaction_that_fails_never_runs(town: Town, settings: Settings) -> None:
    person = await town.settle()
    to = f"{person.id}@example.org"

    async def fail() -> None:
        async with town.app.state.resources.transaction() as session:
            await letters.post(session, user_id=person.id, subject="Hello", text="Come and see.\n")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await town.run_jobs()
    assert lying(settings, to) == []


async def test_the_worker_process_runs_jobs_and_stops_when_asked(town: Town, settings: Settings) -> None:
    person = await town.settle()
    to = f"{person.id}@example.org"
    health_path("jobs").unlink(missing_ok=True)
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "transactional_api.jobs")
    try:
        await until(lambda: (health := read_health("jobs")) is not None and health.ready)
        async with town.app.state.resources.transaction() as session:
            await letters.post(session, user_id=person.id, subject="Hello", text="Come and see.\n")
        await until(lambda: bool(lying(settings, to)))
    finally:
        worker.send_signal(signal.SIGTERM)
    assert await worker.wait() == 0


async def test_a_failure_is_logged_without_what_the_job_was_given(
    town: Town, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def refuses(*_: object, **__: object) -> None:
        raise ConnectionError("the server is away")

    person = await town.settle()
    monkeypatch.setattr(letters, "send_now", refuses)
    async with town.app.state.resources.transaction() as session:
        await letters.post(session, user_id=person.id, subject="Hello", text="A secret link.\n")
    await town.run_jobs()
    said = "".join(capfd.readouterr())
    assert "job.failed" in said
    assert "the server is away" in said
    assert "secret link" not in said
    await town.write("DELETE FROM procrastinate_jobs WHERE args->>'user_id' = :id", id=str(person.id))
