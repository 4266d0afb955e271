"""Pages of the console for admins: health, explanations of feeds, accounts and models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from neighborconnect.metrics import Metrics, parse
from neighborconnect.settings import Settings
from neighborconnect.telemetry import current_traceparent
from neighborconnect.tracing.provider import (
    configure_tracing,
    end_request,
    shut_down_tracing,
    start_request,
    start_trace,
)
from tests.transactional_api.console_browser import HOSTILE, actions_of, browser, text_of
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town
from transactional_api.console import data_routes, model_registry

RUN = {
    "tags": [{"key": "gate", "value": "passed"}, {"key": "headline", "value": "ndcg 0.31"}],
    "metrics": [
        {"key": name, "value": value} for name, value in (("ndcg", 0.314159), ("ndcg_low", 0.3), ("ndcg_high", 0.33))
    ],
}


@pytest.fixture
async def admin(town: Town) -> Person:
    """An admin of the platform."""
    return await town.create_user(role="admin")


async def test_failed_jobs_and_rejected_messages_are_repeated(town: Town, admin: Person) -> None:
    task = f"test.{uuid4().hex}"
    await town.write(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, args) "
        "VALUES ('default', :task, 'failed', 6, CAST(:args AS jsonb))",
        task=task,
        args='{"text": "a private letter"}',
    )
    await town.write(
        "INSERT INTO cdc_outbox (topic, key, payload, rejected) VALUES (:topic, 'k', '{}', :reason)",
        topic=task,
        reason=HOSTILE,
    )
    [(job,)] = await town.rows("SELECT id FROM procrastinate_jobs WHERE task_name = :task", task=task)
    [(message,)] = await town.rows("SELECT id FROM cdc_outbox WHERE topic = :task", task=task)
    page = await browser(admin).get("/health")
    assert (page.status_code, HOSTILE in page.text, HOSTILE in text_of(page)) == (200, False, True)
    assert "a private letter" not in page.text
    csrf = await browser(admin).token("/health")
    for path in (f"/health/jobs/{job}/retry", f"/health/outbox/{message}/replay"):
        assert path in page.text
        answers = [await browser(admin).send(path, csrf=csrf) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 404]
    states = await town.rows(
        "SELECT status::text FROM procrastinate_jobs WHERE id = :job "
        "UNION ALL SELECT rejected FROM cdc_outbox WHERE id = :id",
        job=job,
        id=message,
    )
    await town.write("DELETE FROM procrastinate_jobs WHERE id = :id", id=job)
    await town.write("DELETE FROM cdc_outbox WHERE id = :id", id=message)
    assert [row[0] for row in states] == ["todo", None]
    assert len(await actions_of(town, admin)) == 2


@pytest.mark.parametrize("kind", ["content", "home"])
async def test_an_answer_is_explained_and_replayed(
    town: Town, ranker: Ranker, ben: Person, admin: Person, kind: str
) -> None:
    authors = [await town.create_user() for _ in range(3)]
    posts = [(await one.make_post(await one.make_connector(), content=HOSTILE))["id"] for one in authors]
    ranker.rank(*posts)
    request_id = (await ben.post(f"/recommendations/{kind}", {"limit": 2})).json()["request_id"]
    found = await browser(admin).get("/why", request_id=f" {request_id} ")
    assert found.headers["location"] == f"/console/why/{request_id}"
    page = await browser(admin).get(f"/why/{request_id}")
    assert (page.status_code, HOSTILE in page.text, HOSTILE in text_of(page)) == (200, False, True)
    assert "neighbors like you" in page.text
    path, csrf = f"/why/{request_id}/replay", await browser(admin).token("/why/" + request_id)
    replayed = await browser(admin).send(path, csrf=csrf)
    assert (replayed.status_code, "0 moved, 0 new, 0 gone" in replayed.text) == (200, True)
    refused = await browser(admin).send(path, csrf=csrf, parameters='{"relevance": {"sharpness": 0}}')
    assert (refused.status_code, "relevance.sharpness" in refused.text) == (422, True)
    assert (await browser(admin).get(f"/why/{uuid4()}")).status_code == 404
    views = ["GET /console/why/{request_id}"] * 2
    assert await actions_of(town, admin) == [*views, "POST /console/why/{request_id}/replay"]


async def test_an_account_is_shown_without_its_secrets(town: Town, admin: Person) -> None:
    person = await town.create_user(username=f"p{uuid4().hex}", first_name=HOSTILE)
    address = f"{person.id}@example.org"
    assert (await person.put("/privacy/consents/analytics", {"granted": False})).is_success
    export = await person.post("/privacy/exports")
    await town.run_jobs()
    csrf = await browser(admin).token("/people")
    for query in (str(person.id), address):
        found = await browser(admin).send("/people", csrf=csrf, query=query)
        assert found.headers["location"] == f"/console/people/{person.id}"
    unknown = await browser(admin).send("/people", csrf=csrf, query="nobody.of.this.name")
    assert (unknown.status_code, 'role="alert"' in unknown.text) == (404, True)
    page = await browser(admin).get(f"/people/{person.id}")
    assert (page.status_code, HOSTILE in page.text, HOSTILE in text_of(page)) == (200, False, True)
    link = (await person.get(f"/privacy/exports/{export.json()['id']}")).json()["url"]
    assert export.json()["id"] in page.text
    assert not any(secret in page.text for secret in (address, link.partition("?")[0]))
    [entry] = await town.rows("SELECT subject FROM audit_log WHERE actor_id = :id AND action LIKE 'GET %'", id=admin.id)
    assert entry.subject == {"user_id": str(person.id)}


async def test_the_receipt_of_an_erasure_is_shown(town: Town, admin: Person) -> None:
    person = await town.create_user(is_active=False)
    line = {"location": "database:posts", "action": "redacted", "row_count": 3, "completed_at": "2026-03-01T09:31:02Z"}
    await town.write(
        "INSERT INTO erasures (user_id, code_hash, keeps_words, receipt) "
        "VALUES (:id, :code, false, CAST(:lines AS jsonb))",
        id=person.id,
        code=uuid4().hex,
        lines=json.dumps([line]),
    )
    page = await browser(admin).get(f"/people/{person.id}")
    await town.write("DELETE FROM erasures WHERE user_id = :id", id=person.id)
    assert (page.status_code, "database:posts" in page.text) == (200, True)


@pytest.fixture
def registry(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry with a champion, version 3, that ``admin`` promoted."""
    listed = [{"version": number, "run_id": number, "creation_timestamp": 1_790_000_000_000} for number in ("4", "3")]
    answers: dict[str, Any] = {
        "/registered-models/get": {"registered_model": {"aliases": [{"alias": "champion", "version": "3"}]}},
        "/model-versions/search": {"model_versions": listed},
        "/model-versions/get": {"model_version": listed[1]},
        "/runs/get": {"run": {"data": RUN}},
        "/experiments/get-by-name": {"experiment": {"experiment_id": "7"}},
    }

    async def respond(_http: Any, _settings: Any, path: str, _query: Any) -> dict[str, Any]:
        return dict(answers[path])

    async def search(_http: Any, _settings: Any, query: Any) -> dict[str, Any]:
        assert (query["experiment_ids"], "tags.model = 'content'" in query["filter"]) == (["7"], True)
        tags = {
            "version": "3",
            "previous_version": "2",
            "action": "promote",
            "requested_by": admin.id,
            "reason": HOSTILE,
        }
        listed = [{"key": key, "value": str(value)} for key, value in tags.items()]
        return {"runs": [{"info": {"start_time": 1_790_000_000_000}, "data": {"tags": listed}}]}

    monkeypatch.setattr(model_registry, "get_json", respond)
    monkeypatch.setattr(model_registry, "search_runs", search)


