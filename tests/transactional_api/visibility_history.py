"""A random history of a few people, a model of what each may see, and every outlet that words can leave by.

An outlet is a function of the town and a person that returns the texts which this person was given. Add one to
``OUTLETS``, and a thing that people do to ``History.ACTIONS``; the walk in ``test_outlets.py`` then covers it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import orjson

from tests.transactional_api.people import Person, Town
from transactional_api.community.notifications.digest import digest
from transactional_api.core import mailer
from transactional_api.core.jobs import queue
from transactional_api.core.notices import NoticeKind
from transactional_api.core.pagination import Cursor

TOKEN = re.compile(r"tok\d+x")


@dataclass
class Text:
    """Something that was written: where, by whom, and the one word that it consists of."""

    kind: str
    path: str
    author: int
    connector: int | None
    token: str
    active: bool = True
    parent: Text | None = None
    """The post that a comment is on."""
    conversation: str | None = None


@dataclass
class Place:
    """A connector as the model has it."""

    id: str
    members: set[int]
    public: bool = True
    banned: set[int] = field(default_factory=set)


class History:
    """People, what they did, and what follows from it."""

    def __init__(self, town: Town, people: list[Person], moderator: Person, seed: int) -> None:
        self.town, self.people, self.moderator = town, people, moderator
        # Not for secrets: the same seed is the same history.
        self.random = random.Random(seed)
        self.places: list[Place] = []
        self.texts: list[Text] = []
        self.blocks: set[tuple[int, int]] = set()
        self.chats: list[tuple[str, int, int]] = []
        self.tokens = 0
        self.steps: list[str] = []

    async def begin(self) -> None:
        """Make two connectors that everybody is in, and a conversation of each pair."""
        for _ in range(2):
            made = await self.people[0].make_connector()
            for person in self.people[1:]:
                await person.post(f"/connectors/{made['id']}/join")
            self.places.append(Place(made["id"], set(range(len(self.people)))))
        for one, other in ((0, 1), (1, 2)):
            body = {"kind": "direct", "user_id": str(self.people[other].id)}
            made = (await self.people[one].post("/chat/conversations", body)).json()
            self.chats.append((made["id"], one, other))

    async def step(self) -> None:
        """Let somebody do something; what they may not do changes nothing."""
        act = self.random.choice(self.ACTIONS)
        self.steps.append(act.__name__)
        await act(self)

    def sees(self, reader: int, text: Text) -> bool:
        """Whether a person may see a text now."""
        if not text.active or self.blocked(reader, text.author):
            return False
        if text.conversation is not None:
            return any(one == text.conversation and reader in pair for one, *pair in self.chats)
        if text.parent is not None and not self.sees(reader, text.parent):
            return False
        assert text.connector is not None
        place = self.places[text.connector]
        return reader in place.members or (place.public and reader not in place.banned)

    def blocked(self, one: int, other: int) -> bool:
        """Whether there is a block between two people, either way."""
        return (one, other) in self.blocks or (other, one) in self.blocks

    def words_for(self, reader: int) -> set[str]:
        """Return the words that a person may see now."""
        return {text.token for text in self.texts if self.sees(reader, text)}

    def someone(self) -> int:
        return self.random.randrange(len(self.people))

    def word(self) -> str:
        self.tokens += 1
        names = [f"@{person.id.hex}" for person in self.random.sample(self.people, 2)]
        return f"tok{self.tokens}x {' '.join(names)}"

    def one_of(self, *kinds: str) -> Text | None:
        standing = [text for text in self.texts if text.active and (not kinds or text.kind in kinds)]
        return self.random.choice(standing) if standing else None

    async def _write(self, writer: int, path: str, body: dict[str, Any], **known: Any) -> None:
        content = self.word()
        token = content.split()[0]
        answer = await self.people[writer].post(
            path, {name: content if value is ... else value for name, value in body.items()}
        )
        if answer.status_code == 201:
            made = answer.json()
            at = f"{path}/{made['id']}"
            self.texts.append(Text(path=at, author=writer, token=token, **known))

    async def write_post(self) -> None:
        where = self.random.randrange(len(self.places))
        body = {"connector_id": self.places[where].id, "content": ...}
        await self._write(self.someone(), "/posts", body, kind="post", connector=where)

    async def write_comment(self) -> None:
        post = self.one_of("post")
        if post is not None:
            known = {"kind": "comment", "connector": post.connector, "parent": post}
            await self._write(self.someone(), f"{post.path}/comments", {"content": ...}, **known)

    async def reply(self) -> None:
        comment = self.one_of("comment")
        if comment is not None and comment.parent is not None:
            body = {"content": ..., "parent_id": comment.path.rsplit("/", 1)[1]}
            known = {"kind": "comment", "connector": comment.connector, "parent": comment.parent}
            await self._write(self.someone(), f"{comment.parent.path}/comments", body, **known)

    async def hold_event(self) -> None:
        where = self.random.randrange(len(self.places))
        start = (datetime.now(UTC) + timedelta(days=3)).isoformat()
        body = {"connector_id": self.places[where].id, "title": ..., "start_date": start}
        host = self.someone()
        await self._write(host, "/events", body, kind="event", connector=where)

    async def answer_event(self) -> None:
        event = self.one_of("event")
        if event is not None:
            await self.people[self.someone()].post(f"{event.path}/rsvp", {"status": "attending"})

    async def write_message(self) -> None:
        chat, *pair = self.random.choice(self.chats)
        writer = self.random.choice(pair)
        known = {"kind": "message", "connector": None, "conversation": chat}
        await self._write(writer, f"/chat/conversations/{chat}/messages", {"content": ...}, **known)

    async def like(self) -> None:
        text = self.one_of("post", "comment")
        if text is not None:
            await self.people[self.someone()].post(f"{text.path}/like")

    async def react(self) -> None:
        text = self.one_of("post")
        if text is not None:
            await self.people[self.someone()].put(f"{text.path}/reaction", {"kind": "love"})

    async def edit(self) -> None:
        text = self.one_of()
        if text is None:
            return
        content = self.word()
        body: dict[str, Any] = {"content": content}
        if text.kind == "event":
            body = {"title": content, "start_date": (datetime.now(UTC) + timedelta(days=4)).isoformat()}
        answer = await self.people[text.author].put(text.path, body)
        if answer.status_code == 200:
            text.token = content.split()[0]

    async def delete(self) -> None:
        text = self.one_of("post", "comment", "message")
        if text is not None and (await self.people[text.author].delete(text.path)).status_code == 204:
            text.active = False

    async def moderate(self) -> None:
        text = self.one_of("post", "comment", "event")
        if text is None:
            return
        about = {"subject_kind": text.kind, "subject_id": text.path.rsplit("/", 1)[1]}
        for reporter in self.people:
            answer = await reporter.post("/moderation/reports", {**about, "reason": "spam", "details": "This"})
            if answer.status_code == 201:
                break
        else:
            return
        [case] = await self.town.rows(
            "SELECT id FROM moderation_cases WHERE subject_id = :id AND state = 'open'", id=about["subject_id"]
        )
        decision = {"outcome": "hide", "rule": "Be kind"}
        answer = await self.moderator.post(f"/moderation/cases/{case.id}/decision", decision)
        assert answer.status_code == 201, answer.text
        text.active = False

    async def leave(self) -> None:
        who, place = self.random.randrange(1, len(self.people)), self.random.choice(self.places)
        if (await self.people[who].delete(f"/connectors/{place.id}/leave")).status_code == 204:
            place.members.discard(who)

    async def join(self) -> None:
        who, place = self.random.randrange(1, len(self.people)), self.random.choice(self.places)
        if (await self.people[who].post(f"/connectors/{place.id}/join")).status_code == 200:
            place.members.add(who)

    async def ban(self) -> None:
        who, place = self.random.randrange(1, len(self.people)), self.random.choice(self.places)
        answer = await self.people[0].put(f"/connectors/{place.id}/bans/{self.people[who].id}", {"reason": "rude"})
        if answer.status_code == 204:
            place.members.discard(who)
            place.banned.add(who)

    async def block(self) -> None:
        one, other = self.random.sample(range(len(self.people)), 2)
        if (await self.people[one].post(f"/users/{self.people[other].id}/block")).status_code == 204:
            self.blocks.add((one, other))

    async def unblock(self) -> None:
        if self.blocks:
            one, other = self.random.choice(sorted(self.blocks))
            await self.people[one].delete(f"/users/{self.people[other].id}/block")
            self.blocks.discard((one, other))

    async def turn_private(self) -> None:
        place = self.random.choice(self.places)
        private = self.random.random() < 0.5
        body = {"name": "Dean Street Gardeners", "category": "gardening", "is_public": not private}
        answer = await self.people[0].put(f"/connectors/{place.id}", body)
        if answer.status_code == 200:
            place.public = not private

    ACTIONS: ClassVar[list[Callable[[History], Awaitable[None]]]] = [
        *(write_post, write_post, write_comment, write_comment, reply, hold_event, answer_event, write_message),
        *(like, react, edit, edit, delete, moderate, leave, join, join, ban, block, unblock, turn_private),
    ]


async def want_everything(person: Person) -> None:
    """Ask for every kind by every channel."""
    wanted = [
        {"kind": kind, "channel": channel, "wanted": True}
        for kind in NoticeKind
        for channel in ("in_app", "email", "push")
    ]
    answer = await person.put("/notifications/preferences", {"preferences": wanted})
    assert answer.status_code == 200, answer.text


async def listed(_town: Town, person: Person) -> list[str]:
    """Return the list of notifications."""
    items = (await person.get("/notifications", limit=100)).json()["items"]
    return [f"{one['title']} {one['body']}" for one in items if one["kind"] != "event.cancelled"]


async def streamed(_town: Town, person: Person) -> list[str]:
    """Return the stream of notifications from its beginning."""
    beginning = Cursor.first().encode()
    answer = await person.request(
        "GET", "/notifications/stream", params={"seconds": 0}, headers={"Last-Event-ID": beginning}
    )
    data = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    shown = [orjson.loads(one) for one in data]
    return [f"{one['title']} {one['body']}" for one in shown if "title" in one and one["kind"] != "event.cancelled"]


async def mailed(town: Town, person: Person) -> list[str]:
    """Return the letters that lie in the folder, and remove them."""
    address = f"{person.id}@example.org"
    texts = [
        f"{one['Subject']} {one.get_content()}"
        for one in mailer.list_stored(town.app.state.settings)
        if one["To"] == address and "cancelled" not in str(one["Subject"])
    ]
    mailer.purge(town.app.state.settings, to=address)
    return texts


async def digested(town: Town, person: Person) -> list[str]:
    """Return the daily letter that a person gets now."""
    now = datetime.now(UTC)
    await person.put("/notifications/delivery-schedule", {"time_zone": "UTC", "digest_hour": now.hour})
    async with town.app.state.context.transaction() as session:
        await queue.defer(session, digest, timestamp=int(now.timestamp()))
    await town.run_jobs()
    await person.put("/notifications/delivery-schedule", {"time_zone": "UTC", "digest_hour": None})
    await town.write("UPDATE delivery_schedules SET last_digest_at = NULL WHERE user_id = :id", id=person.id)
    return await mailed(town, person)


Outlet = Callable[[Town, Person], Awaitable[list[str]]]
OUTLETS: list[Outlet] = [listed, streamed, mailed, digested]
