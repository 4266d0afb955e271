"""Day-by-day simulation of a town: people arrive, write posts, request feeds and react by hidden preferences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from simulator import founding, reactions
from simulator.arrays import Bools, Floats, Groups, Ints, contains, draw_weighted
from simulator.events import draw_events
from simulator.feeds import PostIndex, pair_key, select_connectors, select_posts
from simulator.marketplace import draw_marketplace
from simulator.people import People, draw_people
from simulator.preferences import ChoiceModel
from simulator.reactions import Utility
from simulator.reviews import draw_reviews
from simulator.rhythm import seconds_of_day
from simulator.spec import DAY_SECONDS, TownSpec
from simulator.town import Comments, Connectors, Interactions, Item, Kind, Likes, Memberships, Posts, Town
from simulator.vocabulary import load_vocabulary

_FOUNDING_POST_SHARE = 0.15
_OWN_THEME_SHARE = 0.8
_DISCOVERY_SHARE = 0.2
_REPLY_SHARE = 0.25


def build_town(spec: TownSpec, *, on_day: Callable[[int], None] = lambda _day: None) -> Town:
    """Draw a town and simulate its days. The same spec yields the same town.

    Args:
        spec: size, days and seed.
        on_day: called after each day with its number, for progress.
    """
    vocabulary = load_vocabulary()
    people = draw_people(spec, vocabulary)
    connectors = founding.draw_connectors(spec, vocabulary, people)
    memberships = founding.draw_first_memberships(spec, people, connectors)
    follows = founding.draw_follows(spec, people, memberships, connectors=len(connectors))
    simulation = _Simulation(
        spec, people, connectors, memberships, follow_keys=pair_key(follows.follower, follows.followee)
    )
    for day in range(spec.days):
        simulation.simulate_day(day)
        on_day(day)
    interactions = Interactions.concatenate(simulation.interactions)
    members, utility = simulation.memberships, simulation.utility
    marketplace, of_goods, lists = draw_marketplace(spec, vocabulary, members, utility)
    events, rsvps, of_events, event_lists = draw_events(spec, connectors, members, utility, first_request=lists)
    reviews, review_votes = draw_reviews(spec, members, utility, connectors=len(connectors))
    browsing = Interactions.concatenate([of_goods, of_events])
    return Town(
        spec=spec,
        vocabulary=vocabulary,
        choice_model=simulation.choice_model,
        people=people,
        connectors=connectors,
        memberships=simulation.memberships,
        follows=follows,
        posts=simulation.posts,
        likes=Likes.concatenate(simulation.likes),
        comments=_with_replies(spec.generator(6), Comments.concatenate(simulation.comments)),
        events=events,
        rsvps=rsvps,
        interactions=interactions.take(np.argsort(interactions.at, kind="stable")),
        requests=simulation.requests,
        marketplace=marketplace,
        reviews=reviews,
        review_votes=review_votes,
        browsing=browsing.take(np.argsort(browsing.at, kind="stable")),
        browsing_requests=lists + event_lists,
    )


class _Simulation:
    """State of the simulation; ``simulate_day`` adds a day."""

    def __init__(
        self, spec: TownSpec, people: People, connectors: Connectors, memberships: Memberships, *, follow_keys: Ints
    ) -> None:
        self.spec, self.people, self.connectors = spec, people, connectors
        self.choice_model = ChoiceModel()
        self.memberships = memberships
        self.likes: list[Likes] = []
        self.comments: list[Comments] = []
        self.interactions: list[Interactions] = []
        self.requests = 0
        self.utility = Utility(people, connectors, self.choice_model, np.sort(follow_keys))
        self._opened = np.empty(0, dtype=np.int64)
        self._rng = spec.generator(5)
        self.posts = self._founding_posts()
        self._activity_by_day = np.array([self._activity_on(day).sum() for day in range(spec.days)])

    def _activity_on(self, day: int) -> Floats:
        """Return the activity of each person on a day, prorated on the day of arrival."""
        share = np.clip((day + 1) - self.people.arrived / DAY_SECONDS, 0.0, 1.0)
        result: Floats = self.people.activity * share
        return result

    def simulate_day(self, day: int) -> None:
        """Simulate one day: posts first, then feeds and the reactions to them."""
        share = self._activity_by_day[day] / self._activity_by_day.sum()
        self._write_posts(day, round(self.spec.posts * (1 - _FOUNDING_POST_SHARE) * share))
        requests = round(self.spec.requests * share)
        discoveries = round(requests * _DISCOVERY_SHARE)
        self._request_feeds(day, requests - discoveries, Item.POST)
        self._request_feeds(day, discoveries, Item.CONNECTOR)

    def _founding_posts(self) -> Posts:
        """Draw the posts from before the start of the history, each after its author joined."""
        early = self.memberships.take(self.memberships.joined < 0)
        count = round(self.spec.posts * _FOUNDING_POST_SHARE)
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
        created = day * DAY_SECONDS + self._draw_times(day, count)
        self.posts = Posts.concatenate([self.posts, self._posts(members.take(chosen), created)])

    def _posts(self, authors: Memberships, created: Floats) -> Posts:
        count = len(authors)
        own = self.connectors.theme[authors.connector]
        # Some posts have another theme of the same category.
        siblings = Groups(
            self.connectors.category, self.connectors.theme, groups=int(self.connectors.category.max()) + 1
        )
        other = siblings.draw(self._rng, self.connectors.category[authors.connector])
        posts = Posts(
            connector=authors.connector,
            author=authors.user,
            theme=np.where(self._rng.random(count) < _OWN_THEME_SHARE, own, other),
            quality=self._rng.normal(0.0, 0.6, count),
            created=created,
        )
        return posts.take(np.argsort(created, kind="stable"))

    def _draw_times(self, day: int, count: int) -> Floats:
        return seconds_of_day(self._rng, self.spec.start + timedelta(days=day), count=count)

    def _request_feeds(self, day: int, count: int, item_kind: Item) -> None:
        """Simulate ``count`` feed requests and the reactions to them."""
        user = draw_weighted(self._rng, self._activity_on(day), count)
        at = day * DAY_SECONDS + self._draw_times(day, count)
        arrived = self.people.arrived[user]
        late = (day + 1) * DAY_SECONDS - arrived
        at = np.where(at < arrived, arrived + late * self._rng.random(count), at)
        order = np.argsort(at, kind="stable")
        user, at = user[order], at[order]
        if item_kind is Item.POST:
            index = PostIndex(self.posts, connectors=len(self.connectors), horizon=self.spec.days * DAY_SECONDS + 1e7)
            past = self.memberships.take(self.memberships.joined < day * DAY_SECONDS)
            joined = Groups(past.user, past.connector, groups=self.people.count)
            shown = select_posts(self._rng, index, self.posts, joined, user=user, at=at, seen=self._opened)
        else:
            shown = select_connectors(self._rng, self.connectors, self.memberships, user=user, at=at)
        who = user[shown.request]
        utility = (
            self.utility.of_posts(self.posts, who, shown.item)
            if item_kind is Item.POST
            else self.utility.of_connectors(who, shown.item)
        )
        acts = reactions.react(self._rng, self.choice_model, shown, at=at, utility=utility)
        self._record(
            item_kind, acts, who=who, item=shown.item, position=shown.position, request=shown.request + self.requests
        )
        self.requests += count

    def _record(
        self, item_kind: Item, acts: reactions.Reactions, *, who: Ints, item: Ints, position: Ints, request: Ints
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
                at=times[chosen],
            )
            for kind, chosen, times in (
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
            liked = np.flatnonzero(acts.accepted & in_time)
            member = self._joined_before(who, self.posts.connector[item], acts.left_at)
            commented = np.flatnonzero(acts.commented & member & in_time)
            self.likes.append(Likes(user=who[liked], post=item[liked], at=acts.left_at[liked]))
            commented = commented[np.argsort(acts.left_at[commented], kind="stable")]
            comments = Comments(
                user=who[commented],
                post=item[commented],
                at=acts.left_at[commented] + 20.0,
                parent=np.full(len(commented), -1),
            )
            self.comments.append(comments)
            handled = acts.clicked | acts.hidden
            self._opened = np.sort(np.concatenate([self._opened, pair_key(who[handled], item[handled])]))
        self._join(item_kind, who, item, acts, end=end)

    def _joined_before(self, user: Ints, connector: Ints, at: Floats) -> Bools:
        """Return whether each person was a member by then; only members can comment."""
        keys = pair_key(self.memberships.user, self.memberships.connector)
        order = np.argsort(keys)
        requested = pair_key(user, connector)
        index = np.minimum(np.searchsorted(keys[order], requested), len(keys) - 1)
        result: Bools = (keys[order][index] == requested) & (self.memberships.joined[order][index] < at)
        return result

    def _join(self, item_kind: Item, who: Ints, item: Ints, acts: reactions.Reactions, *, end: float) -> None:
        """Add memberships in accepted connectors, and in some connectors of liked posts."""
        connector = self.posts.connector[item] if item_kind is Item.POST else item
        chance = self.choice_model.join_after_like if item_kind is Item.POST else 1.0
        joins = acts.accepted & (self._rng.random(len(who)) < chance) & (acts.left_at + 60 < end)
        new = Memberships(user=who[joins], connector=connector[joins], joined=acts.left_at[joins] + 15.0)
        keys = pair_key(new.user, new.connector)
        _, first = np.unique(keys, return_index=True)
        fresh = np.sort(first)
        existing = np.sort(pair_key(self.memberships.user, self.memberships.connector))
        fresh = fresh[~contains(existing, keys[fresh])]
        self.memberships = Memberships.concatenate([self.memberships, new.take(fresh)])


def _with_replies(rng: np.random.Generator, comments: Comments) -> Comments:
    """Make some comments replies to the previous comment on the same post."""
    comments = comments.take(np.argsort(comments.at, kind="stable"))
    order = np.lexsort((comments.at, comments.post))
    follows = np.zeros(len(order), dtype=bool)
    follows[1:] = comments.post[order[1:]] == comments.post[order[:-1]]
    replies = follows & (rng.random(len(order)) < _REPLY_SHARE)
    parent = comments.parent.copy()
    parent[order[replies]] = order[np.flatnonzero(replies) - 1]
    return Comments(user=comments.user, post=comments.post, at=comments.at, parent=parent)
