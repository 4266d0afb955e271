"""A simulated town over time: its history, its later posts, and requests whose reactions depend on the feed.

The town comes from ``simulator.history``: all posts, people, follows and memberships. Until ``opens``, its people also
saw the simulator's feed, and their acts are the history. From then on, a policy decides what they see. Requests, posts
and the random numbers of reactions are the same for all policies of one seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from models.recommendation.data import checked_items
from models.recommendation.score_components import Items
from models.recommendation.scoring import normalize_rows
from neighborconnect.feed.eligibility import LONG_DWELL_MS
from pipelines.transforms.activity import ACTIVITY_EVENT_SCHEMA
from simulator.arrays import Floats, Ints, draw_weighted
from simulator.columns import Ids, draw_ids, times
from simulator.feeds import Impressions, pair_key
from simulator.history import build_town
from simulator.outbox import item_ids, kind_names
from simulator.reactions import Reactions, Utility, react
from simulator.rhythm import seconds_of_day
from simulator.spec import DAY_SECONDS, TownSpec
from simulator.town import ITEM_KINDS, KINDS, Town

END: Final = datetime(2026, 3, 29, 20, tzinfo=UTC)
_DECLARED_SHARE = 0.8
_NOISE = 0.1
_REQUESTS, _REACTIONS, _DECLARED, _TEXTS = 101, 102, 103, 104


@dataclass(frozen=True, slots=True)
class Request:
    """A person requests a feed; ``at`` is in seconds after the start of the town."""

    number: int
    user: int
    at: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A page and the reactions to it. ``posts`` and ``utility`` have one entry per position."""

    request: Request
    posts: Ints
    utility: Floats
    reactions: Reactions


