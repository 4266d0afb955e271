"""Client that simulates a town through the product API: real requests and real feeds, at the present time.

The town is drawn as for a bulk load. Its people register, set their home, create and join connectors, and publish posts
and events through the API; then they request feeds of the platform and react to them by their hidden preferences.
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
from simulator.columns import Ids, id_counts
from simulator.feeds import CONNECTORS_PER_FEED, POSTS_PER_FEED, Impressions, pair_key
from simulator.people import CITY, COUNTRY, STATE, TIME_ZONE
from simulator.places import TOWN_WIDE
from simulator.rows import EMAIL_DOMAIN, usernames
from simulator.spec import DAY_SECONDS
from simulator.text import Writer
from simulator.town import REPLIES, Item, Reply, Town

_MAX_CONCURRENT_CALLS = 8
_TIMEOUT = 30.0
_DISCOVERY_SHARE = 0.2
_UNKNOWN_ITEM_UTILITY = -0.5
_PREFIX = "/api/v1"


class ApiClient:
    """API calls of all people of a town. Call ``await ApiClient(...).run()`` once."""

    def __init__(
        self, town: Town, *, api_url: str, platform_token: str, password: str, on_call: Callable[[str], None]
    ) -> None:
        """Prepare the calls.

        Args:
            town: the town to create.
            api_url: URL of the API, without the prefix of its routes.
            platform_token: token that exempts registrations from the rate limit and confirms e-mail addresses.
            password: password of all users.
            on_call: called with the name of every completed call.
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
        follows = np.sort(pair_key(town.follows.follower, town.follows.followee))
        self._utility = reactions.Utility(town.people, town.connectors, town.choice_model, follows)
        self._concurrency = asyncio.Semaphore(_MAX_CONCURRENT_CALLS)
        self.calls: Counter[str] = Counter()

    async def run(self, *, feeds: int) -> Counter[str]:
        """Create the town, request ``feeds`` feeds, and return the number of calls by name.

        Raises:
            TownError: the API cannot be reached or refuses a call.
        """
        async with httpx.AsyncClient(base_url=self._api_url, timeout=_TIMEOUT) as client:
            self._client = client
            await self._create_town()
            people = draw_weighted(self._rng, self._town.people.activity, feeds)
            for user in people.tolist():
                await self._use_feed(user, Item.CONNECTOR if self._rng.random() < _DISCOVERY_SHARE else Item.POST)
        return self.calls

    def ids(self) -> Ids:
        """Return the ids assigned by the API, for the ground truth; it gives none to items for sale and comments."""
        numbered: tuple[dict[int, str], ...] = (self._people, self._connectors, self._posts, self._events, {}, {})
        return Ids(
            *(
                pl.Series([ids.get(number) for number in range(size)], dtype=pl.String)
                for ids, size in zip(numbered, id_counts(self._town), strict=True)
            )
        )

    async def _create_town(self) -> None:
        town = self._town
        await self._run_concurrently(self._register(user) for user in range(town.people.count))
        await self._run_concurrently(self._create_connector(number) for number in range(len(town.connectors)))
        await self._run_concurrently(
            self._join(user, self._connectors[connector])
            for user, connector in zip(town.memberships.user.tolist(), town.memberships.connector.tolist(), strict=True)
            if town.connectors.founder[connector] != user
        )
        await self._run_concurrently(self._create_post(number) for number in range(len(town.posts)))
        # The API takes no events of the past.
        upcoming = town.events.starts > town.spec.days * DAY_SECONDS
        await self._run_concurrently(self._create_event(number) for number in np.flatnonzero(upcoming).tolist())
        await self._run_concurrently(
            self._rsvp(number) for number in np.flatnonzero(upcoming[town.rsvps.event]).tolist()
        )

    async def _register(self, user: int) -> None:
        town = self._town
        username = self._usernames[user]
        account = {"email": f"{username}@{EMAIL_DOMAIN}", "password": self._password}
        favorites = town.people.tastes.favorites[user]
        profile = {
            "username": username,
            "first_name": town.people.first_names[user],
            "last_name": town.people.last_names[user],
            "neighborhood": town.vocabulary.homes[town.people.home[user]],
            "city": CITY,
            "state": STATE,
            "country": COUNTRY,
            "interests": [
                name for name, is_favorite in zip(self._category_names, favorites, strict=True) if is_favorite
            ],
        }
        session = await self._post("/users/register", {**account, **profile}, name="register")
        self._tokens[user] = session["access_token"]
        self._people[user] = session["user"]["id"]
        home_point = town.people.home_point[user]
        if not np.isnan(home_point).any():
            await self._call("PUT", "/users/profile/home", _point(home_point), user=user, name="set home")

    @property
    def _category_names(self) -> list[str]:
        return [category.name for category in self._town.vocabulary.categories]

    async def _create_connector(self, number: int) -> None:
        town = self._town
        category, theme = town.vocabulary.themes[town.connectors.theme[number]]
        home = town.connectors.home[number]
        name, about = self._writer.connector(
            category, theme, home=CITY if home == TOWN_WIDE else town.vocabulary.homes[home]
        )
        point = _point(town.connectors.location[number])
        body = {"name": name, "description": about, "category": category.name, "point": point}
        created = await self._post(
            "/connectors", body, user=int(town.connectors.founder[number]), name="create connector"
        )
        self._connectors[number] = created["id"]
        self._joined.add((int(town.connectors.founder[number]), created["id"]))

    async def _create_post(self, number: int) -> None:
        posts = self._town.posts
        title, content = self._writer.post(*self._town.vocabulary.themes[posts.theme[number]])
        body = {"connector_id": self._connectors[int(posts.connector[number])], "title": title, "content": content}
        created = await self._post("/posts", body, user=int(posts.author[number]), name="create post")
        self._posts[number] = created["id"]

    async def _create_event(self, number: int) -> None:
        town, events = self._town, self._town.events
        connector = events.connector[number]
        title, about, location = self._writer.event(town.vocabulary.themes[town.connectors.theme[connector]][1])
        body = {
            "connector_id": self._connectors[int(connector)],
            "title": title,
            "description": about,
            "location": location,
            "point": _point(events.location[number]),
            "start_date": self._timestamp(events.starts[number]),
            "end_date": self._timestamp(events.ends[number]),
            "time_zone": TIME_ZONE,
            "max_attendees": int(events.capacity[number]) or None,
        }
        created = await self._post("/events", body, user=int(events.host[number]), name="create event")
        self._events[number] = created["id"]

    async def _rsvp(self, number: int) -> None:
        rsvps = self._town.rsvps
        status = Reply(rsvps.status[number])
        body = {
            "status": REPLIES[Reply.ATTENDING if status is Reply.WAITING else status],
            "guest_count": int(rsvps.guests[number]),
        }
        path = f"/events/{self._events[int(rsvps.event[number])]}/rsvp"
        await self._post(path, body, user=int(rsvps.user[number]), name="reply to event")

    def _timestamp(self, seconds: float) -> str:
        return (self._town.spec.start + timedelta(seconds=float(seconds))).isoformat()

    async def _use_feed(self, user: int, kind: Item) -> None:
        """Request one feed and react to it."""
        path, field = ("content", "post") if kind is Item.POST else ("connectors", "connector")
        limit = POSTS_PER_FEED if kind is Item.POST else CONNECTORS_PER_FEED
        feed = await self._post(f"/recommendations/{path}", {"limit": limit}, user=user, name=f"{field} feed")
        items = [item[field] for item in feed["items"]]
        if not items:
            return
        number = self._numbers(items, kind)
        shown = Impressions(
            request=np.zeros(len(items), dtype=np.int64), item=number, position=np.arange(len(items), dtype=np.int64)
        )
        utility = self._utility_of(user, number, kind)
        acts = reactions.react(self._rng, self._town.choice_model, shown, at=np.zeros(1), utility=utility)
        await self._report(user, feed["request_id"], items, shown, acts, field=field)
        for position in np.flatnonzero(acts.accepted):
            await self._like_or_join(user, items[position]["id"], kind)
        for position in np.flatnonzero(acts.commented & (number >= 0)) if kind is Item.POST else ():
            if (user, items[position]["connector_id"]) not in self._joined:
                continue
            theme = self._town.vocabulary.themes[self._town.posts.theme[number[position]]]
            body = {"content": self._writer.comment(*theme)}
            await self._post(f"/posts/{items[position]['id']}/comments", body, user=user, name="comment")

    def _numbers(self, items: list[Any], kind: Item) -> Ints:
        """Return the number of each item in the town; -1 for items of others."""
        ids = self._posts if kind is Item.POST else self._connectors
        numbers = {ident: number for number, ident in ids.items()}
        return np.array([numbers.get(item["id"], -1) for item in items], dtype=np.int64)

    def _utility_of(self, user: int, number: Ints, kind: Item) -> Floats:
        is_known = number >= 0
        who, what = np.full(int(is_known.sum()), user), number[is_known]
        utility = np.full(len(number), _UNKNOWN_ITEM_UTILITY)
        utility[is_known] = (
            self._utility.of_posts(self._town.posts, who, what)
            if kind is Item.POST
            else self._utility.of_connectors(who, what)
        )
        return utility

    async def _report(
        self, user: int, request_id: str, items: list[Any], shown: Impressions, acts: reactions.Reactions, *, field: str
    ) -> None:
        """Report the interactions with a feed, with the last one at the present time."""
        events: list[tuple[str, int, float, int | None]] = []
        for position in range(len(shown.item)):
            events.append(("impression", position, float(acts.shown_at[position]), None))
            if acts.clicked[position]:
                events.append(("click", position, float(acts.clicked_at[position]), None))
                events.append(("dwell", position, float(acts.left_at[position]), int(acts.dwell_ms[position])))
            if acts.hidden[position]:
                events.append(("hide", position, float(acts.hidden_at[position]), None))
        started = datetime.now(UTC) - timedelta(seconds=max(seconds for _, _, seconds, _ in events))
        batch = [
            {
                "kind": kind,
                "item_kind": field,
                "item_id": items[position]["id"],
                "request_id": request_id,
                "position": int(shown.position[position]),
                "dwell_ms": dwell_ms,
                "occurred_at": (started + timedelta(seconds=seconds)).isoformat(),
            }
            for kind, position, seconds, dwell_ms in sorted(events, key=lambda event: event[2])
        ]
        await self._post("/interactions", {"interactions": batch}, user=user, name="interactions")

    async def _like_or_join(self, user: int, ident: str, kind: Item) -> None:
        if kind is Item.POST:
            await self._post(f"/posts/{ident}/like", user=user, name="like")
        else:
            await self._join(user, ident)

    async def _join(self, user: int, ident: str) -> None:
        await self._post(f"/connectors/{ident}/join", user=user, name="join")
        self._joined.add((user, ident))

    async def _run_concurrently(self, calls: Iterable[Awaitable[None] | Awaitable[Any]]) -> None:
        async def limited(call: Awaitable[Any]) -> None:
            async with self._concurrency:
                await call

        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(limited(call))

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
            response = await self._client.request(method, _PREFIX + path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise TownError(
                f"The API at {self._api_url} cannot be reached ({error!r}). Check it with `make status`."
            ) from error
        if response.is_error:
            raise TownError(f"The API refused to {name}: {response.status_code} {response.text[:300]}")
        self.calls[name] += 1
        self._on_call(name)
        content: dict[str, Any] = response.json() if response.content else {}
        return content


def _point(coordinates: Floats) -> dict[str, float]:
    return {"latitude": float(coordinates[0]), "longitude": float(coordinates[1])}
