"""Promotion, rollback and history of champions, on a real MLflow."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import pytest
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from models.lifecycle import GATE, REFUSED, Action, champion_changes
from models.registry import RegisteredVersion
from models.tracking import ModelTracker
from neighborconnect.contracts.models import VISION_MODEL
from neighborconnect.settings import Settings
from pipelines.training import lifecycle_cli, requested_changes


@pytest.fixture(scope="module")
def versions(tracked: Settings) -> list[RegisteredVersion]:
    """Return three versions of the vision model; the third was refused by its gate, and the second is the champion."""
    tracker = ModelTracker(tracked, name=VISION_MODEL, experiment=VISION_MODEL)
    registered = []
    for number, gate in enumerate(("passed", "passed", REFUSED)):
        run_id = tracker.start(run_name=f"run {number}")
        tracker.log(run_id, params={}, metrics={}, tags={GATE: gate})
        registered.append(tracker.register(run_id, files={"weights": bytes([number])}, card="", trained_on=()))
    tracker.promote(registered[0].registry_version)
    tracker.promote(registered[1].registry_version, reason="better")
    return registered


@pytest.fixture
def command(tracked: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    # Other tests of the session may have left the services running.
    stopped = dict.fromkeys(("image_url", "video_url"), "http://127.0.0.1:9")
    monkeypatch.setattr(lifecycle_cli, "get_settings", lambda: tracked.model_copy(update=stopped))
    return CliRunner()


def champion(settings: Settings) -> str:
    found = ModelTracker(settings, name=VISION_MODEL, experiment=VISION_MODEL).champion()
    assert found is not None
    return found.registry_version


def test_a_promotion_is_recorded_with_user_and_reason(tracked: Settings, versions: list[RegisteredVersion]) -> None:
    tracker = ModelTracker(tracked, name=VISION_MODEL, experiment=VISION_MODEL)
    newest, first = champion_changes(tracker.client, model=VISION_MODEL)[:2]
    assert (newest.version, newest.previous, newest.reason) == (
        versions[1].registry_version,
        versions[0].registry_version,
        "better",
    )
    assert (first.previous, first.action, first.is_complete) == (None, Action.PROMOTE, True)
    assert newest.actor
    assert newest.at >= first.at
    assert newest.at.tzinfo is not None


def test_a_failed_promotion_is_not_in_the_history(tracked: Settings, versions: list[RegisteredVersion]) -> None:
    tracker = ModelTracker(tracked, name=VISION_MODEL, experiment=VISION_MODEL)
    before = champion_changes(tracker.client, model=VISION_MODEL)
    with pytest.raises(MlflowException):
        tracker.promote("9999")
    assert champion_changes(tracker.client, model=VISION_MODEL) == before
    assert champion(tracked) == versions[1].registry_version


def test_a_rollback_serves_the_version_before_the_champion(
    tracked: Settings, versions: list[RegisteredVersion], command: CliRunner
) -> None:
    result = command.invoke(lifecycle_cli.app, ["rollback", VISION_MODEL, "--reason", "slow"])
    assert result.exit_code == 0, result.output
    assert champion(tracked) == versions[0].registry_version
    assert "is the champion again" in result.output
    assert "warning:" in result.output
    assert "View run" not in result.output

    shown = command.invoke(lifecycle_cli.app, ["history", VISION_MODEL, "--limit", "1"], env={"COLUMNS": "200"})
    assert all(word in shown.output for word in ("rollback", "slow"))
    shown = command.invoke(lifecycle_cli.app, ["live"], env={"COLUMNS": "200"})
    assert versions[0].model_version in shown.output

    again = command.invoke(lifecycle_cli.app, ["rollback", VISION_MODEL, "--reason", "x"])
    assert again.exit_code == 1
    assert "name one with --to" in again.output
    assert command.invoke(lifecycle_cli.app, ["rollback", VISION_MODEL, "--to", "2", "--reason", "x"]).exit_code == 0
    assert champion(tracked) == "2"


def test_a_refused_version_needs_force(
    tracked: Settings, versions: list[RegisteredVersion], command: CliRunner
) -> None:
    refused = versions[2].registry_version
    result = command.invoke(lifecycle_cli.app, ["promote", VISION_MODEL, refused, "--reason", "x"])
    assert (result.exit_code, "--force" in result.output) == (1, True)
    assert champion(tracked) != refused
    assert (
        command.invoke(lifecycle_cli.app, ["promote", VISION_MODEL, refused, "--force", "--reason", "x"]).exit_code == 0
    )
    assert champion(tracked) == refused


def test_changes_that_admins_request_are_made_and_reported(
    tracked: Settings, versions: list[RegisteredVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = tracked.model_copy(update=dict.fromkeys(("image_url", "video_url"), "http://127.0.0.1:9"))
    tracker = ModelTracker(tracked, name=VISION_MODEL, experiment=VISION_MODEL)
    tracker.promote(versions[0].registry_version)
    admin = str(uuid4())
    change = {"model": VISION_MODEL, "reason": "more hides", "requested_by": admin, "is_forced": False}
    waiting = [
        change | {"id": "1", "action": "promote", "version": versions[1].registry_version},
        change | {"id": "2", "action": "promote", "version": versions[2].registry_version},
        change | {"id": "3", "action": "rollback", "version": None},
    ]
    reported: list[tuple[str, bool, str | None]] = []
    attempts: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/models/changes/platform":
            return httpx.Response(200, json={"change": waiting.pop(0) if waiting else None})
        if not attempts:
            attempts.append(request.url.path)
            return httpx.Response(503)
        body = json.loads(request.content)
        reported.append((request.url.path.split("/")[-2], body["is_done"], body["version"]))
        return httpx.Response(204)

    def open_api(_settings: Settings) -> httpx.Client:
        return httpx.Client(base_url="http://api.test/models/changes", transport=httpx.MockTransport(respond))

    monkeypatch.setattr(requested_changes, "_api", open_api)
    made = [requested_changes.make_next(stopped) for _ in range(4)]

    first, second = versions[1].registry_version, versions[0].registry_version
    assert attempts == ["/models/changes/1/platform"]  # The report is repeated, and the change is not.
    assert reported == [("1", True, first), ("2", False, None), ("3", True, second)]
    assert made[1] is not None
    assert ("refused by its gate" in made[1].detail, made[3], champion(tracked)) == (True, None, second)
    newest = champion_changes(tracker.client, model=VISION_MODEL)[0]
    assert (newest.actor, newest.action, newest.reason) == (f"account {admin}", Action.ROLLBACK, "more hides")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["promote", VISION_MODEL, "1", "--reason", " "], "say why"),
        (["promote", "weather", "1", "--reason", "x"], "There is no model 'weather'"),
        (["promote", VISION_MODEL, "9999", "--reason", "x"], "There is no version 9999"),
        (["promote", VISION_MODEL, "newest", "--reason", "x"], "There is no version newest"),
        (["rollback", VISION_MODEL, "--to", "9999", "--reason", "x"], "There is no version 9999"),
        (["history", "weather"], "There is no model 'weather'"),
    ],
)
def test_an_unknown_model_or_version_is_refused(
    versions: list[RegisteredVersion], command: CliRunner, arguments: list[str], words: str
) -> None:
    result = command.invoke(lifecycle_cli.app, arguments)
    assert (result.exit_code != 0, words in result.output) == (True, True), result.output
