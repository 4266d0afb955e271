"""A marked person, planted everywhere that data can lie, and what asks for them to be forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from minio import Minio

from neighborconnect.settings import Settings
from tests.transactional_api.media.files import jpeg
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import PASSWORD, register

SUNDAY = {"title": "Swap", "description": "Seeds", "location": "Dean Street 12"}


def soon(days: int = 3) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def done(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


class Marked:
    """A person whose every word has the mark, and what they did."""

    def __init__(self, person: Person, mark: str) -> None:
        self.person, self.mark = person, mark
        self.things: dict[str, Any] = {}


async def plant(town: Town) -> Marked:
    """Let a marked person do everything that leaves something."""
    mark = f"mark{uuid4().hex[:16]}"
    session = await register(
        town,
        email=f"{mark}@example.org",
        username=mark,
        first_name=mark,
        last_name=mark,
        neighborhood=mark,
        city=mark,
        postal_code=mark[:20],
        phone=mark[:20],
        interests=[mark],
    )
    me, other = Person(UUID(session["user"]["id"]), town.http, session["access_token"]), await town.create_user()
    marked = Marked(me, mark)
    await done(await me.put("/users/profile/home", {"latitude": 40.6722, "longitude": -73.9772}))
    shown = {"media_ids": [(await town.keep_upload(me, jpeg()))["id"]]}
    theirs = await other.make_connector()
    await done(await me.post(f"/connectors/{theirs['id']}/join"))
    await me.make_connector(name=mark, description=mark, rules=mark)  # Where nobody else is.
    own = await me.make_connector()
    await done(await other.post(f"/connectors/{own['id']}/join"))
    post = await me.make_post(theirs, content=f"{mark} #{mark}", title=mark)
    await done(await me.put(f"/posts/{post['id']}", {"content": f"{mark} again", "title": mark, **shown}))
    answered = await other.make_post(theirs)
    await done(await me.post(f"/posts/{answered['id']}/like"))
    await done(await me.put(f"/posts/{answered['id']}/reaction", {"kind": "love"}))
    mine = await done(await me.post(f"/posts/{answered['id']}/comments", {"content": mark, **shown}))
    reply = {"content": "Yes", "parent_id": mine["id"]}
    theirs_too = await done(await other.post(f"/posts/{answered['id']}/comments", reply))
    await done(await me.put(f"/posts/{answered['id']}/comments/{theirs_too['id']}/like"))
    event = {"title": mark, "description": mark, "location": mark, "start_date": soon(), "connector_id": own["id"]}
    held = await done(await me.post("/events", {**event, **shown}))
    await done(await other.post(f"/events/{held['id']}/rsvp", {"status": "attending"}))
    full = {**SUNDAY, "start_date": soon(), "connector_id": theirs["id"], "max_attendees": 1}
    visited = await done(await other.post("/events", full))
    waits = await town.create_user()
    await done(await waits.post(f"/connectors/{theirs['id']}/join"))
    for person in (me, waits):
        await done(await person.post(f"/events/{visited['id']}/rsvp", {"status": "attending"}))
    item = {"connector_id": own["id"], "title": mark, "description": mark, "price": "5.00", "category": "tools"}
    await done(await me.post("/marketplace/items", {**item, **shown}))
    offered = {**item, "connector_id": theirs["id"], "title": "Rake", "description": "Old"}
    bought = await done(await other.post("/marketplace/items", offered))
    await done(await me.post(f"/marketplace/items/{bought['id']}/buy"))
    await review_seller(me, other, offered, {"rating": 4, "content": mark, **shown})
    review = {"connector_id": theirs["id"], "title": mark, "content": mark, "rating": 4}
    await done(await me.post("/reviews", {**review, **shown}))
    await talk(me, other, {"content": mark, **shown})
    upload = await town.keep_upload(me, jpeg())
    await done(await me.post("/stories", {"media_id": upload["id"], "title": mark, "connector_id": theirs["id"]}))
    await done(await me.post("/moderation/reports", report(answered, mark)))
    await done(await other.post("/moderation/reports", report(post, "spam")))
    await done(await me.post("/users/" + str(other.id) + "/follow"))
    await done(await me.post("/privacy/exports"))
    await done(await me.put("/privacy/consents/marketing", {"granted": True}))
    await town.run_jobs()
    # A day before it: the other one has the event's title among their notifications.
    await town.write("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'event_id' = :id", id=held["id"])
    await town.run_jobs()
    marked.things = {
        "post": post,
        "comment": mine,
        "own": own,
        "visited": visited,
        "waits": waits,
        "other": other,
        "answered": answered,
        "bought": bought,
        "item": item,
        "theirs": theirs,
    }
    return marked


async def review_seller(buyer: Person, seller: Person, offer: dict[str, Any], review: dict[str, Any]) -> None:
    item = await done(await seller.post("/marketplace/items", offer))
    purchase = await done(await buyer.post(f"/marketplace/items/{item['id']}/buy"))
    path = f"/marketplace/purchases/{purchase['id']}"
    await done(await seller.post(f"{path}/complete"))
    await done(await buyer.post(f"{path}/review", review))


async def talk(person: Person, other: Person, message: dict[str, Any]) -> None:
    chat = await done(await person.post("/chat/conversations", {"kind": "direct", "user_id": str(other.id)}))
    messages = f"/chat/conversations/{chat['id']}/messages"
    said = await done(await person.post(messages, message))
    await done(await person.put(f"{messages}/{said['id']}/reaction", {"kind": "love"}))


def report(post: dict[str, Any], words: str) -> dict[str, str]:
    return {"subject_kind": "post", "subject_id": post["id"], "reason": "other", "details": words}


async def erase(town: Town, person: Person, *, keep_words: bool = False) -> dict[str, Any]:
    answer = await person.post("/privacy/erasures", {"password": PASSWORD, "keep_words": keep_words})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def bucket_keys(settings: Settings, *, prefix: str) -> list[str | None]:
    client = Minio(
        settings.s3_endpoint_url.removeprefix("http://"),
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=False,
    )
    return [one.object_name for one in client.list_objects(settings.s3_media_bucket, prefix=prefix, recursive=True)]
