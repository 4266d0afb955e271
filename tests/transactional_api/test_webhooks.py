"""Webhooks of apps: signatures, permissions at delivery, retries with one id, the log, and disabling."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import insert
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.transactional_api.local_server import serving
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_letters import address_of, lying
from transactional_api.community.webhooks.delivery import DELAYS, deliver
from transactional_api.core.db.tables import UserSession
from transactional_api.core.http.scopes import SCOPES
from transactional_api.core.jobs import queue
from transactional_api.core.webhooks import DISPATCH, SCOPE_OF, WebhookEvent

GUIDE = Path(__file__).resolve().parents[2] / "docs/how-to/receive-webhooks.md"
FAR = datetime.now(UTC) + timedelta(days=1)


@dataclass
class Receiver:
    """Server of an app: records requests and responds with a status."""

    url: str = ""
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.got.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class App:
    """An app of the owner with one webhook."""

    owner: Person
    id: str
    path: str
    secret: str

    async def grant(self, town: Town, person: Person, *scopes: str) -> None:
        values = {"user_id": person.id, "app_id": UUID(self.id), "scopes": list(scopes)}
        async with town.app.state.engine.begin() as connection:
            await connection.execute(insert(UserSession).values(**values, expires_at=FAR))

    async def log(self) -> list[dict[str, Any]]:
        return list((await self.owner.get(f"{self.path}/deliveries")).json()["items"])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    server = Receiver()
    async with serving(server) as url:
        server.url = url
        yield server


@pytest.fixture
async def app(town: Town, receiver: Receiver) -> App:
    owner = await town.create_user()
    made = await owner.post("/oauth/apps", {"name": "Street Calendar", "redirect_uris": ["https://app.example/back"]})
    path = f"/oauth/apps/{made.json()['id']}/webhooks"
    body = {"url": receiver.url, "event_types": [event.value for event in WebhookEvent]}
    hook = await owner.post(path, body)
    assert hook.status_code == 201, hook.text
    return App(owner, made.json()["id"], f"{path}/{hook.json()['id']}", hook.json()["secret"])


async def run_next_attempts(town: Town) -> None:
    """Run the retries as if their waiting times were over."""
    await town.write("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'webhooks.deliver'")
    await town.run_jobs()


async def test_every_event_needs_a_scope_of_apps() -> None:
    assert set(SCOPE_OF) == set(WebhookEvent)
    assert set(SCOPE_OF.values()) <= set(SCOPES)


async def test_an_event_arrives_signed_with_ids_only(
    town: Town, app: App, receiver: Receiver, ada: Person, garden: dict[str, Any]
) -> None:
    await app.grant(town, ada, "posts:read")
    post = await ada.make_post(garden, content="A secret recipe")
    await town.run_jobs()
    [(headers, body)] = receiver.got
    message = Webhook(app.secret).verify(body, headers)
    assert (message["type"], message["data"]) == (
        "post.created",
        {"id": post["id"], "authorized_user_id": str(ada.id)},
    )
    assert b"recipe" not in body
    for changed in (body + b" ", body.replace(b"post", b"most")):
        with pytest.raises(WebhookVerificationError):
            Webhook(app.secret).verify(changed, headers)
    [entry] = await app.log()
    assert (entry["id"], entry["state"], entry["attempts"][0]["status"]) == (headers["webhook-id"], "delivered", 204)


async def test_nothing_is_delivered_that_no_grant_allows(
    town: Town, app: App, receiver: Receiver, ada: Person, ben: Person
) -> None:
    secret = await ada.make_connector(is_public=False)
    await app.grant(town, ben, *SCOPES)  # Not a member of the connector.
    await app.grant(town, ada, "events:read")  # A member, who granted another scope.
    await ada.make_post(secret)
    item = {"connector_id": secret["id"], "title": "Bike", "price": "50.00", "category": "bikes"}
    assert (await ada.post("/marketplace/items", item)).status_code == 201
    await town.run_jobs()
    assert receiver.got == []
    assert await app.log() == []


async def test_permission_is_checked_again_at_each_attempt(
    *, town: Town, app: App, receiver: Receiver, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    await app.grant(town, ben, "posts:read", "notifications:read")
    receiver.status = 500
    await ada.make_post(garden)
    await town.run_jobs()
    assert len(receiver.got) == 1
    await ada.post(f"/users/{ben.id}/block")
    receiver.status = 204
    await run_next_attempts(town)
    assert len(receiver.got) == 1
    assert [entry["state"] for entry in await app.log()] == ["withheld"]


async def test_notifications_arrive_for_their_reader(
    *, town: Town, app: App, receiver: Receiver, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    await app.grant(town, ada, "notifications:read")
    post = await ada.make_post(garden)
    await ben.post(f"/posts/{post['id']}/like")
    await town.run_jobs()
    [(headers, body)] = receiver.got
    message = Webhook(app.secret).verify(body, headers)
    [notification] = (await ada.get("/notifications")).json()["items"]
    assert message["data"] == {"id": notification["id"], "authorized_user_id": str(ada.id)}


async def test_an_announcement_is_one_query_without_apps(town: Town, app: App, statements: Any) -> None:
    await town.run_jobs()
    now, announced = datetime.now(UTC).isoformat(), [[str(uuid4()), str(uuid4())] for _ in range(20)]
    async with town.app.state.context.transaction() as session:
        await queue.defer(session, DISPATCH, event="notification.created", events=announced, occurred_at=now)
    with statements() as sent:
        await town.run_jobs()
    choosing = [one for one in sent if "webhook_endpoints.event_types @>" in one and "FROM notifications" in one]
    assert len(choosing) == 1


async def test_retries_keep_the_id_and_end_with_success(
    town: Town, app: App, receiver: Receiver, ada: Person, garden: dict[str, Any]
) -> None:
    await app.grant(town, ada, "posts:read")
    receiver.status = 503
    await ada.make_post(garden)
    await town.run_jobs()
    assert (await app.owner.get(app.path)).json()["failing_since"] is not None
    await run_next_attempts(town)
    receiver.status = 200
    await run_next_attempts(town)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    [entry] = await app.log()
    assert [attempt["status"] for attempt in entry["attempts"]] == [503, 503, 200]
    assert (entry["state"], entry["next_attempt_at"]) == ("delivered", None)
    assert (await app.owner.get(app.path)).json()["failing_since"] is None
    # A job that runs twice sends nothing.
    async with town.app.state.context.transaction() as session:
        await queue.defer(session, deliver, delivery_id=entry["id"], attempt=3)
    await town.run_jobs()
    assert len(receiver.got) == 3


async def test_persistent_failure_disables_and_tells_the_owner(
    town: Town, app: App, receiver: Receiver, ada: Person, garden: dict[str, Any]
) -> None:
    await app.grant(town, ada, "posts:read")
    receiver.status = 500
    await ada.make_post(garden)
    await town.run_jobs()
    await town.write("UPDATE webhook_endpoints SET failing_since = now() - interval '4 days'")
    for _ in DELAYS:
        await run_next_attempts(town)
    assert len(receiver.got) == len(DELAYS) + 1
    assert (await app.owner.get(app.path)).json()["enabled"] is False
    [letter] = lying(town, address_of(app.owner))
    assert letter["Subject"] == "A webhook of your app was disabled"
    await ada.make_post(garden)
    await town.run_jobs()
    assert len(await app.log()) == 1
    refused = await app.owner.post(f"{app.path}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")


async def test_an_address_that_is_gone_is_disabled_at_once(
    town: Town, app: App, receiver: Receiver, ada: Person, garden: dict[str, Any]
) -> None:
    await app.grant(town, ada, "posts:read")
    receiver.status = 410
    await ada.make_post(garden)
    await town.run_jobs()
    assert (await app.owner.get(app.path)).json()["enabled"] is False


async def test_a_test_message_and_both_secrets_after_a_rotation(town: Town, app: App, receiver: Receiver) -> None:
    rotated = (await app.owner.post(f"{app.path}/secret")).json()["secret"]
    assert rotated != app.secret
    assert (await app.owner.post(f"{app.path}/test")).status_code == 202
    await town.run_jobs()
    [(headers, body)] = receiver.got
    for secret in (app.secret, rotated):
        assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
    await town.write("UPDATE webhook_endpoints SET previous_secret_until = now()")
    await app.owner.post(f"{app.path}/test")
    await town.run_jobs()
    with pytest.raises(WebhookVerificationError):
        Webhook(app.secret).verify(receiver.got[1][1], receiver.got[1][0])
    shown = (await app.owner.get(app.path)).json()
    assert "secret" not in shown


async def test_the_receiver_of_the_guide_works(town: Town, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert code is not None
    monkeypatch.setenv("WEBHOOK_SECRET", app.secret)
    example: dict[str, Any] = {"__name__": "guide"}
    exec(code[1], example)  # noqa: S102 (the code of our own guide)
    async with serving(example["app"]) as url:
        await app.owner.put(app.path, {"url": f"{url}/webhooks", "event_types": ["post.created"]})
        await app.owner.post(f"{app.path}/test")
        await town.run_jobs()
        [entry] = await app.log()
        assert (entry["state"], example["processed"]) == ("delivered", {entry["id"]: "webhook.test"})
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"{url}/webhooks", content=b"{}")).status_code == 400


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": "https://10.0.0.1/hook"}, "unsafe_url"),
        ({"url": "https://user:word@app.example/"}, "unsafe_url"),
        ({"url": "not a url"}, "unsafe_url"),
        ({"event_types": []}, "invalid_request"),
        ({"event_types": ["user.deleted"]}, "invalid_request"),
        ({"event_types": ["post.created"] * 50}, "invalid_request"),
        ({"secret": "whsec_x"}, "invalid_request"),
    ],
)
async def test_bad_input_changes_nothing(app: App, change: dict[str, Any], code: str) -> None:
    before = (await app.owner.get(app.path)).json()
    body = {"url": "https://app.example/hook", "event_types": ["post.created"], **change}
    for refused in (
        await app.owner.put(app.path, body),
        await app.owner.post(app.path.rpartition("/")[0], body),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await app.owner.get(app.path)).json() == before


async def test_an_app_has_at_most_ten_webhooks(app: App) -> None:
    path, body = app.path.rpartition("/")[0], {"url": "https://app.example/hook", "event_types": ["post.created"]}
    codes = [(await app.owner.post(path, body)).status_code for _ in range(10)]
    assert codes == [201] * 9 + [409]