async def test_an_unreachable_registry_is_stated(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_arguments: Any) -> dict[str, Any]:
        raise model_registry.RegistryUnavailableError

    monkeypatch.setattr(model_registry, "get_json", refuse)
    down = await browser(admin).get("/models/content")
    assert (down.status_code, "MLflow does not answer" in down.text) == (200, True)


@pytest.mark.usefixtures("registry")
async def test_versions_of_models_have_history_and_intervals(town: Town, admin: Person) -> None:
    assert "ndcg 0.31" in (await browser(admin).get("/models")).text
    page = await browser(admin).get("/models/content")
    assert ("3 (served)" in page.text, "0.3142 [0.3, 0.33]" in page.text) == (True, True)
    [(username,)] = await town.rows("SELECT username FROM users WHERE id = :id", id=admin.id)
    assert (HOSTILE in page.text, HOSTILE in text_of(page), f">{username}</a>" in page.text) == (False, True, True)
    assert (await browser(admin).get("/models/unknown")).status_code == 404


@pytest.mark.usefixtures("registry")
async def test_changes_of_models_are_requested_once(town: Town, mod: Person, admin: Person, settings: Settings) -> None:
    csrf, path = await browser(admin).token("/models/content"), "/models/content/change"
    assert (
        await browser(mod).send(path, csrf=await browser(mod).token(), action="rollback", reason="x")
    ).status_code == 403
    assert (await browser(admin).send(path, action="rollback", reason="slow")).status_code == 403
    for wrong in ({"action": "rollback"}, {"action": "promote", "reason": "x", "version": "4; DROP"}, {"reason": "x"}):
        refused = await browser(admin).send(path, csrf=csrf, **wrong)
        assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    assert (
        await browser(admin).send(path, csrf=csrf, action="promote", version="4", reason=HOSTILE)
    ).status_code == 303
    second = await browser(admin).send(path, csrf=csrf, action="rollback", reason="kept words")
    assert (second.status_code, "kept words" in second.text) == (409, True)

    platform = {"X-Platform-Token": settings.platform_token.get_secret_value()}
    claimed = (await town.nobody.post("/models/changes/platform", **platform)).json()["change"]
    assert (claimed["model"], claimed["version"], claimed["requested_by"]) == ("content", "4", str(admin.id))
    assert (await town.nobody.post("/models/changes/platform", **platform)).json()["change"] is None
    done = f"/models/changes/{claimed['id']}/platform"
    for body in ({"is_done": True, "version": "4"}, {"is_done": False}):
        assert (await town.nobody.post(done, body, **platform)).status_code == 204
    assert (
        await town.nobody.post(f"/models/changes/{uuid4()}/platform", {"is_done": True}, **platform)
    ).status_code == 404
    [row] = await town.rows("SELECT state, version FROM model_changes WHERE requested_by = :id", id=admin.id)
    assert tuple(row) == ("done", "4")
    page = await browser(admin).get("/models/content")
    assert (HOSTILE in page.text, ">done<" in page.text) == (False, True)
    assert "POST /console/models/{name}/change" in await actions_of(town, admin)

    # A browser sends the list of versions to promote with a rollback, too.
    sent = await browser(admin).send(path, csrf=csrf, action="rollback", version="4", reason="slow")
    assert sent.status_code == 303
    claimed = (await town.nobody.post("/models/changes/platform", **platform)).json()["change"]
    assert (claimed["action"], claimed["version"]) == ("rollback", None)
    # A result that comes after the time limit is stored all the same.
    await town.write("UPDATE model_changes SET started_at = now() - interval '1 hour' WHERE state = 'running'")
    assert (await town.nobody.post("/models/changes/platform", **platform)).json()["change"] is None
    states = "SELECT state FROM model_changes WHERE CAST(id AS text) = :id"
    assert [tuple(row) for row in await town.rows(states, id=claimed["id"])] == [("failed",)]
    late = f"/models/changes/{claimed['id']}/platform"
    assert (await town.nobody.post(late, {"is_done": True, "version": "2"}, **platform)).status_code == 204
    assert [tuple(row) for row in await town.rows(states, id=claimed["id"])] == [("done",)]


