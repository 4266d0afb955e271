"""A town as rows of the platform's tables, in the order in which they may be loaded, a bounded chunk at a time."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from simulator.arrays import Bools, Floats, uuids
from simulator.outbox import OUTBOX, outbox_rows
from simulator.people import CITY, COUNTRY, STATE
from simulator.text import Writer
from simulator.town import ITEM_KINDS, KINDS, TOWN_WIDE, Interactions, Item, Kind, Town

CHUNK = 100_000
EMAIL_DOMAIN = "town.example"
_DECLARED = 0.8
_VERIFIED = 0.7
_MODERATORS = 0.04
_REPORTED_AFTER = timedelta(seconds=1.5)


@dataclass(frozen=True, slots=True)
class Ids:
    """UUIDs of people, connectors and posts, by number."""

    users: pl.Series
    connectors: pl.Series
    posts: pl.Series


def draw_ids(town: Town) -> Ids:
    """Draw the ids of a town; they depend on its spec alone."""
    rng = town.spec.generator(7)
    sizes = (town.people.count, len(town.connectors), len(town.posts))
    return Ids(*(id_series(uuids(rng, size)) for size in sizes))


def id_series(ids: NDArray[np.bytes_]) -> pl.Series:
    """Turn 36-byte strings into a text column without touching each in Python."""
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), len(ids), [None, pa.py_buffer(ids.tobytes())])
    return pl.Series(fixed.cast(pa.binary()).cast(pa.string()))


def town_rows(town: Town, ids: Ids, *, password_hash: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield ``(table, rows)``: parents before children, counters complete, times in UTC.

    Args:
        town: what to write down.
        ids: from ``draw_ids``.
        password_hash: everybody's.
    """
    rng = town.spec.generator(8)
    writer = Writer(town.vocabulary, seed=town.spec.seed)
    yield from _chunks("users", _users(town, ids, rng, password_hash=password_hash))
    yield from _chunks("connectors", _connectors(town, ids, writer))
    yield from _chunks("connector_members", _memberships(town, ids, rng))
    yield from _chunks("follows", _ties(town, ids, rng))
    yield from _posts(town, ids, writer)
    yield from _chunks("comments", _comments(town, ids, rng, writer))
    yield from _chunks("post_likes", _likes(town, ids, rng))
    yield from _chunks("hidden_items", _hidden(town, ids))
    request_ids = id_series(uuids(rng, town.requests))
    for first in range(0, len(town.interactions), CHUNK):
        part = town.interactions.take(slice(first, first + CHUNK))
        yield OUTBOX, interaction_rows(town, ids, part, request_ids=request_ids, rng=rng)


def _chunks(table: str, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for part in rows.iter_slices(CHUNK):
        yield table, part


def times(start: datetime, seconds: Floats) -> pl.Series:
    """Turn seconds after ``start`` into aware UTC timestamps with microseconds."""
    begin = int(start.timestamp() * 1_000_000)
    return pl.Series(begin + np.round(seconds * 1_000_000).astype(np.int64)).cast(pl.Datetime("us", "UTC"))


def _users(town: Town, ids: Ids, rng: np.random.Generator, *, password_hash: str) -> pl.DataFrame:
    people, vocabulary = town.people, town.vocabulary
    names = usernames(town)
    last_seen = np.full(people.count, -np.inf)
    np.maximum.at(last_seen, town.interactions.user, town.interactions.at)
    declared = people.tastes.favourites & (rng.random(people.tastes.favourites.shape) < _DECLARED)
    since = times(town.spec.start, people.arrived)
    seen = times(town.spec.start, np.where(np.isfinite(last_seen), last_seen, people.arrived))
    return pl.DataFrame(
        {
            "id": ids.users,
            "email": [f"{name}@{EMAIL_DOMAIN}" for name in names],
            "username": names,
            "password_hash": pl.repeat(password_hash, people.count, eager=True),
            "first_name": people.first_names,
            "last_name": people.last_names,
            "neighborhood": pl.Series(vocabulary.homes).gather(people.home),
            "city": pl.repeat(CITY, people.count, eager=True),
            "state": pl.repeat(STATE, people.count, eager=True),
            "country": pl.repeat(COUNTRY, people.count, eager=True),
            "interests": declared_interests(town, declared),
            "verified": rng.random(people.count) < _VERIFIED,
            "reputation": np.bincount(town.posts.author[town.likes.post], minlength=people.count),
            "created_at": since,
            "updated_at": since,
            "last_login": seen,
        }
    )


def usernames(town: Town) -> list[str]:
    """Return everybody's username: plain letters, dots, and a number that nobody else has."""
    people = town.people
    numbers = range(town.spec.first_number, town.spec.first_number + people.count)
    return [
        f"{_plain(first)}.{_plain(last)}.{number}"
        for first, last, number in zip(people.first_names, people.last_names, numbers, strict=True)
    ]


def declared_interests(town: Town, declared: Bools) -> list[str]:
    """Return each person's declared interests as a JSON array of category names."""
    names = [f'"{category.name}"' for category in town.vocabulary.categories]
    return ["[" + ", ".join(names[place] for place in np.flatnonzero(row)) + "]" for row in declared]


def _connectors(town: Town, ids: Ids, writer: Writer) -> pl.DataFrame:
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
            "member_count": np.bincount(town.memberships.connector, minlength=len(connectors)),
            "post_count": np.bincount(town.posts.connector, minlength=len(connectors)),
            "created_at": created,
            "updated_at": created,
        }
    )


