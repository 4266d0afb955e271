"""Lives in the town through the API's front door: real requests, real feeds, at the present time.

The town is drawn as for a bulk load; people register, say where they live, found, join, write and hold events through
the API, then ask for the feeds that the platform really serves and act on them by their hidden preferences.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import polars as pl

from simulator import reactions
from simulator.arrays import Floats, Ints, draw_weighted
from simulator.bulk import TownError
from simulator.columns import Ids
from simulator.feeds import CONNECTORS_SHOWN, POSTS_SHOWN, Shown, pair_key
from simulator.people import CITY, COUNTRY, STATE, TIME_ZONE
from simulator.places import TOWN_WIDE
from simulator.rows import EMAIL_DOMAIN, usernames
from simulator.text import Writer
from simulator.town import Item, Town

_AT_ONCE = 8
_TIMEOUT = 30.0
_DISCOVERY = 0.2
_WORTH_OF_THE_UNKNOWN = -0.5
_PREFIX = "/api/v1"


class FrontDoor:
    """One town's people at the API. Use as ``await FrontDoor(...).live()`` once."""

    def __init__(
        self, town: Town, *, api_url: str, platform_token: str, password: str, on_call: Callable[[str], None]
    ) -> None:
        """Prepare the town.

        Args:
            town: its people and what they do.
            api_url: the API, without the prefix of its routes.
            platform_token: lets many people register from one address, and counts their addresses as confirmed.
            password: the password of all of them.
            on_call: called with the name of every call.
        """
        self._town, self._password, self._on_call = town, password, on_call
        self._platform_token = platform_token
        self._api_url = api_url
        self._writer = Writer(town.vocabulary, seed=town.spec.seed)
        self._usernames = usernames(town)
        self._rng = town.spec.generator(11)
        self._tokens: dict[int, str] = {}
        self._people: dict[int, str] = {}
        self._connectors: dict[int, str] = {}
        self._joined: set[tuple[int, str]] = set()
        self._posts: dict[int, str] = {}
        self._events: dict[int, str] = {}
        ties = np.sort(pair_key(town.ties.follower, town.ties.followee))
        self._utility = reactions.Utility(town.people, town.connectors, town.behaviour, ties)
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.calls: Counter[str] = Counter()

    async def live(self, *, feeds: int) -> Counter[str]:
        """Settle in, ask for that many feeds, and return how many calls of each kind were made.

        Raises:
            TownError: when the API cannot be reached or refuses a call.
        """
        async with httpx.AsyncClient(base_url=self._api_url, timeout=_TIMEOUT) as client:
            self._client = client
            await self._settle_in()
            people = draw_weighted(self._rng, self._town.people.activity, feeds)
            for user in people.tolist():
                await self._look(user, Item.CONNECTOR if self._rng.random() < _DISCOVERY else Item.POST)
        return self.calls

    def ids(self) -> Ids:
        """Return the ids that the API gave, for the ground truth."""
        return Ids(
            *(
                pl.Series([known[number] for number in sorted(known)])
                for known in (self._people, self._connectors, self._posts)
            )
        )

    async def _settle_in(self) -> None:
        town = self._town
        await self._together(self._arrive(user) for user in range(town.people.count))
        await self._together(self._found(number) for number in range(len(town.connectors)))
        await self._together(
            self._join(user, self._connectors[connector])
            for user, connector in zip(town.memberships.user.tolist(), town.memberships.connector.tolist(), strict=True)
            if town.connectors.founder[connector] != user
        )
        await self._together(self._publish(number) for number in range(len(town.posts)))
        await self._together(self._hold(number) for number in range(len(town.events)))
        await self._together(self._answer(number) for number in range(len(town.answers)))

    async def _arrive(self, user: int) -> None:
        town = self._town
        username = self._usernames[user]
        account = {"email": f"{username}@{EMAIL_DOMAIN}", "password": self._password}
        favourites = town.people.tastes.favourites[user]
        profile = {
            "username": username,
            "first_name": town.people.first_names[user],
            "last_name": town.people.last_names[user],
            "neighborhood": town.vocabulary.homes[town.people.home[user]],
            "city": CITY,
            "state": STATE,
            "country": COUNTRY,
            "interests": [name for name, is_one in zip(self._category_names, favourites, strict=True) if is_one],
        }
        session = await self._post("/users/register", {**account, **profile}, name="register")
        self._tokens[user] = session["access_token"]
        self._people[user] = session["user"]["id"]
        house = town.people.house[user]
        if not np.isnan(house).any():
            await self._call("PUT", "/users/profile/home", _point(house), user=user, name="say where home is")

    @property
    def _category_names(self) -> list[str]:
        return [category.name for category in self._town.vocabulary.categories]

    async def _found(self, number: int) -> None:
        town = self._town
        category, theme = town.vocabulary.themes[town.connectors.theme[number]]
        home = town.connectors.home[number]
        name, about = self._writer.connector(
            category, theme, home=CITY if home == TOWN_WIDE else town.vocabulary.homes[home]
        )
        point = _point(town.connectors.place[number])
        body = {"name": name, "description": about, "category": category.name, "point": point}
        made = await self._post("/connectors", body, user=int(town.connectors.founder[number]), name="create connector")
        self._connectors[number] = made["id"]
        self._joined.add((int(town.connectors.founder[number]), made["id"]))

    async def _publish(self, number: int) -> None:
        posts = self._town.posts
        title, content = self._writer.post(*self._town.vocabulary.themes[posts.theme[number]])
        body = {"connector_id": self._connectors[int(posts.connector[number])], "title": title, "content": content}
        made = await self._post("/posts", body, user=int(posts.author[number]), name="post")
        self._posts[number] = made["id"]

    async def _hold(self, number: int) -> None:
        town, events = self._town, self._town.events
        connector = events.connector[number]
        title, about, place = self._writer.event(town.vocabulary.themes[town.connectors.theme[connector]][1])
        body = {
            "connector_id": self._connectors[int(connector)],
            "title": title,
            "description": about,
            "location": place,
            "point": _point(events.place[number]),
            "start_date": self._moment(events.starts[number]),
            "end_date": self._moment(events.ends[number]),
            "time_zone": TIME_ZONE,
            "max_attendees": int(events.room[number]) or None,
        }
        made = await self._post("/events", body, user=int(events.host[number]), name="event")
        self._events[number] = made["id"]

    async def _answer(self, number: int) -> None:
        answers = self._town.answers
        body = {"status": "maybe" if answers.maybe[number] else "attending"}
        path = f"/events/{self._events[int(answers.event[number])]}/rsvp"
        await self._post(path, body, user=int(answers.user[number]), name="answer to an event")

    def _moment(self, seconds: float) -> str:
        return (self._town.spec.start + timedelta(seconds=float(seconds))).isoformat()

    async def _look(self, user: int, kind: Item) -> None:
        """Ask for one feed and act on it."""
        path, field = ("content", "post") if kind is Item.POST else ("connectors", "connector")
        limit = POSTS_SHOWN if kind is Item.POST else CONNECTORS_SHOWN
        feed = await self._post(f"/recommendations/{path}", {"limit": limit}, user=user, name=f"{field} feed")
        items = [item[field] for item in feed["items"]]
        if not items:
            return
        number = self._numbers(items, kind)
        shown = Shown(
            asker=np.zeros(len(items), dtype=np.int64), item=number, position=np.arange(len(items), dtype=np.int64)
        )
        utility = self._worth(user, number, kind)
        acts = reactions.react(self._rng, self._town.behaviour, shown, at=np.zeros(1), utility=utility)
        await self._report(user, feed["request_id"], items, shown, acts, field=field)
        for place in np.flatnonzero(acts.agreed):
            await self._agree(user, items[place]["id"], kind)
        for place in np.flatnonzero(acts.commented & (number >= 0)) if kind is Item.POST else ():
            if (user, items[place]["connector_id"]) not in self._joined:
                continue
            theme = self._town.vocabulary.themes[self._town.posts.theme[number[place]]]
            body = {"content": self._writer.comment(*theme)}
            await self._post(f"/posts/{items[place]['id']}/comments", body, user=user, name="comment")

    def _numbers(self, items: list[Any], kind: Item) -> Ints:
        """Return each item's number in the town; -1 for what the town did not make itself."""
        known = self._posts if kind is Item.POST else self._connectors
        numbers = {ident: number for number, ident in known.items()}
        return np.array([numbers.get(item["id"], -1) for item in items], dtype=np.int64)

    def _worth(self, user: int, number: Ints, kind: Item) -> Floats:
        known = number >= 0
        who, what = np.full(int(known.sum()), user), number[known]
        worth = np.full(len(number), _WORTH_OF_THE_UNKNOWN)
        worth[known] = (
            self._utility.of_posts(self._town.posts, who, what)
            if kind is Item.POST
            else self._utility.of_connectors(who, what)
        )
        return worth

    async def _report(
        self, user: int, request_id: str, items: list[Any], shown: Shown, acts: reactions.Acts, *, field: str
    ) -> None:
        """Report a feed's behaviour so that its last event happened just now."""
        events: list[tuple[str, int, float, int | None]] = []
        for place in range(len(shown.item)):
            events.append(("impression", place, float(acts.shown_at[place]), None))
            if acts.clicked[place]:
                events.append(("click", place, float(acts.clicked_at[place]), None))
                events.append(("dwell", place, float(acts.left_at[place]), int(acts.dwell_ms[place])))
            if acts.hidden[place]:
                events.append(("hide", place, float(acts.hidden_at[place]), None))
        began = datetime.now(UTC) - timedelta(seconds=max(seconds for _, _, seconds, _ in events))
        batch = [
            {
                "kind": kind,
                "item_kind": field,
                "item_id": items[place]["id"],
                "request_id": request_id,
                "position": int(shown.position[place]),
                "dwell_ms": dwell_ms,
                "occurred_at": (began + timedelta(seconds=seconds)).isoformat(),
            }
            for kind, place, seconds, dwell_ms in sorted(events, key=lambda event: event[2])
        ]
        await self._post("/interactions", {"interactions": batch}, user=user, name="interactions")

    async def _agree(self, user: int, ident: str, kind: Item) -> None:
        if kind is Item.POST:
            await self._post(f"/posts/{ident}/like", user=user, name="like")
        else:
            await self._join(user, ident)

    async def _join(self, user: int, ident: str) -> None:
        await self._post(f"/connectors/{ident}/join", user=user, name="join")
        self._joined.add((user, ident))

    async def _together(self, calls: Iterable[Awaitable[None] | Awaitable[Any]]) -> None:
        async def one(call: Awaitable[Any]) -> None:
            async with self._room:
                await call

        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(one(call))

    async def _post(
        self, path: str, body: dict[str, Any] | None = None, *, user: int | None = None, name: str
    ) -> dict[str, Any]:
        return await self._call("POST", path, body, user=user, name=name)

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None, *, user: int | None, name: str
    ) -> dict[str, Any]:
        if user is None:
            headers = {"x-platform-token": self._platform_token}
        else:
            headers = {"authorization": f"Bearer {self._tokens[user]}"}
        try:
            answer = await self._client.request(method, _PREFIX + path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise TownError(
                f"The API at {self._api_url} cannot be reached ({error!r}). Is it up? `make status`"
            ) from error
        if answer.is_error:
            raise TownError(f"The API refused to {name}: {answer.status_code} {answer.text[:300]}")
        self.calls[name] += 1
        self._on_call(name)
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content


def _point(place: Floats) -> dict[str, float]:
    return {"latitude": float(place[0]), "longitude": float(place[1])}
