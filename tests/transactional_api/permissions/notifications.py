"""``/notifications``: everybody has their own, and reaches no other."""

from __future__ import annotations

from uuid import uuid4

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, ANYONE_CREATES, OWNER, Private, Row, told
from transactional_api.community.notifications.unsubscribe import Subscription, issue_token


async def create_data(town: Town, private: Private) -> None:
    device = {"kind": "expo", "address": f"ExponentPushToken[{uuid4()}]"}
    about_owner = Subscription(private.people[OWNER].id, "mentioned")
    private.things["token"] = issue_token(town.app.state.context.cipher, about_owner)
    private.things["device_id"] = (await private.people[OWNER].post("/notifications/devices", device)).json()["id"]


def device(_: Private) -> dict[str, str]:
    """A device of its own for each caller: one that somebody has registered is theirs."""
    return {"kind": "expo", "address": f"ExponentPushToken[{uuid4()}]"}


ROWS = [
    Row("GET", "/notifications", ANYONE),
    Row("GET", "/notifications/grouped", ANYONE),
    Row("GET", "/notifications/unread", ANYONE),
    Row("GET", "/notifications/unread-totals", ANYONE),
    Row("POST", "/notifications/mark-read", ANYONE, lambda _: {}),
    Row("GET", "/notifications/preferences", ANYONE),
    Row("PUT", "/notifications/preferences", ANYONE, lambda _: {"preferences": []}),
    Row("GET", "/notifications/delivery-schedule", ANYONE),
    Row("PUT", "/notifications/delivery-schedule", ANYONE, lambda _: {}),
    Row("GET", "/notifications/push-key", ANYONE),
    Row("GET", "/notifications/devices", ANYONE),
    Row("POST", "/notifications/devices", ANYONE_CREATES, device),
    Row("DELETE", "/notifications/devices/{device_id}", told(401, 404, 404, 204)),
    # Owning a connector makes nobody the platform's admin.
    Row("POST", "/notifications/send", told(401, 403, 403, 403), lambda _: {"title": "Hello", "everyone": True}),
    # The token of the letter is the proof; nobody is logged in to their mail program.
    Row("GET", "/notifications/unsubscribe/{token}", told(200, 200, 200, 200)),
    Row("HEAD", "/notifications/unsubscribe/{token}", told(200, 200, 200, 200)),
    Row("POST", "/notifications/unsubscribe/{token}", told(200, 200, 200, 200)),
    Row("GET", "/notifications/stream", ANYONE, query="?seconds=0"),
    Row("POST", "/notifications/stream/tickets", ANYONE_CREATES),
]