def _memberships(town: Town, ids: Ids, rng: np.random.Generator) -> pl.DataFrame:
    members = town.memberships.take(np.argsort(town.memberships.joined, kind="stable"))
    founded = town.connectors.founder[members.connector] == members.user
    role = np.where(founded, "admin", np.where(rng.random(len(members)) < _MODERATORS, "moderator", "member"))
    return pl.DataFrame(
        {
            "id": id_series(uuids(rng, len(members))),
            "connector_id": ids.connectors.gather(members.connector),
            "user_id": ids.users.gather(members.user),
            "role": role.tolist(),
            "joined_at": times(town.spec.start, members.joined),
        }
    )


def _ties(town: Town, ids: Ids, rng: np.random.Generator) -> pl.DataFrame:
    ties = town.ties.take(np.argsort(town.ties.created, kind="stable"))
    return pl.DataFrame(
        {
            "id": id_series(uuids(rng, len(ties))),
            "follower_id": ids.users.gather(ties.follower),
            "followee_id": ids.users.gather(ties.followee),
            "created_at": times(town.spec.start, ties.created),
        }
    )


def _posts(town: Town, ids: Ids, writer: Writer) -> Iterator[tuple[str, pl.DataFrame]]:
    likes = np.bincount(town.likes.post, minlength=len(town.posts))
    comments = np.bincount(town.comments.post, minlength=len(town.posts))
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


def _comments(town: Town, ids: Ids, rng: np.random.Generator, writer: Writer) -> pl.DataFrame:
    comments = town.comments
    own_ids = id_series(uuids(rng, len(comments)))
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
    hides = town.interactions.take(town.interactions.kind == Kind.HIDE)
    rows = pl.DataFrame(
        {
            "user_id": ids.users.gather(hides.user),
            "item_kind": _names(ITEM_KINDS).gather(hides.item_kind),
            "item_id": _items(ids, hides),
            "created_at": times(town.spec.start, hides.at),
        }
    )
    return rows.unique(subset=["user_id", "item_kind", "item_id"], keep="first", maintain_order=True)


def interaction_rows(
    town: Town, ids: Ids, part: Interactions, *, request_ids: pl.Series, rng: np.random.Generator
) -> pl.DataFrame:
    """Return outbox rows as the API writes them: topic, key (the person) and ``InteractionEvent`` without its id."""
    at = times(town.spec.start, part.at)
    events = pl.DataFrame(
        {
            "interaction_id": id_series(uuids(rng, len(part))),
            "user_id": ids.users.gather(part.user),
            "kind": _names(KINDS).gather(part.kind),
            "item_kind": _names(ITEM_KINDS).gather(part.item_kind),
            "item_id": _items(ids, part),
            "request_id": request_ids.gather(part.request),
            "position": part.position,
            "dwell_ms": pl.Series(part.dwell_ms).replace(-1, None),
            "occurred_at": at,
            "received_at": at + _REPORTED_AFTER,
        }
    )
    return outbox_rows(events)


def _names(kinds: tuple[Any, ...]) -> pl.Series:
    return pl.Series([kind.value for kind in kinds])


def _items(ids: Ids, part: Interactions) -> pl.Series:
    """Look up the id of each item, which is a post or a connector."""
    is_post = part.item_kind == Item.POST
    posts = ids.posts.gather(np.where(is_post, part.item, 0))
    connectors = ids.connectors.gather(np.where(is_post, 0, part.item))
    return pl.select(pl.when(pl.lit(pl.Series(is_post))).then(posts).otherwise(connectors)).to_series()


def _plain(name: str) -> str:
    """Fold a name to lower-case ASCII letters for use in a username."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in folded if letter.isalpha())[:20] or "neighbour"