READOUT = {
    "users": {"control": 400, "newest": 410},
    "sample_ratio_p_value": 0.72,
    "refusal": "",
    "primary_metric": "clicks",
    "comparisons": [
        {
            "variant": HOSTILE,
            "effects": [
                {"metric": name, "control": 2.0, "difference": 0.5, "low": 0.2, "high": 0.8, "is_breach": harmed}
                | {"always_low": 0.1, "always_high": 0.9}
                for name, harmed in (("clicks", False), ("hides", True))
            ],
        }
    ],
}


async def test_an_experiment_is_shown_and_stopped(town: Town, mod: Person, admin: Person, settings: Settings) -> None:
    key = f"try-{uuid4().hex}"
    newest = {"name": "newest", "weight": 3, "ranking": {"age": {"half_life_days": 2.0}}}
    body = {"variants": [{"name": "control", "weight": 1}, newest], "layer": key, "share": 0.2, "hypothesis": HOSTILE}
    assert (await admin.post(f"/experiments/{key}", body)).status_code == 201
    path = f"/experiments/{key}"
    assert (await browser(mod).get(path)).status_code == 403
    assert (await browser(admin).get("/experiments/unknown")).status_code == 404
    assert "No readout yet" in (await browser(admin).get(path)).text
    platform = {"X-Platform-Token": settings.platform_token.get_secret_value()}
    stored = await town.nobody.request("PUT", f"{path}/readout/platform", json={"readout": READOUT}, headers=platform)
    assert stored.status_code == 204
    assert f">{key}</a>" in (await browser(admin).get("/experiments")).text
    page = await browser(admin).get(path)
    assert (HOSTILE in page.text, HOSTILE in text_of(page)) == (False, True)
    for words in ("75.0 %", "20.0 %", "age.half_life_days", "p = 0.72", "[+0.1, +0.9]", "guardrail harmed"):
        assert words in page.text, words
    csrf = await browser(admin).token(path)
    refused = await browser(admin).send(f"{path}/stop", csrf=csrf, reason=" ")
    assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    assert (await browser(admin).send(f"{path}/stop", csrf=csrf, reason="more hides")).status_code == 303
    page = await browser(admin).get(path)
    assert ("more hides" in page.text, "Stop the experiment" in page.text) == (True, False)
    assert "POST /console/experiments/{key}/stop" in await actions_of(town, admin)


