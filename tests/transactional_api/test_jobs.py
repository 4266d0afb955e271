"""Background jobs: queued with the transaction, run by the worker, taken up again after a kill."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from neighborconnect.contracts.health import health_path, read_health
from neighborconnect.settings import Settings
from neighborconnect.tracing.provider import configure_tracing, flush_traces, shut_down_tracing
from tests.transactional_api.people import Town
from transactional_api.core import mailer
from transactional_api.core.app_context import AppContext
from transactional_api.core.jobs import queue
from transactional_api.core.jobs.queue import Lane, Priority
from transactional_api.core.jobs.worker import LANES

SECONDS = 60


def lying(settings: Settings, to: str) -> list[str]:
    return [str(letter["Subject"]) for letter in mailer.list_stored(settings) if letter["To"] == to]


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(SECONDS * 10):
        if happened():
            return
        await asyncio.sleep(0.1)
    raise TimeoutError


async def test_a_job_runs_once_its_transaction_commits(town: Town, settings: Settings) -> None:
    person = await town.create_user()
    to = f"{person.id}@example.org"
    async with town.app.state.context.transaction() as session:
        await mailer.enqueue(session, user_id=person.id, subject="Hello", text="Come and see.\n")
        await town.run_jobs()
        assert lying(settings, to) == []
    await town.run_jobs()
    assert lying(settings, to) == ["Hello"]


async def test_a_job_of_a_transaction_that_fails_never_runs(town: Town, settings: Settings) -> None:
    person = await town.create_user()
    to = f"{person.id}@example.org"

    async def fail() -> None:
        async with town.app.state.context.transaction() as session:
            await mailer.enqueue(session, user_id=person.id, subject="Hello", text="Come and see.\n")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await town.run_jobs()
    assert lying(settings, to) == []


async def test_the_worker_process_runs_jobs_and_stops_when_asked(town: Town, settings: Settings) -> None:
    person = await town.create_user()
    to = f"{person.id}@example.org"
    health_path("jobs").unlink(missing_ok=True)
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "transactional_api.worker")
    try:
        await until(lambda: (health := read_health("jobs")) is not None and health.ready)
        async with town.app.state.context.transaction() as session:
            await mailer.enqueue(session, user_id=person.id, subject="Hello", text="Come and see.\n")
        await until(lambda: bool(lying(settings, to)))
    finally:
        worker.send_signal(signal.SIGTERM)
    assert await worker.wait() == 0


async def test_letters_wait_for_no_screening_and_no_media(town: Town) -> None:
    """Every job has the lane and the order that its module gives it, and the worker serves every lane."""
    lanes = {name: (task.queue, task.priority) for name, task in queue.app.tasks.items()}
    assert set(LANES) == {Lane(lane) for lane, _ in lanes.values() if lane != "builtin"} == set(Lane)
    upkeep = max(lanes[name][1] for name in ("retention.remove_expired", "jobs.retry_stalled", "media.add_captions"))
    for urgent in ("emails.send", "users.send_verification_email", "users.send_password_reset", "privacy.erase"):
        assert lanes[urgent] == (Lane.DEFAULT, Priority.URGENT)
        assert lanes[urgent][1] > lanes["notifications.deliver"][1] > upkeep
    for slow in ("moderation.screen", "moderation.triage", "media.analyze", "media.process", "media.renditions"):
        assert lanes[slow][0] != Lane.DEFAULT
    # A server of an app that never answers holds up no job of another lane.
    assert [name for name, (lane, _) in lanes.items() if lane == Lane.WEBHOOKS] == ["webhooks.deliver"]


async def test_what_is_urgent_runs_first(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    async def note(_: AppContext, *, name: str) -> None:
        ran.append(name)

    tasks = [
        queue.task(f"test.{one.name}", priority=one)(note)
        for one in (Priority.UPKEEP, Priority.NORMAL, Priority.NOTICE, Priority.URGENT)
    ]
    monkeypatch.setattr("transactional_api.core.jobs.worker.CONCURRENCY", 1)
    await town.run_jobs()
    async with town.app.state.context.transaction() as session:
        for one in tasks:
            await queue.defer(session, one, name=one.name)
    await town.run_jobs()
    assert ran == ["test.URGENT", "test.NOTICE", "test.NORMAL", "test.UPKEEP"]
    for one in tasks:
        del queue.app.tasks[one.name]


async def test_a_failure_is_logged_without_what_the_job_was_given(
    town: Town, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def refuses(*_: object, **__: object) -> None:
        raise ConnectionError("the server is away")

    person = await town.create_user()
    monkeypatch.setattr(mailer, "send_now", refuses)
    async with town.app.state.context.transaction() as session:
        await mailer.enqueue(session, user_id=person.id, subject="Hello", text="A secret link.\n")
    await town.run_jobs()
    said = "".join(capfd.readouterr())
    assert "job.failed" in said
    assert "the server is away" in said
    assert "secret link" not in said
    await town.write("DELETE FROM procrastinate_jobs WHERE args->>'user_id' = :id", id=str(person.id))


async def test_a_job_continues_the_trace_of_its_request(town: Town, settings: Settings) -> None:
    ada = await town.create_user()
    connector = await ada.make_connector()
    exporter = InMemorySpanExporter()
    configure_tracing("test", settings, exporter=exporter)
    try:
        await ada.request(
            "POST",
            "/posts",
            json={"connector_id": connector["id"], "content": "Seedlings for everybody"},
            headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        )
        await town.run_jobs()
        flush_traces()
    finally:
        shut_down_tracing()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    request, job = spans["POST /posts"], spans["job moderation.screen"]
    assert request.context is not None
    assert job.parent is not None
    assert job.parent.span_id == request.context.span_id
    assert dict(job.attributes or {}) == {"neighborconnect.job.lane": "models"}
