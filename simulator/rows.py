"""A town as rows of the platform's tables, in the order in which they may be loaded, a bounded chunk at a time."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
import polars as pl

from simulator.arrays import Bools, uuids
from simulator.columns import Ids, id_series, point, times
from simulator.outbox import OUTBOX, interaction_rows, item_ids, kind_names
from simulator.people import CITY, COUNTRY, STATE, TIME_ZONE
from simulator.places import TOWN_WIDE, cells
from simulator.text import Writer
from simulator.town import ITEM_KINDS, Kind, Town

CHUNK = 100_000
EMAIL_DOMAIN = "town.example"
_DECLARED = 0.8
_VERIFIED = 0.7
_MODERATORS = 0.04


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
    yield from _events(town, ids, rng, writer)
    request_ids = id_series(uuids(rng, town.requests))
    for first in range(0, len(town.interactions), CHUNK):
        part = town.interactions.take(slice(first, first + CHUNK))
        yield OUTBOX, interaction_rows(town, ids, part, request_ids=request_ids, rng=rng)


def _chunks(table: str, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for part in rows.iter_slices(CHUNK):
        yield table, part


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
            "home_cell": pl.Series(cells(people.house), dtype=pl.String),
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
            **point(connectors.place),
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
            "item_kind": kind_names(ITEM_KINDS).gather(hides.item_kind),
            "item_id": item_ids(ids, hides),
            "created_at": times(town.spec.start, hides.at),
        }
    )
    return rows.unique(subset=["user_id", "item_kind", "item_id"], keep="first", maintain_order=True)


def _events(town: Town, ids: Ids, rng: np.random.Generator, writer: Writer) -> Iterator[tuple[str, pl.DataFrame]]:
    events, answers, start = town.events, town.answers, town.spec.start
    own_ids = id_series(uuids(rng, len(events)))
    texts = [writer.event(town.vocabulary.themes[theme][1]) for theme in town.connectors.theme[events.connector]]
    created = times(start, events.created)
    yield from _chunks(
        "events",
        pl.DataFrame(
            {
                "id": own_ids,
                "connector_id": ids.connectors.gather(events.connector),
                "created_by": ids.users.gather(events.host),
                "title": [title for title, _, _ in texts],
                "description": [about for _, about, _ in texts],
                "location": [place for _, _, place in texts],
                **point(events.place),
                "start_date": times(start, events.starts),
                "end_date": times(start, events.ends),
                "time_zone": pl.repeat(TIME_ZONE, len(events), eager=True),
                "max_attendees": pl.Series(events.room).replace(0, None),
                "attendee_count": answers.coming(events=len(events)),
                "created_at": created,
                "updated_at": created,
            }
        ),
    )
    yield from _chunks(
        "event_attendees",
        pl.DataFrame(
            {
                "id": id_series(uuids(rng, len(answers))),
                "event_id": own_ids.gather(answers.event),
                "user_id": ids.users.gather(answers.user),
                "status": np.where(answers.maybe, "maybe", "attending").tolist(),
                "joined_at": times(start, answers.at),
            }
        ),
    )


def _plain(name: str) -> str:
    """Fold a name to lower-case ASCII letters for use in a username."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in folded if letter.isalpha())[:20] or "neighbour"
