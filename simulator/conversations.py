"""Conversations: buyers with sellers, people who follow each other, and groups of connectors."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from simulator.arrays import uuids
from simulator.columns import Ids, id_series
from simulator.market_rows import products_of
from simulator.spec import DAY_SECONDS, SHOWN_PEOPLE
from simulator.town import Town

_PAIRS_PER_PERSON, _GROUPS_PER_CONNECTOR = 0.4, 0.3
_GROUP_SIZE, _RECENT_DAYS, _PAUSE = (3, 7), 2.0, 400.0
_Line = tuple[float, int, str]


@dataclass(slots=True)
class Conversation:
    """A conversation of people by number; ``lines`` are time, author and text. ``title`` is that of a group."""

    members: tuple[int, ...]
    title: str | None = None
    lines: list[_Line] = field(default_factory=list)
    id: str = ""
    read: dict[int, int] = field(default_factory=dict)
    """Number of the last event that each member read."""


def draw_conversations(town: Town, *, without: tuple[int, ...]) -> list[Conversation]:
    """Draw the conversations of a town, of people other than ``without``, in the order of their first line."""
    draw = _Draw(town, without)
    conversations = [*draw.direct(), *draw.groups()]
    conversations.sort(key=lambda conversation: conversation.lines[0][0])
    ids = id_series(uuids(town.spec.generator(25), len(conversations))).to_list()
    for conversation, ident in zip(conversations, ids, strict=True):
        conversation.id = ident
        draw.read(conversation)
    return conversations


class _Draw:
    def __init__(self, town: Town, without: tuple[int, ...]) -> None:
        self._town, self._without = town, set(without)
        self._random, self._end = random.Random(town.spec.seed + 25), town.spec.days * float(DAY_SECONDS)
        self._talk, self._market = town.vocabulary.talk, town.vocabulary.market

    def direct(self) -> list[Conversation]:
        """Return the conversations of two: about deals first, then small talk."""
        threads: dict[tuple[int, int], list[_Line]] = defaultdict(list)
        deals, goods, products = self._town.marketplace.purchases, self._town.marketplace.goods, products_of(self._town)
        for number, item in enumerate(deals.goods.tolist()):
            buyer, seller = int(deals.buyer[number]), int(goods.seller[item])
            market = self._market
            texts = [
                self._random.choice(part) for part in (market.questions, market.answers, market.closings, market.thanks)
            ]
            begin = max(float(deals.at[number]) - 5_400.0, float(goods.created[item]) + 60.0)
            self._say(threads, (buyer, seller), texts, begin=begin, item=_plain(products[item].name))
        for one, other in self._pairs():
            begin = self._begin(one, other, is_recent=min(one, other) < SHOWN_PEOPLE)
            self._say(threads, (one, other), self._random.choice(self._talk.direct), begin=begin)
        return [Conversation(members=pair, lines=sorted(lines)) for pair, lines in threads.items() if lines]

    def groups(self) -> list[Conversation]:
        """Return the conversations of groups, each about the theme of a connector."""
        memberships, groups = self._town.memberships, []
        size = np.bincount(memberships.connector, minlength=len(self._town.connectors))
        candidates = np.flatnonzero(size >= _GROUP_SIZE[0]).tolist()
        chosen = self._random.sample(
            candidates, min(len(candidates), max(2, round(_GROUPS_PER_CONNECTOR * len(candidates))))
        )
        for person in range(min(SHOWN_PEOPLE, self._town.people.count)):
            own = [
                number for number in memberships.connector[memberships.user == person].tolist() if number in candidates
            ]
            if own and not set(own) & set(chosen):
                chosen.append(own[0])
        for connector in chosen:
            members = [
                user
                for user in memberships.user[memberships.connector == connector].tolist()
                if user not in self._without
            ]
            shown = [user for user in members if user < SHOWN_PEOPLE]
            rest = [user for user in members if user >= SHOWN_PEOPLE]
            people = (shown + self._random.sample(rest, min(len(rest), self._random.randint(*_GROUP_SIZE))))[
                : _GROUP_SIZE[1]
            ]
            if len(people) < _GROUP_SIZE[0]:
                continue
            self._random.shuffle(people)
            theme = self._town.connectors.theme[connector]
            threads: dict[tuple[int, ...], list[_Line]] = defaultdict(list)
            joined = memberships.joined[np.isin(memberships.user, people) & (memberships.connector == connector)].max()
            begin = max(float(joined), 0.0) + 60.0
            for _ in range(2):
                since = begin + (self._end - begin) * self._random.uniform(0.3, 0.97)
                self._say(threads, tuple(people), self._random.choice(self._talk.group), begin=since, theme=int(theme))
            lines = sorted(threads[tuple(people)])
            if lines:
                title = f"{self._town.vocabulary.themes[theme][1].name.capitalize()}: who is in?"
                groups.append(Conversation(members=tuple(people), title=title, lines=lines))
        return groups

    def read(self, conversation: Conversation) -> None:
        """Draw up to which event each member has read: all of an old conversation, else at least their own lines."""
        events = len(conversation.members) + len(conversation.lines)
        is_old = conversation.lines[-1][0] < self._end - _RECENT_DAYS * DAY_SECONDS
        for member in conversation.members:
            own = [nth for nth, (_, author, _) in enumerate(conversation.lines, start=1) if author == member]
            least = len(conversation.members) + (own[-1] if own else 0)
            conversation.read[member] = events if is_old or self._random.random() < 0.5 else least  # noqa: PLR2004

    def _pairs(self) -> Iterator[tuple[int, int]]:
        follows = self._town.follows
        count = min(len(follows), round(_PAIRS_PER_PERSON * self._town.people.count))
        yield from (
            (int(follows.follower[number]), int(follows.followee[number]))
            for number in self._random.sample(range(len(follows)), count)
        )
        for person in range(min(SHOWN_PEOPLE, self._town.people.count)):
            yield (person + 3) % self._town.people.count, person

    def _begin(self, one: int, other: int, *, is_recent: bool) -> float:
        met = max(0.0, *self._town.people.arrived[[one, other]].tolist()) + 600.0
        since = max(met, self._end - _RECENT_DAYS * DAY_SECONDS) if is_recent else met
        return float(since + (self._end - since) * self._random.uniform(0.1, 0.95))

    def _say(
        self,
        threads: dict[Any, list[_Line]],
        people: tuple[int, ...],
        texts: Any,
        *,
        begin: float,
        item: str = "",
        theme: int | None = None,
    ) -> None:
        """Add lines in turns to the thread of these people; lines after the end of the history are left out."""
        if len(set(people)) < 2 or self._without & set(people):  # noqa: PLR2004 (nobody talks to themselves)
            return
        is_direct = len(people) == 2  # noqa: PLR2004
        key = people if not is_direct or people in threads else people[::-1] if people[::-1] in threads else people
        number = self._town.connectors.theme[0] if theme is None else theme
        things = self._town.vocabulary.themes[int(number) if theme is not None else self._random.randrange(3)][1]
        doing = self._random.choice(things.doings)
        words = {
            "name": self._town.people.first_names[people[1]],
            "item": item,
            "thing": self._random.choice(things.things),
            "doing": doing,
            "Doing": doing[:1].upper() + doing[1:],
            "place": self._random.choice(self._town.vocabulary.places),
            "time": self._random.choice(self._town.vocabulary.times),
        }
        at = begin
        for nth, text in enumerate(texts):
            at += self._random.uniform(0.1, 1.0) * _PAUSE
            if at < self._end - 1:
                threads[key].append((at, people[nth % len(people)], text.format(**words)))


def conversation_rows(town: Town, ids: Ids, conversations: list[Conversation]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of conversations, members, messages and their numbered events."""
    rng, users = town.spec.generator(26), ids.users.to_list()
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    count = sum(2 * len(one.members) + 2 * len(one.lines) for one in conversations)
    fresh = iter(id_series(uuids(rng, count)).to_list())

    def stamp(seconds: float) -> Any:
        return town.spec.start + timedelta(seconds=seconds)

    for one in conversations:
        begin, key = stamp(one.lines[0][0] - 5.0), None
        if one.title is None:
            key = ":".join(sorted(users[member] for member in one.members))
        tables["conversations"].append(
            {
                "id": one.id,
                "kind": "direct" if one.title is None else "group",
                "title": one.title,
                "created_by": users[one.members[0]],
                "direct_key": key,
                "last_event_id": len(one.members) + len(one.lines),
                "last_message_at": stamp(one.lines[-1][0]),
                "created_at": begin,
            }
        )
        for number, member in enumerate(one.members, start=1):
            tables["conversation_members"].append(
                {"id": next(fresh), "conversation_id": one.id, "user_id": users[member], "joined_at": begin}
                | {"read_up_to": one.read[member]}
            )
            tables["chat_events"].append(
                {"id": next(fresh), "conversation_id": one.id, "event_id": number, "kind": "member.joined"}
                | {"user_id": users[member], "message_id": None, "created_at": begin}
            )
        for number, (at, author, content) in enumerate(one.lines, start=len(one.members) + 1):
            message = next(fresh)
            tables["chat_messages"].append(
                {"id": message, "conversation_id": one.id, "author_id": users[author], "event_id": number}
                | {"content": content, "created_at": stamp(at)}
            )
            tables["chat_events"].append(
                {"id": next(fresh), "conversation_id": one.id, "event_id": number, "kind": "message.created"}
                | {"user_id": users[author], "message_id": message, "created_at": stamp(at)}
            )
    for table in ("conversations", "conversation_members", "chat_messages", "chat_events"):
        if tables[table]:
            yield table, pl.DataFrame(tables[table], infer_schema_length=None)


def _plain(name: str) -> str:
    return name[:1].lower() + name[1:]
