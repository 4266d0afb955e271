"""Pages of the console for admins: health, explanations of feeds, accounts and models."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.transactional_api.console_browser import HOSTILE, actions_of, browser, text_of
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town
from transactional_api.console import model_registry

RUN = {
    "tags": [{"key": "gate", "value": "passed"}, {"key": "headline", "value": "ndcg 0.31"}],
    "metrics": [{"key": "ndcg", "value": 0.314159}],
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


async def test_versions_of_models_are_compared(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [{"version": number, "run_id": number, "creation_timestamp": 1_790_000_000_000} for number in ("4", "3")]
    answers: dict[str, Any] = {
        "/registered-models/get": {"registered_model": {"aliases": [{"alias": "champion", "version": "3"}]}},
        "/model-versions/search": {"model_versions": listed},
        "/model-versions/get": {"model_version": listed[1]},
        "/runs/get": {"run": {"data": RUN}},
    }

    async def respond(_http: Any, _settings: Any, path: str, _query: Any) -> dict[str, Any]:
        return dict(answers[path])

    async def refuse(*_arguments: Any) -> dict[str, Any]:
        raise model_registry.RegistryUnavailableError

    monkeypatch.setattr(model_registry, "get_json", refuse)
    down = await browser(admin).get("/models/content")
    assert (down.status_code, "MLflow does not answer" in down.text) == (200, True)
    monkeypatch.setattr(model_registry, "get_json", respond)
    assert "ndcg 0.31" in (await browser(admin).get("/models")).text
    page = await browser(admin).get("/models/content")
    assert ("3 (served)" in page.text, "0.3142" in page.text) == (True, True)
    assert (await browser(admin).get("/models/unknown")).status_code == 404