@dataclass(frozen=True)
class LivingTown:
    """A town, the first ``history_days`` days of which are history."""

    town: Town
    ids: Ids
    history_days: int
    _requests_per_person_day: float = 1.0
    post_ids: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "post_ids", self.ids.posts.to_list())

    @classmethod
    def build(cls, *, users: int, history_days: int, days: int, seed: int) -> LivingTown:
        """Draw a town of ``history_days + days`` days."""
        town = build_town(TownSpec(users=users, days=history_days + days, seed=seed, end=END))
        return cls(town, draw_ids(town), history_days)

    @property
    def opens(self) -> float:
        """Seconds after the start of the town at which the policies begin to decide."""
        return float(self.history_days * DAY_SECONDS)

    def time(self, seconds: float) -> datetime:
        """Return the time of a moment of the town."""
        return self.town.spec.start + timedelta(seconds=float(seconds))

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Number of each post by its id."""
        return {post_id: number for number, post_id in enumerate(self.post_ids)}

    @cached_property
    def categories(self) -> pl.Series:
        """Category of each connector."""
        return pl.Series([one.name for one in self.town.vocabulary.categories]).gather(self.town.connectors.category)

    @cached_property
    def items(self) -> pl.DataFrame:
        """All posts, those of the future included; texts are empty."""
        posts = self.town.posts
        return pl.DataFrame(
            {
                "item_id": self.ids.posts,
                "text": pl.Series(["" for _ in range(len(posts))], dtype=pl.String),
                "category": self.categories.gather(posts.connector),
                "connector_id": self.ids.connectors.gather(posts.connector),
                "owner_id": self.ids.users.gather(posts.author),
                "created_at": times(self.town.spec.start, posts.created),
            }
        )

    @cached_property
    def _described(self) -> Items:
        """All posts; a one-hot theme with noise replaces the embedding of a text."""
        checked = checked_items(self.items)
        theme = pl.DataFrame({"item_id": self.items["item_id"], "theme": self.town.posts.theme})
        themes = checked.join(theme, on="item_id", how="left", maintain_order="left")["theme"].to_numpy()
        count = len(self.town.vocabulary.themes)
        noise = self.town.spec.generator(_TEXTS).normal(0.0, _NOISE, (len(checked), count))
        return Items(checked, normalize_rows((np.eye(count)[themes] + noise).astype(np.float32)))

    def described(self, *, at: float) -> Items:
        """Return the posts that exist at a moment."""
        every = self._described
        there = (every.frame["created_at"] <= self.time(at)).to_numpy()
        return Items(every.frame.filter(there), every.embeddings[there])

    @cached_property
    def stated(self) -> dict[str, tuple[str, ...]]:
        """Stated interests of each person: most of their favorite categories, as in ``simulator.rows``."""
        favorites = self.town.people.tastes.favorites
        declared = favorites & (self.town.spec.generator(_DECLARED).random(favorites.shape) < _DECLARED_SHARE)
        names = [category.name for category in self.town.vocabulary.categories]
        return {
            user_id: tuple(names[index] for index in np.flatnonzero(row))
            for user_id, row in zip(self.ids.users, declared, strict=True)
        }

    @cached_property
    def utility(self) -> Utility:
        """True utilities."""
        follows = self.town.follows
        keys = np.sort(pair_key(follows.follower, follows.followee))
        return Utility(self.town.people, self.town.connectors, self.town.choice_model, keys)

    @cached_property
    def members(self) -> frozenset[tuple[int, int]]:
        """Pairs of people and connectors at the end of the history."""
        early = self.town.memberships.take(self.town.memberships.joined < self.opens)
        return frozenset(zip(early.user.tolist(), early.connector.tolist(), strict=True))

    @cached_property
    def history(self) -> pl.DataFrame:
        """Acts until the policies decide, in the form of ``pipelines.transforms.activity``; posts of the future too."""
        acts = acts_of_town(self.town, self.ids, items=self.items, categories=self.categories)
        is_past = pl.col("occurred_at") < self.time(self.opens)
        return acts.filter(is_past | (pl.col("kind") == "post"))

    def requests_on(self, day: int) -> Iterator[Request]:
        """Draw the requests of a day in temporal order; people request in proportion to their activity."""
        people = self.town.people
        rng = np.random.default_rng([self.town.spec.seed, _REQUESTS, day])
        share = np.clip((day + 1) - people.arrived / DAY_SECONDS, 0.0, 1.0)
        count = round(self._requests_per_person_day * float((share > 0).sum()))
        user = draw_weighted(rng, people.activity * share, count)
        at = day * DAY_SECONDS + seconds_of_day(rng, self.time(day * DAY_SECONDS), count=count)
        at = np.maximum(at, people.arrived[user] + 1.0)
        for position, number in enumerate(np.argsort(at, kind="stable").tolist()):
            yield Request(number=position, user=int(user[number]), at=float(at[number]))

    def react(self, request: Request, post_ids: Sequence[str]) -> Shown:
        """Draw the reactions to a page; the random numbers depend on the request and the position only."""
        posts = np.array([self.row_of[post_id] for post_id in post_ids], dtype=np.int64)
        utility = self.utility.of_posts(self.town.posts, np.full(len(posts), request.user), posts)
        day = int(request.at // DAY_SECONDS)
        rng = np.random.default_rng([self.town.spec.seed, _REACTIONS, day, request.number])
        shown = Impressions(
            request=np.zeros(len(posts), dtype=np.int64), item=posts, position=np.arange(len(posts), dtype=np.int64)
        )
        reactions = react(rng, self.town.choice_model, shown, at=np.array([request.at]), utility=utility)
        return Shown(request, posts, utility, reactions)

    def acts_of(self, shown: Shown) -> list[tuple[str, str, float]]:
        """Return ``(kind, post id, seconds)`` of the acts on a page, as the platform records them."""
        user, acts = shown.request.user, shown.reactions
        rows: list[tuple[str, str, float]] = []
        for position, post in enumerate(shown.posts.tolist()):
            post_id = self.post_ids[post]
            rows.append(("impression", post_id, float(acts.shown_at[position])))
            if acts.hidden[position]:
                rows.append(("hide", post_id, float(acts.hidden_at[position])))
            if not acts.clicked[position]:
                continue
            rows.append(("click", post_id, float(acts.clicked_at[position])))
            left_at = float(acts.left_at[position])
            if acts.dwell_ms[position] >= LONG_DWELL_MS:
                rows.append(("dwell", post_id, left_at))
            if acts.accepted[position]:
                rows.append(("like", post_id, left_at))
            if acts.commented[position] and (user, int(self.town.posts.connector[post])) in self.members:
                rows.append(("comment", post_id, left_at))
        return rows


def acts_of_town(town: Town, ids: Ids, *, items: pl.DataFrame, categories: pl.Series) -> pl.DataFrame:
    """Return the acts of a town with posts and connectors, with the columns of ``ACTIVITY_EVENT_SCHEMA``.

    Args:
        town: the town.
        ids: its ids.
        items: its posts: ``item_id``, ``connector_id``, ``category``.
        categories: category of each connector.
    """
    start = town.spec.start
    behavior = pl.DataFrame(
        {
            "user_id": ids.users.gather(town.interactions.user),
            "kind": kind_names(KINDS).gather(town.interactions.kind),
            "item_kind": kind_names(ITEM_KINDS).gather(town.interactions.item_kind),
            "item_id": item_ids(ids, town.interactions),
            "occurred_at": times(start, town.interactions.at),
            "dwell_ms": town.interactions.dwell_ms,
        }
    ).filter((pl.col("kind") != "dwell") | (pl.col("dwell_ms") >= LONG_DWELL_MS))
    rows = [behavior.drop("dwell_ms")]
    for kind, user, post, at in (
        ("like", town.likes.user, town.likes.post, town.likes.at),
        ("comment", town.comments.user, town.comments.post, town.comments.at),
        ("post", town.posts.author, np.arange(len(town.posts)), town.posts.created),
    ):
        rows.append(
            pl.DataFrame({"user_id": ids.users.gather(user), "item_id": ids.posts.gather(post)}).with_columns(
                times(start, at).alias("occurred_at"), kind=pl.lit(kind), item_kind=pl.lit("post")
            )
        )
    joined = pl.DataFrame(
        {
            "user_id": ids.users.gather(town.memberships.user),
            "item_id": ids.connectors.gather(town.memberships.connector),
            "occurred_at": times(start, town.memberships.joined),
        }
    ).with_columns(kind=pl.lit("join"), item_kind=pl.lit("connector"))
    places = pl.concat(
        [
            items.select("item_id", "connector_id", "category"),
            pl.DataFrame({"item_id": ids.connectors, "connector_id": ids.connectors, "category": categories}),
        ]
    )
    acts = pl.concat([*rows, joined], how="diagonal").join(places, on="item_id", how="left")
    return acts.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("retracted_at")).select(
        list(ACTIVITY_EVENT_SCHEMA)
    )
