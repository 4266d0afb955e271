"""Delivery of notifications: at the wanted time, by the wanted channels, once, and as it happens."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import http_ece
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpx_sse import aconnect_sse
from pydantic import SecretStr

from tests.transactional_api.local_server import serving
from tests.transactional_api.people import API, Person, Town
from transactional_api.community.notifications.digest import digest
from transactional_api.core import mailer
from transactional_api.core.jobs import queue

ANYTIME = {"time_zone": "UTC", "quiet_from": None, "quiet_until": None, "digest_hour": None}


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class PushService:
    """A push service on a port: what it got, and the status that it answers with."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 201
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.got.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
        expo = b'{"data": {"status": "ok"}}'
        if self.status == 410:
            expo = b'{"data": {"status": "error", "details": {"error": "DeviceNotRegistered"}}}'
        status = 200 if scope["path"] == "/expo" else self.status
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": expo})


@pytest.fixture
async def service(town: Town) -> AsyncIterator[PushService]:
    """A push service that the API knows, for browsers and for phones."""
    push_service = PushService()
    key = unpadded(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big"))
    before = town.app.state.context
    async with serving(push_service) as url:
        push_service.url = url
        settings = before.settings.model_copy(
            update={"push_services": [url], "expo_push_url": f"{url}/expo", "vapid_private_key": SecretStr(key)}
        )
        town.app.state.settings = settings
        town.app.state.context = replace(before, settings=settings)
        yield push_service
        town.app.state.settings, town.app.state.context = before.settings, before


class Browser:
    """A subscription, and what decrypts its pushes."""

    def __init__(self, url: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = uuid4().bytes
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.body = {
            "kind": "web",
            "address": f"{url}/{uuid4()}",
            "p256dh": unpadded(point),
            "auth": unpadded(self.secret),
        }

    def read(self, body: bytes) -> Any:
        return json.loads(http_ece.decrypt(body, private_key=self.key, auth_secret=self.secret, version="aes128gcm"))


async def announce(town: Town, person: Person, title: str = "Water is off") -> None:
    admin = await town.create_user(role="admin")
    answer = await admin.post("/notifications/send", {"title": title, "user_ids": [str(person.id)]})
    assert answer.status_code == 202, answer.text
    await town.run_jobs()


async def test_a_browser_gets_what_only_it_can_read_signed_by_us(town: Town, ada: Person, service: PushService) -> None:
    browser = Browser(service.url)
    assert (await ada.post("/notifications/devices", browser.body)).status_code == 201
    await announce(town, ada)
    [(headers, body)] = service.got
    assert browser.read(body)["title"] == "Water is off"
    [token, key] = [part.partition("=")[2] for part in headers["authorization"].removeprefix("vapid ").split(",")]
    assert key == (await ada.get("/notifications/push-key")).json()["public_key"]
    point = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    assert jwt.decode(token, public, ["ES256"], audience=service.url)["sub"].startswith("mailto:")


async def test_a_phone_is_told_through_expo(town: Town, ada: Person, service: PushService) -> None:
    token = f"ExponentPushToken[{uuid4()}]"
    await ada.post("/notifications/devices", {"kind": "expo", "address": token})
    await announce(town, ada)
    [(_, body)] = service.got
    sent = json.loads(body)
    assert (sent["to"], sent["title"], sent["data"]["kind"]) == (token, "Water is off", "platform.announced")


async def test_a_push_is_in_the_language_of_the_person(town: Town, ben: Person, service: PushService) -> None:
    person = await town.create_user(language="es")
    await person.post("/notifications/devices", {"kind": "expo", "address": f"ExponentPushToken[{uuid4()}]"})
    await ben.post(f"/users/{person.id}/follow")
    await town.run_jobs()
    assert json.loads(service.got[0][1])["title"] == "Ben Okafor te sigue"


@pytest.mark.parametrize("kind", ["web", "expo"])
async def test_a_device_that_is_gone_is_forgotten(town: Town, ada: Person, service: PushService, kind: str) -> None:
    body = Browser(service.url).body if kind == "web" else {"kind": kind, "address": f"ExponentPushToken[{uuid4()}]"}
    await ada.post("/notifications/devices", body)
    service.status = 410
    await announce(town, ada)
    assert (await ada.get("/notifications/devices")).json() == {"items": []}


@pytest.mark.parametrize("kind", ["web", "expo"])
async def test_a_strangers_claim_takes_no_device(
    town: Town, ada: Person, ben: Person, service: PushService, kind: str
) -> None:
    browser = Browser(service.url)
    phone = {"kind": kind, "address": f"ExponentPushToken[{uuid4()}]"}
    mine = browser.body if kind == "web" else phone
    await ada.post("/notifications/devices", mine)
    # The address may be known; what the browser alone knows is not.
    claim = Browser(service.url).body | {"address": mine["address"]} if kind == "web" else phone
    answer = await ben.post("/notifications/devices", claim)
    assert (answer.status_code, answer.json()["code"]) == (409, "device_in_use")
    assert (await ben.get("/notifications/devices")).json() == {"items": []}
    await announce(town, ben)
    assert service.got == []
    await announce(town, ada)
    assert len(service.got) == 1


async def test_a_device_goes_with_its_session_and_is_then_free(
    town: Town, ada: Person, ben: Person, service: PushService
) -> None:
    phone = {"kind": "expo", "address": f"ExponentPushToken[{uuid4()}]"}
    await ada.post("/notifications/devices", phone)
    await town.write("DELETE FROM user_sessions WHERE id = :id", id=ada.session_id)
    await announce(town, ada)
    assert service.got == []
    assert (await ben.post("/notifications/devices", phone)).status_code == 201
    await announce(town, ben)
    assert len(service.got) == 1


async def test_a_browser_proves_by_its_secret_that_it_changed_hands(
    town: Town, ada: Person, ben: Person, service: PushService
) -> None:
    body = Browser(service.url).body
    for person in (ada, ben, ben):
        await person.post("/notifications/devices", body)
    assert len((await ben.get("/notifications/devices")).json()["items"]) == 1
    assert (await ada.get("/notifications/devices")).json() == {"items": []}
    await announce(town, ada)
    assert service.got == []


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "https://fcm.googleapis.com.evil.example/",
        "https://evil.example\\.notify.windows.com/",
    ],
)
async def test_nothing_is_sent_where_anybody_says(ada: Person, service: PushService, address: str) -> None:
    answer = await ada.post("/notifications/devices", Browser(service.url).body | {"address": address})
    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_push_service")


