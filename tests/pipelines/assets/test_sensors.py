"""Sensors ask for a run when there is something to do, and say why when not."""

from __future__ import annotations

import dagster as dg
import httpx
import pytest

from neighborconnect.settings import Settings
from pipelines import copies, jobs
from pipelines.sensors import copies_watch

COPY = copies.Copy("c1", "u1", "http://objects.example.org/part")


def look(instance: dg.DagsterInstance, settings: Settings) -> dg.RunRequest | dg.SkipReason:
    found = copies_watch(dg.build_sensor_context(instance=instance, resources={"settings": settings}))
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


def test_a_copy_that_waits_is_seen_to_once(
    instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[copies.Copy] = []
    monkeypatch.setattr(copies, "waiting", lambda _settings: waiting)
    assert isinstance(look(instance, settings), dg.SkipReason)
    waiting.append(COPY)
    assert isinstance(look(instance, settings), dg.RunRequest)
    run = instance.create_run_for_job(jobs.complete_copies, status=dg.DagsterRunStatus.STARTED)
    assert isinstance(look(instance, settings), dg.SkipReason)
    instance.delete_run(run.run_id)


def test_an_api_that_is_away_is_asked_again(
    instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_settings: Settings) -> list[copies.Copy]:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(copies, "waiting", away)
    said = look(instance, settings)
    assert isinstance(said, dg.SkipReason)
    assert "refused" in (said.skip_message or "")
