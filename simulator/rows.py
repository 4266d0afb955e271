"""Rows of the platform's tables for a town, in load order, in chunks of bounded size."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import polars as pl

from neighborconnect.feed.eligibility import LONG_DWELL_MS
from simulator.arrays import Bools, uuids
from simulator.columns import Ids, id_series, point, times
from simulator.endorsements import CommentLikes
from simulator.event_rows import event_rows
from simulator.incidents import MODERATORS
from simulator.market_rows import item_uploads, market_rows
from simulator.outbox import OUTBOX, interaction_rows, item_ids, kind_names
from simulator.people import CITY, COUNTRY, STATE
from simulator.places import TOWN_WIDE, cells
from simulator.social_rows import SocialLife, draw_social_life, social_rows
from simulator.spec import SHOWN_PEOPLE
from simulator.text import Writer
from simulator.town import ITEM_KINDS, Interactions, Kind, Town
from simulator.uploads import Upload, upload_rows

CHUNK = 100_000
EMAIL_DOMAIN = "town.example"
_DECLARED_SHARE = 0.8
_VERIFIED_SHARE = 0.7
_MODERATOR_SHARE = 0.04


def town_rows(town: Town, ids: Ids, *, password_hash: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield ``(table, rows)``: parents before children, counters complete, times in UTC.

    The objects of the uploads are stored separately (``town_uploads``).

    Args:
        town: the town.
        ids: ids from ``draw_ids``.
        password_hash: password hash of all users.
    """
    rng = town.spec.generator(8)
    writer = Writer(town.vocabulary, seed=town.spec.seed)
    life = draw_social_life(town, ids)
    incidents = life.incidents
    yield from _chunks("users", _users(town, ids, rng, password_hash=password_hash))
    yield from _chunks("connectors", _connectors(town, ids, writer, more_posts=incidents.post_connectors))
    yield from _chunks("connector_members", _memberships(town, ids, rng))
    yield from _chunks("follows", _follows(town, ids, rng))
    yield from _posts(town, ids, writer, more_comments=incidents.comment_posts)
    comments = _comments(town, ids, writer, likes=life.comment_likes)
    yield from _chunks("comments", comments)
    yield from _chunks("post_likes", _likes(town, ids, rng))
    yield from _chunks("hidden_items", _hidden(town, ids))
    yield from _chunks("item_exposures", _exposures(town, ids))
    for table, rows in event_rows(town, ids, rng, writer):
        yield from _chunks(table, rows)
    uploads = item_uploads(town, ids)
    for table, rows in chain(
        upload_rows(_all_uploads(uploads, life), ids),
        market_rows(town, ids, uploads),
        social_rows(town, ids, life, comments=comments["content"]),
    ):
        yield from _chunks(table, rows)
    request_ids = id_series(uuids(rng, town.requests + town.browsing_requests))
    interactions = _all_interactions(town)
    for first in range(0, len(interactions), CHUNK):
        part = interactions.take(slice(first, first + CHUNK))
        yield OUTBOX, interaction_rows(town, ids, part, request_ids=request_ids, rng=rng)


def town_uploads(town: Town, ids: Ids) -> list[Upload]:
    """Return the uploads of a town, the objects of which belong in the media bucket."""
    return _all_uploads(item_uploads(town, ids), draw_social_life(town, ids))


def _all_uploads(of_items: list[list[Upload]], life: SocialLife) -> list[Upload]:
    return [*chain(*of_items), *(story.upload for story in life.stories)]


def _all_interactions(town: Town) -> Interactions:
    """Return the interactions with feeds and with lists in temporal order; requests are numbered through."""
    browsing = replace(town.browsing, request=town.browsing.request + np.int32(town.requests))
    everything = Interactions.concatenate([town.interactions, browsing])
    return everything.take(np.argsort(everything.at, kind="stable"))