async def test_assets_checks_and_drift_are_shown(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = await browser(admin).get("/data")
    assert (unreachable.status_code, 'role="alert"' in unreachable.text) == (200, True)
    text = """
# TYPE neighborconnect_asset_materialized_timestamp_seconds gauge
neighborconnect_asset_materialized_timestamp_seconds{group="marts",asset="daily_activity"} 1790000000
# TYPE neighborconnect_asset_check_passed_info gauge
neighborconnect_asset_check_passed_info{group="marts",asset="daily_activity",check="not_null_day"} 0
neighborconnect_asset_check_passed_info{group="offline",asset="user_activity",check="in_range"} 1
# TYPE neighborconnect_feature_drift_psi_ratio gauge
neighborconnect_feature_drift_psi_ratio{view="user_activity",feature="likes_7d"} 0.31
# TYPE neighborconnect_drifted_features gauge
neighborconnect_drifted_features 1
"""

    async def read(_settings: Settings) -> Metrics:
        return parse([text])

    monkeypatch.setattr(data_routes, "read_platform_metrics", read)
    page = await browser(admin).get("/data")
    for words in ("/assets/marts/daily_activity", "not_null_day", "1 passed", "user_activity: likes_7d", "0.310"):
        assert words in page.text, words


@pytest.fixture
def traced(town: Town, tmp_path: Path) -> Iterator[None]:
    """Store traces in a folder of the test: other processes store slower ones in that of the session."""
    before = town.app.state.settings
    town.app.state.settings = before.model_copy(update={"traces_folder": tmp_path})
    configure_tracing("api", town.app.state.settings)
    yield
    town.app.state.settings = before


@pytest.mark.usefixtures("traced")
async def test_stored_traces_are_listed_and_shown(admin: Person) -> None:
    request = start_request("GET", f"00-{(trace_id := uuid4().hex)}-b7ad6b7169203331-01")
    start_trace(current_traceparent(), name="<inner>").end()
    end_request(request, method="GET", route="/posts/{post_id}", status=500)
    shut_down_tracing()
    for order in ("newest", "slowest", "failed"):
        page = await browser(admin).get("/traces", order=order)
        assert f"/console/traces/{trace_id}" in page.text
    page = await browser(admin).get(f"/traces/{trace_id}")
    assert (page.status_code, "<inner>" in page.text, "<inner>" in text_of(page)) == (200, False, True)
    assert "GET /posts/{post_id}" in text_of(page)
    assert "http.response.status_code" in text_of(page)
    assert (await browser(admin).get(f"/traces/{uuid4().hex}")).status_code == 404