async def test_pushes_can_be_declined(town: Town, ada: Person, service: PushService) -> None:
    await ada.post("/notifications/devices", Browser(service.url).body)
    declined = {"kind": "platform.announced", "channel": "push", "wanted": False}
    await ada.put("/notifications/preferences", {"preferences": [declined]})
    await announce(town, ada)
    assert service.got == []


async def test_in_quiet_hours_pushes_wait_and_the_app_does_not(town: Town, ada: Person, service: PushService) -> None:
    await ada.post("/notifications/devices", Browser(service.url).body)
    now = datetime.now(UTC)
    quiet = {
        "quiet_from": f"{now - timedelta(hours=1):%H:%M:%S}",
        "quiet_until": f"{now + timedelta(hours=1):%H:%M:%S}",
    }
    assert (await ada.put("/notifications/delivery-schedule", ANYTIME | quiet)).status_code == 200
    await announce(town, ada)
    assert service.got == []
    assert (await ada.get("/notifications/unread")).json() == {"unread_count": 1}
    await town.write("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'user_id' = :id", id=str(ada.id))
    await town.run_jobs()
    assert len(service.got) == 1


async def test_a_daily_letter_takes_the_place_of_single_ones(town: Town, ada: Person) -> None:
    everything = {"kind": "platform.announced", "channel": "email", "wanted": True}
    await ada.put("/notifications/preferences", {"preferences": [everything]})
    await ada.put("/notifications/delivery-schedule", ANYTIME | {"digest_hour": datetime.now(UTC).hour})
    for title in ("Water is off", "Water is on"):
        await announce(town, ada, title)

    async def letters_of(person: Person) -> list[str]:
        mine = f"{person.id}@example.org"
        return [
            letter.get_content().replace("\r\n", "\n")
            for letter in mailer.list_stored(town.app.state.settings)
            if letter["To"] == mine
        ]

    assert await letters_of(ada) == []
    for _ in range(2):
        async with town.app.state.context.transaction() as session:
            await queue.defer(session, digest, timestamp=0)
        await town.run_jobs()
    [letter] = await letters_of(ada)
    assert letter.startswith("- Water is on\n- Water is off\n\n--\nUnsubscribe: http")


async def test_only_an_admin_announces_and_muting_them_changes_nothing(town: Town, ada: Person, ben: Person) -> None:
    admin = await town.create_user(role="admin")
    connector = await ada.make_connector()
    await ben.post(f"/connectors/{connector['id']}/join")
    assert (await ben.post(f"/users/{admin.id}/mute")).status_code == 204
    body = {"title": "Be kind", "connector_id": connector["id"]}
    assert (await ada.post("/notifications/send", body)).status_code == 403
    assert (await admin.post("/notifications/send", body)).status_code == 202
    assert (await admin.post("/notifications/send", {"title": "To nobody"})).status_code == 422
    await town.run_jobs()
    for person in (ada, ben):
        assert [one["title"] for one in (await person.get("/notifications")).json()["items"]] == ["Be kind"]


@pytest.fixture
async def live(town: Town) -> AsyncIterator[str]:
    async with serving(town.app) as url:
        yield url


async def test_a_stream_is_immediate_and_resumes_without_loss(town: Town, ada: Person, live: str) -> None:
    headers = {"Authorization": f"Bearer {ada.token}"}
    url = f"{live}{API}/notifications/stream"
    titles = []
    async with httpx.AsyncClient(timeout=20, headers=headers) as client:
        async with aconnect_sse(client, "GET", url) as source:
            events = source.aiter_sse()
            begun = await anext(events)
            assert begun.event == "started"
            await announce(town, ada, "First")
            first = await asyncio.wait_for(anext(events), 60)
            titles.append(first.json()["title"])
        await announce(town, ada, "Second")
        for last, expected in ((first.id, ["Second"]), (begun.id, ["First", "Second"])):
            async with aconnect_sse(
                client, "GET", url, params={"seconds": 0}, headers={"Last-Event-ID": last}
            ) as source:
                assert [one.json()["title"] async for one in source.aiter_sse()] == expected
    assert titles == ["First"]


async def test_a_stream_goes_on_when_redis_was_away(town: Town, ada: Person, live: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("transactional_api.community.notifications.stream.POLL_SECONDS", 0.2)
    monkeypatch.setattr("transactional_api.community.notifications.fan_out.publish_new", lambda *_: None)
    headers = {"Authorization": f"Bearer {ada.token}"}
    async with (
        httpx.AsyncClient(timeout=20, headers=headers) as client,
        aconnect_sse(client, "GET", f"{live}{API}/notifications/stream") as source,
    ):
        events = source.aiter_sse()
        await anext(events)
        await announce(town, ada, "Unheard")
        assert (await asyncio.wait_for(anext(events), 60)).json()["title"] == "Unheard"