def _chunks(table: str, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for part in rows.iter_slices(CHUNK):
        yield table, part


def _users(town: Town, ids: Ids, rng: np.random.Generator, *, password_hash: str) -> pl.DataFrame:
    people, vocabulary = town.people, town.vocabulary
    names = usernames(town)
    last_seen = np.full(people.count, -np.inf)
    np.maximum.at(last_seen, town.interactions.user, town.interactions.at)
    declared = people.tastes.favorites & (rng.random(people.tastes.favorites.shape) < _DECLARED_SHARE)
    arrived_at = times(town.spec.start, people.arrived)
    seen = times(town.spec.start, np.where(np.isfinite(last_seen), last_seen, people.arrived))
    return pl.DataFrame(
        {
            "id": ids.users,
            "email_hash": [f"{name}@{EMAIL_DOMAIN}" for name in names],
            "username": names,
            "password_hash": pl.repeat(password_hash, people.count, eager=True),
            "first_name": people.first_names,
            "last_name": people.last_names,
            "neighborhood": pl.Series(vocabulary.homes).gather(people.home),
            "city": pl.repeat(CITY, people.count, eager=True),
            "state": pl.repeat(STATE, people.count, eager=True),
            "country": pl.repeat(COUNTRY, people.count, eager=True),
            "home_cell": pl.Series(cells(people.home_point), dtype=pl.String),
            "interests": declared_interests(town, declared),
            "verified": (rng.random(people.count) < _VERIFIED_SHARE) | (np.arange(people.count) < SHOWN_PEOPLE),
            "role": np.where(np.isin(np.arange(people.count), MODERATORS), "moderator", "member").tolist(),
            "reputation": np.bincount(town.posts.author[town.likes.post], minlength=people.count),
            "created_at": arrived_at,
            "updated_at": arrived_at,
            "last_login": seen,
        }
    )


def usernames(town: Town) -> list[str]:
    """Return the username of each person: ASCII letters, dots and a unique number."""
    people = town.people
    numbers = range(town.spec.first_number, town.spec.first_number + people.count)
    return [
        f"{_plain(first)}.{_plain(last)}.{number}"
        for first, last, number in zip(people.first_names, people.last_names, numbers, strict=True)
    ]


def declared_interests(town: Town, declared: Bools) -> list[str]:
    """Return each person's declared interests as a JSON array of category names."""
    names = [f'"{category.name}"' for category in town.vocabulary.categories]
    return ["[" + ", ".join(names[index] for index in np.flatnonzero(row)) + "]" for row in declared]


def _connectors(town: Town, ids: Ids, writer: Writer, *, more_posts: list[int]) -> pl.DataFrame:
    connectors, vocabulary = town.connectors, town.vocabulary
    texts = []
    for theme_number, home in zip(connectors.theme, connectors.home, strict=True):
        category, theme = vocabulary.themes[theme_number]
        place = CITY if home == TOWN_WIDE else vocabulary.homes[home]
        texts.append(writer.connector(category, theme, home=place))
    created = times(town.spec.start, connectors.created)
    return pl.DataFrame(
        {
            "id": ids.connectors,
            "name": [name for name, _ in texts],
            "description": [about for _, about in texts],
            "category": pl.Series([category.name for category in vocabulary.categories]).gather(connectors.category),
            "created_by": ids.users.gather(connectors.founder),
            **point(connectors.location),
            "member_count": np.bincount(town.memberships.connector, minlength=len(connectors)),
            "post_count": np.bincount([*town.posts.connector, *more_posts], minlength=len(connectors)),
            "created_at": created,
            "updated_at": created,
        }
    )


def _memberships(town: Town, ids: Ids, rng: np.random.Generator) -> pl.DataFrame:
    members = town.memberships.take(np.argsort(town.memberships.joined, kind="stable"))
    founded = town.connectors.founder[members.connector] == members.user
    role = np.where(founded, "admin", np.where(rng.random(len(members)) < _MODERATOR_SHARE, "moderator", "member"))
    return pl.DataFrame(
        {
            "id": id_series(uuids(rng, len(members))),
            "connector_id": ids.connectors.gather(members.connector),
            "user_id": ids.users.gather(members.user),
            "role": role.tolist(),
            "joined_at": times(town.spec.start, members.joined),
        }
    )


def _follows(town: Town, ids: Ids, rng: np.random.Generator) -> pl.DataFrame:
    follows = town.follows.take(np.argsort(town.follows.created, kind="stable"))
    return pl.DataFrame(
        {
            "id": id_series(uuids(rng, len(follows))),
            "follower_id": ids.users.gather(follows.follower),
            "followee_id": ids.users.gather(follows.followee),
            "created_at": times(town.spec.start, follows.created),
        }
    )


def _posts(town: Town, ids: Ids, writer: Writer, *, more_comments: list[int]) -> Iterator[tuple[str, pl.DataFrame]]:
    likes = np.bincount(town.likes.post, minlength=len(town.posts))
    comments = np.bincount([*town.comments.post, *more_comments], minlength=len(town.posts))
    for first in range(0, len(town.posts), CHUNK):
        part = slice(first, first + CHUNK)
        posts = town.posts.take(part)
        texts = [writer.post(*town.vocabulary.themes[theme]) for theme in posts.theme]
        created = times(town.spec.start, posts.created)
        yield (
            "posts",
            pl.DataFrame(
                {
                    "id": ids.posts[part],
                    "connector_id": ids.connectors.gather(posts.connector),
                    "author_id": ids.users.gather(posts.author),
                    "content": [text for _, text in texts],
                    "title": [title for title, _ in texts],
                    "likes_count": likes[part],
                    "comments_count": comments[part],
                    "created_at": created,
                    "updated_at": created,
                }
            ),
        )


def _comments(town: Town, ids: Ids, writer: Writer, *, likes: CommentLikes) -> pl.DataFrame:
    comments = town.comments
    own_ids = ids.comments
    at = times(town.spec.start, comments.at)
    parents = pl.Series(np.where(comments.parent < 0, 0, comments.parent))
    return pl.DataFrame(
        {
            "id": own_ids,
            "post_id": ids.posts.gather(comments.post),
            "author_id": ids.users.gather(comments.user),
            "content": [writer.comment(*town.vocabulary.themes[theme]) for theme in town.posts.theme[comments.post]],
            "parent_id": pl.select(
                pl.when(pl.lit(pl.Series(comments.parent >= 0))).then(own_ids.gather(parents))
            ).to_series(),
            "likes_count": np.bincount(likes.comment, minlength=len(comments)),
            "created_at": at,
            "updated_at": at,
        }
    )


def _likes(town: Town, ids: Ids, rng: np.random.Generator) -> pl.DataFrame:
    likes = town.likes.take(np.argsort(town.likes.at, kind="stable"))
    return pl.DataFrame(
        {
            "id": id_series(uuids(rng, len(likes))),
            "post_id": ids.posts.gather(likes.post),
            "user_id": ids.users.gather(likes.user),
            "created_at": times(town.spec.start, likes.at),
        }
    )


def _hidden(town: Town, ids: Ids) -> pl.DataFrame:
    acts = _all_interactions(town)
    hides = acts.take(acts.kind == Kind.HIDE)
    rows = pl.DataFrame(
        {
            "user_id": ids.users.gather(hides.user),
            "item_kind": kind_names(ITEM_KINDS).gather(hides.item_kind),
            "item_id": item_ids(ids, hides),
            "created_at": times(town.spec.start, hides.at),
        }
    )
    return rows.unique(subset=["user_id", "item_kind", "item_id"], keep="first", maintain_order=True)


def _exposures(town: Town, ids: Ids) -> pl.DataFrame:
    """Return the latest impression and opening of each item, as the API stores them."""
    acts = _all_interactions(town)
    acts = acts.take(acts.kind != Kind.HIDE)
    opened = (acts.kind == Kind.CLICK) | (acts.dwell_ms >= LONG_DWELL_MS)
    rows = pl.DataFrame(
        {
            "user_id": ids.users.gather(acts.user),
            "item_kind": kind_names(ITEM_KINDS).gather(acts.item_kind),
            "item_id": item_ids(ids, acts),
            "at": times(town.spec.start, acts.at),
            "is_shown": acts.kind == Kind.IMPRESSION,
            "is_opened": opened,
        }
    )
    at = pl.col("at")
    return rows.group_by("user_id", "item_kind", "item_id", maintain_order=True).agg(
        at.filter("is_shown").max().alias("shown_at"), at.filter("is_opened").max().alias("opened_at")
    )


def _plain(name: str) -> str:
    """Fold a name to lower-case ASCII letters for use in a username."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in folded if letter.isalpha())[:20] or "neighbour"
