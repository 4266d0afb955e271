"""A town's days: people arrive, write, ask for feeds, and act on what they are shown by their hidden preferences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from simulator import founding, reactions
from simulator.arrays import Bools, Floats, Groups, Ints, contains, draw_weighted
from simulator.clock import seconds_of_day
from simulator.events import draw_events
from simulator.feeds import PostIndex, pair_key, show_connectors, show_posts
from simulator.people import People, draw_people
from simulator.preferences import Behaviour
from simulator.reactions import Utility
from simulator.spec import DAY_SECONDS, TownSpec
from simulator.town import Comments, Connectors, Interactions, Item, Kind, Likes, Memberships, Posts, Town
from simulator.vocabulary import load_vocabulary

_FOUNDING_POSTS = 0.15
_OWN_THEME = 0.8
_DISCOVERY = 0.2
_REPLY = 0.25


def build_town(spec: TownSpec, *, on_day: Callable[[int], None] = lambda _day: None) -> Town:
    """Draw a town and live through its days. The same spec gives the same town.

    Args:
        spec: the order.
        on_day: called after each day with its number, for progress.
    """
    vocabulary = load_vocabulary()
    people = draw_people(spec, vocabulary)
    connectors = founding.found_connectors(spec, vocabulary, people)
    memberships = founding.first_memberships(spec, people, connectors)
    ties = founding.draw_ties(spec, people, memberships, connectors=len(connectors))
    life = _Life(spec, people, connectors, memberships, ties_by_pair=pair_key(ties.follower, ties.followee))
    for day in range(spec.days):
        life.live(day)
        on_day(day)
    interactions = Interactions.concatenate(life.interactions)
    events, answers = draw_events(spec, people, connectors, life.memberships)
    return Town(
        spec=spec,
        vocabulary=vocabulary,
        behaviour=life.behaviour,
        people=people,
        connectors=connectors,
        memberships=life.memberships,
        ties=ties,
        posts=life.posts,
        likes=Likes.concatenate(life.likes),
        comments=_with_replies(spec.generator(6), Comments.concatenate(life.comments)),
        events=events,
        answers=answers,
        interactions=interactions.take(np.argsort(interactions.at, kind="stable")),
        requests=life.requests,
    )


class _Life:
    """What has happened so far; ``live`` adds a day."""

    def __init__(
        self, spec: TownSpec, people: People, connectors: Connectors, memberships: Memberships, *, ties_by_pair: Ints
    ) -> None:
        self.spec, self.people, self.connectors = spec, people, connectors
        self.behaviour = Behaviour()
        self.memberships = memberships
        self.likes: list[Likes] = []
        self.comments: list[Comments] = []
        self.interactions: list[Interactions] = []
        self.requests = 0
        self._utility = Utility(people, connectors, self.behaviour, np.sort(ties_by_pair))
        self._opened = np.empty(0, dtype=np.int64)
        self._rng = spec.generator(5)
        self.posts = self._founding_posts()
        self._presence = np.array([self._present(day).sum() for day in range(spec.days)])

    def _present(self, day: int) -> Floats:
        """Return each person's activity on a day: in part on the day of arrival."""
        share = np.clip((day + 1) - self.people.arrived / DAY_SECONDS, 0.0, 1.0)
        result: Floats = self.people.activity * share
        return result

    def live(self, day: int) -> None:
        """Add one day: posts first, then feeds and what came of them."""
        share = self._presence[day] / self._presence.sum()
        self._write_posts(day, round(self.spec.posts * (1 - _FOUNDING_POSTS) * share))
        requests = round(self.spec.requests * share)
        discoveries = round(requests * _DISCOVERY)
        self._ask(day, requests - discoveries, Item.POST)
        self._ask(day, discoveries, Item.CONNECTOR)

    def _founding_posts(self) -> Posts:
        """Write what was there when recording began, each after its author had joined."""
        early = self.memberships.take(self.memberships.joined < 0)
        count = round(self.spec.posts * _FOUNDING_POSTS)
        chosen = early.take(self._rng.integers(0, len(early), count))
        created = chosen.joined * (1 - self._rng.random(count) ** 2)
        return self._posts(chosen, created)

    def _write_posts(self, day: int, count: int) -> None:
        members = self.memberships.take(self.memberships.joined < day * DAY_SECONDS)
        size = np.bincount(members.connector, minlength=len(self.connectors)).astype(float)
        connector = draw_weighted(self._rng, size**0.8, count)
        chosen = Groups(members.connector, np.arange(len(members)), groups=len(self.connectors)).draw(
            self._rng, connector
        )
        created = day * DAY_SECONDS + self._moments(day, count)
        self.posts = Posts.concatenate([self.posts, self._posts(members.take(chosen), created)])

    def _posts(self, authors: Memberships, created: Floats) -> Posts:
        count = len(authors)
        own = self.connectors.theme[authors.connector]
        # A post strays at times to another theme of its category.
        siblings = Groups(
            self.connectors.category, self.connectors.theme, groups=int(self.connectors.category.max()) + 1
        )
        other = siblings.draw(self._rng, self.connectors.category[authors.connector])
        posts = Posts(
            connector=authors.connector,
            author=authors.user,
            theme=np.where(self._rng.random(count) < _OWN_THEME, own, other),
            quality=self._rng.normal(0.0, 0.6, count),
            created=created,
        )
        return posts.take(np.argsort(created, kind="stable"))

    def _moments(self, day: int, count: int) -> Floats:
        return seconds_of_day(self._rng, self.spec.start + timedelta(days=day), count=count)

    def _ask(self, day: int, count: int, item_kind: Item) -> None:
        """Let that many feeds be asked for and acted on."""
        user = draw_weighted(self._rng, self._present(day), count)
        at = day * DAY_SECONDS + self._moments(day, count)
        arrived = self.people.arrived[user]
        late = (day + 1) * DAY_SECONDS - arrived
        at = np.where(at < arrived, arrived + late * self._rng.random(count), at)
        order = np.argsort(at, kind="stable")
        user, at = user[order], at[order]
        if item_kind is Item.POST:
            index = PostIndex(self.posts, connectors=len(self.connectors), horizon=self.spec.days * DAY_SECONDS + 1e7)
            past = self.memberships.take(self.memberships.joined < day * DAY_SECONDS)
            joined = Groups(past.user, past.connector, groups=self.people.count)
            shown = show_posts(self._rng, index, self.posts, joined, user=user, at=at, seen=self._opened)
        else:
            shown = show_connectors(self._rng, self.connectors, self.memberships, user=user, at=at)
        who = user[shown.asker]
        utility = (
            self._utility.of_posts(self.posts, who, shown.item)
            if item_kind is Item.POST
            else self._utility.of_connectors(who, shown.item)
        )
        acts = reactions.react(self._rng, self.behaviour, shown, at=at, utility=utility)
        self._record(
            item_kind, acts, who=who, item=shown.item, position=shown.position, request=shown.asker + self.requests
        )
        self.requests += count

    def _record(
        self, item_kind: Item, acts: reactions.Acts, *, who: Ints, item: Ints, position: Ints, request: Ints
    ) -> None:
        end = self.spec.days * DAY_SECONDS
        rows = [
            Interactions(
                user=who[chosen].astype(np.int32),
                kind=np.full(len(chosen), kind, dtype=np.int8),
                item_kind=np.full(len(chosen), item_kind, dtype=np.int8),
                item=item[chosen].astype(np.int32),
                request=request[chosen].astype(np.int32),
                position=position[chosen].astype(np.int16),
                dwell_ms=acts.dwell_ms[chosen] if kind is Kind.DWELL else np.full(len(chosen), -1, dtype=np.int32),
                at=moments[chosen],
            )
            for kind, chosen, moments in (
                (Kind.IMPRESSION, np.arange(len(who)), acts.shown_at),
                (Kind.CLICK, np.flatnonzero(acts.clicked), acts.clicked_at),
                (Kind.DWELL, np.flatnonzero(acts.clicked), acts.left_at),
                (Kind.HIDE, np.flatnonzero(acts.hidden), acts.hidden_at),
            )
        ]
        day = Interactions.concatenate(rows)
        self.interactions.append(day.take(day.at < end))

        if item_kind is Item.POST:
            in_time = acts.left_at + 180 < end
            liked = np.flatnonzero(acts.agreed & in_time)
            member = self._joined_before(who, self.posts.connector[item], acts.left_at)
            said = np.flatnonzero(acts.commented & member & in_time)
            self.likes.append(Likes(user=who[liked], post=item[liked], at=acts.left_at[liked]))
            said = said[np.argsort(acts.left_at[said], kind="stable")]
            comments = Comments(
                user=who[said], post=item[said], at=acts.left_at[said] + 20.0, parent=np.full(len(said), -1)
            )
            self.comments.append(comments)
            gone = acts.clicked | acts.hidden
            self._opened = np.sort(np.concatenate([self._opened, pair_key(who[gone], item[gone])]))
        self._join(item_kind, who, item, acts, end=end)

    def _joined_before(self, user: Ints, connector: Ints, at: Floats) -> Bools:
        """Say who was a member of the connector by then; others cannot comment in it."""
        keys = pair_key(self.memberships.user, self.memberships.connector)
        order = np.argsort(keys)
        wanted = pair_key(user, connector)
        place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        result: Bools = (keys[order][place] == wanted) & (self.memberships.joined[order][place] < at)
        return result

    def _join(self, item_kind: Item, who: Ints, item: Ints, acts: reactions.Acts, *, end: float) -> None:
        """Join the connectors that were agreed to, and some whose posts were liked."""
        connector = self.posts.connector[item] if item_kind is Item.POST else item
        chance = self.behaviour.join_after_like if item_kind is Item.POST else 1.0
        wants = acts.agreed & (self._rng.random(len(who)) < chance) & (acts.left_at + 60 < end)
        new = Memberships(user=who[wants], connector=connector[wants], joined=acts.left_at[wants] + 15.0)
        keys = pair_key(new.user, new.connector)
        _, first = np.unique(keys, return_index=True)
        fresh = np.sort(first)
        known = np.sort(pair_key(self.memberships.user, self.memberships.connector))
        fresh = fresh[~contains(known, keys[fresh])]
        self.memberships = Memberships.concatenate([self.memberships, new.take(fresh)])


def _with_replies(rng: np.random.Generator, comments: Comments) -> Comments:
    """Make some comments answers to the one before them under the same post."""
    comments = comments.take(np.argsort(comments.at, kind="stable"))
    order = np.lexsort((comments.at, comments.post))
    follows = np.zeros(len(order), dtype=bool)
    follows[1:] = comments.post[order[1:]] == comments.post[order[:-1]]
    replies = follows & (rng.random(len(order)) < _REPLY)
    parent = comments.parent.copy()
    parent[order[replies]] = order[np.flatnonzero(replies) - 1]
    return Comments(user=comments.user, post=comments.post, at=comments.at, parent=parent)
