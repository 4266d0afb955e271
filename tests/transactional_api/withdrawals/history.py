"""A random history of a small town: everything that gives or takes a permission, and what is held by one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx

from tests.transactional_api.people import Person, Town
from tests.transactional_api.privacy.marked import erase, soon
from tests.transactional_api.test_accounts import confirmed
from transactional_api.core.media.stores import open_media

OPEN = {"name": "Dean Street Gardeners", "category": "gardening", "is_public": True}


class History:
    """Two connectors and their people; each step is one to three requests at once."""

    def __init__(self, town: Town, seed: int) -> None:
        self.town, self.random = town, random.Random(seed)
        self.people: list[Person] = []
        self.erased: list[Person] = []
        self.hosts: list[Person] = []
        self.ids: dict[str, list[str]] = {
            kind: [] for kind in ("connectors", "events", "items", "posts", "comments", "purchases", "reviews", "reels")
        }
        self.steps: list[str] = []

    async def begin(self) -> None:
        """Settle the people and open the connectors."""
        accounts = [await confirmed(self.town) for _ in range(2)]
        registered = [Person(UUID(one["user"]["id"]), self.town.http, one["access_token"]) for one in accounts]
        self.people = [await self.town.create_user() for _ in range(6)] + registered
        self.hosts = self.people[:2]
        for host in self.hosts:
            self.ids["connectors"].append((await host.make_connector(**OPEN))["id"])
            await self.reel(host)
        for connector in self.ids["connectors"]:
            await asyncio.gather(*(person.post(f"/connectors/{connector}/join") for person in self.people))
        for person in self.people[:5]:
            for connector in self.ids["connectors"]:
                event = {"connector_id": connector, "title": "Swap", "start_date": soon(5), "max_attendees": 2}
                item = {"connector_id": connector, "title": "Saw", "price": "5.00", "category": "tools"}
                self.note("make events", await person.post("/events", event))
                self.note("make items", await person.post("/marketplace/items", item))

    async def reel(self, author: Person) -> None:
        """Put up a reel past its upload, which takes long and is tested elsewhere."""
        document = {"connector_id": self.ids["connectors"][-1], "author_id": str(author.id), "title": "Tomatoes"}
        more = {"media_id": str(author.id), "view_count": 0, "like_count": 0, "is_active": True, "description": None}
        made = await open_media(self.town.app.state.context).documents.insert(
            "reels", document=document | more | {"duration_seconds": None}
        )
        self.ids["reels"].append(str(made.id))

    async def go(self, steps: int) -> None:
        """Take so many steps; no request may fail on our side."""
        often = [self.answer, self.answer, self.answer, self.trade, self.trade, self.trade, self.belong]
        actions = [*often, *often, self.look_after, self.relate, self.host, self.write, self.mark, self.rule]
        for _ in range(steps):
            at_once = self.random.choice((1, 1, 2, 3))
            chosen = [self.random.choice(actions)() for _ in range(at_once)]
            self.steps.extend(name for name, _ in chosen)
            for (name, _), made in zip(chosen, await asyncio.gather(*(do() for _, do in chosen)), strict=True):
                assert made.status_code < 500, f"{name}: {made.status_code} {made.text}"
                self.note(name, made)

    async def erase_one(self) -> None:
        """Let one of those who registered be forgotten."""
        person = self.people.pop()
        self.erased.append(person)
        await erase(self.town, person)
        await self.town.run_jobs()

    def note(self, name: str, made: httpx.Response) -> None:
        """Remember what was made."""
        kind = name.removeprefix("make ")
        if kind in self.ids and made.status_code == 201:
            self.ids[kind].append(made.json()["id"])

    def some(self, kind: str) -> str:
        """One of the things of a kind, the later ones more often; of none, nobody's."""
        made = self.ids[kind][-8:]
        return self.random.choice(made) if made else str(UUID(int=0))

    def ask(
        self, name: str, method: str, path: str, body: Any = None, *, by: Person | None = None
    ) -> tuple[str, Callable[[], Awaitable[httpx.Response]]]:
        who = by or self.random.choice(self.people)
        return name, lambda: who.request(method, path, json=body)

    def answer(self) -> Any:
        status = self.random.choice(("attending", "attending", "attending", "maybe", "declined"))
        body = {"status": status, "guest_count": self.random.choice((0, 0, 0, 1))}
        return self.ask(status, "POST", f"/events/{self.some('events')}/rsvp", body)

    def belong(self) -> Any:
        connector = self.some("connectors")
        if self.random.random() < 0.8:
            return self.ask("join", "POST", f"/connectors/{connector}/join")
        return self.ask("leave", "DELETE", f"/connectors/{connector}/leave")

    def look_after(self) -> Any:
        number = self.random.randrange(2)
        host, connector, other = self.hosts[number], self.ids["connectors"][number], self.random.choice(self.people)
        name, method, path, body = self.random.choice(
            [
                ("ban", "PUT", f"bans/{other.id}", {"reason": "rude"}),
                ("unban", "DELETE", f"bans/{other.id}", None),
                ("remove", "DELETE", f"members/{other.id}", None),
                ("invite", "POST", "invitations", {"user_id": str(other.id)}),
                ("promote", "PUT", f"members/{other.id}", {"role": self.random.choice(("member", "moderator"))}),
            ]
        )
        return self.ask(name, method, f"/connectors/{connector}/{path}", body, by=host)

    def relate(self) -> Any:
        other = self.random.choice(self.people)
        method, what = self.random.choice((("POST", "block"), ("DELETE", "block"), ("DELETE", "block")))
        return self.ask(f"{method} {what}", method, f"/users/{other.id}/{what}")

    def rule(self) -> Any:
        number, private = self.random.randrange(2), self.random.random() < 0.4
        body = OPEN | {"is_public": not private}
        name = "private" if private else "public"
        return self.ask(name, "PUT", f"/connectors/{self.ids['connectors'][number]}", body, by=self.hosts[number])

    def trade(self) -> Any:
        item = {"connector_id": self.some("connectors"), "title": "Saw", "price": "5.00", "category": "tools"}
        at = f"/marketplace/items/{self.some('items')}"
        deal = f"/marketplace/purchases/{self.some('purchases')}"
        return self.ask(
            *self.random.choice(
                [
                    ("make items", "POST", "/marketplace/items", item),
                    ("make items", "POST", "/marketplace/items", item),
                    ("make purchases", "POST", f"{at}/buy", None),
                    ("make purchases", "POST", f"{at}/buy", None),
                    ("reserve", "PUT", f"{at}/reservation", None),
                    ("release", "DELETE", f"{at}/reservation", None),
                    ("look", "POST", f"{at}/view", None),
                    ("withdraw", "DELETE", at, None),
                    ("cancel purchase", "POST", f"{deal}/cancel", None),
                    ("complete purchase", "POST", f"{deal}/complete", None),
                ]
            )
        )

    def host(self) -> Any:
        event = {"title": "Swap", "start_date": soon(5), "max_attendees": self.random.choice((1, 2, 3))}
        held = event | {"connector_id": self.some("connectors")}
        return self.ask(
            *self.random.choice(
                [
                    ("make events", "POST", "/events", held),
                    ("make events", "POST", "/events", held),
                    ("make events", "POST", "/events", held),
                    ("edit event", "PUT", f"/events/{self.some('events')}", event),
                    ("cancel event", "DELETE", f"/events/{self.some('events')}", None),
                ]
            )
        )

    def write(self) -> Any:
        connector, post, comment = self.some("connectors"), self.some("posts"), self.some("comments")
        review = {"connector_id": connector, "title": "Good", "content": "Very good", "rating": 4}
        return self.ask(
            *self.random.choice(
                [
                    ("make posts", "POST", "/posts", {"connector_id": connector, "content": "The seedlings."}),
                    ("make posts", "POST", "/posts", {"connector_id": connector, "content": "The beds."}),
                    ("make comments", "POST", f"/posts/{post}/comments", {"content": "Yes"}),
                    ("make reviews", "POST", "/reviews", review),
                    ("delete post", "DELETE", f"/posts/{post}", None),
                    ("delete comment", "DELETE", f"/posts/{post}/comments/{comment}", None),
                ]
            )
        )

    def mark(self) -> Any:
        post, comment, reel = self.some("posts"), self.some("comments"), self.some("reels")
        method = self.random.choice(("POST", "POST", "DELETE"))
        at = self.random.choice(
            (
                f"/posts/{post}/like",
                f"/posts/{post}/comments/{comment}/like",
                f"/reviews/{self.some('reviews')}/helpful",
                f"/reels/{reel}/like",
                f"/reels/{reel}/view",
            )
        )
        if at.endswith("/view"):
            method = "POST"
        elif method == "POST" and "/comments/" in at:
            method = "PUT"
        return self.ask(f"{method} {at}", method, at)
