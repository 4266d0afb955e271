"""Reads of a town's database: people, facts of items, memberships, and the items that may be served.

The database is only read. The items that may be served come from the API's own program, so that the judge applies the
rules of serving and no copy of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl
import psycopg

from neighborconnect.contracts.events import ReportableKind
from simulator.bulk import TownError
from simulator.judged_pages import TOP, Facts
from simulator.true_utility import GroundTruth

ELIGIBLE_ITEMS: Final = "transactional_api.intelligence.recommendations.eligible_items"
_FACTS: Final[Mapping[ReportableKind, str]] = {
    ReportableKind.POST: "SELECT i.id, i.author_id, c.id, c.category, i.created_at, i.likes_count FROM posts i",
    ReportableKind.CONNECTOR: (
        "SELECT i.id, i.created_by, c.id, c.category, i.created_at, i.member_count FROM connectors i"
    ),
    ReportableKind.EVENT: ("SELECT i.id, i.created_by, c.id, c.category, i.created_at, i.attendee_count FROM events i"),
    ReportableKind.ITEM: (
        "SELECT i.id, i.seller_id, c.id, c.category, i.created_at, i.views_count FROM marketplace_items i"
    ),
}


@dataclass(frozen=True, slots=True)
class Eligible:
    """Items of one kind for one person: those that may be served, and those that are served after all others."""

    first: tuple[str, ...]
    last: tuple[str, ...]

    @property
    def ranked(self) -> tuple[str, ...]:
        """Items that a page of ten is judged among: the second group counts only if the first does not fill it."""
        return self.first if len(self.first) >= TOP else self.first + self.last


def active_people(connection: psycopg.Connection) -> dict[str, str]:
    """Return the usernames of the people who can log in, by user id."""
    rows = connection.execute(
        "SELECT id::text, username FROM users "
        "WHERE is_active AND (suspended_until IS NULL OR suspended_until <= now()) ORDER BY id"
    )
    return dict(rows.fetchall())


def sample_people(
    truth: GroundTruth, *, among: Mapping[str, str], count: int, newcomer_days: float, seed: int
) -> dict[str, list[str]]:
    """Draw at most ``count`` known people and as many newcomers, who arrived in the last ``newcomer_days`` days.

    Raises:
        TownError: none of the people of the ground truth is in the database.
    """
    people = truth.people.filter(pl.col("user_id").is_in(list(among))).sort("user_id")
    if people.is_empty():
        raise TownError(
            "None of the people of the ground truth is in the database: the files belong to another town. "
            "Name the right folder with --truth."
        )
    is_new = pl.col("arrived_at") > pl.col("arrived_at").max() - timedelta(days=newcomer_days)
    rng = np.random.default_rng(seed)
    groups = {"known": people.filter(~is_new), "newcomers": people.filter(is_new)}
    return {
        name: [group["user_id"][int(row)] for row in np.sort(rng.permutation(len(group))[:count])]
        for name, group in groups.items()
    }


def read_facts(connection: psycopg.Connection, kind: ReportableKind) -> dict[str, Facts]:
    """Return the facts of all items of a kind by id."""
    connector = "i.id" if kind is ReportableKind.CONNECTOR else "i.connector_id"
    rows = connection.execute(f"{_FACTS[kind]} JOIN connectors c ON c.id = {connector}".encode())
    return {
        str(item_id): Facts(None if author is None else str(author), str(connector_id), category, created_at, count)
        for item_id, author, connector_id, category, created_at, count in rows
    }


def read_memberships(connection: psycopg.Connection, user_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the connectors of each person."""
    rows = connection.execute(
        "SELECT user_id::text, array_agg(connector_id::text) FROM connector_members "
        "WHERE user_id = ANY(%s::uuid[]) GROUP BY user_id",
        [list(user_ids)],
    )
    return {user_id: frozenset(connectors) for user_id, connectors in rows}


def read_follows(connection: psycopg.Connection, user_ids: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return the pairs of follower and followee of these followers."""
    rows = connection.execute(
        "SELECT follower_id::text, followee_id::text FROM follows WHERE follower_id = ANY(%s::uuid[])",
        [list(user_ids)],
    )
    return frozenset((follower, followee) for follower, followee in rows)


def read_eligible(
    user_ids: Sequence[str], *, on_person: Callable[[], None] = lambda: None
) -> dict[tuple[str, ReportableKind], Eligible]:
    """Return the items that may be served to each person, by the API's own rules.

    Raises:
        TownError: the API's program fails.
    """
    command = [sys.executable, "-m", ELIGIBLE_ITEMS]
    found: dict[tuple[str, ReportableKind], Eligible] = {}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # noqa: S101 (pipes were requested)
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        process.stdin.write("\n".join(user_ids))
        process.stdin.close()
        for line in process.stdout:
            row = json.loads(line)
            kind = ReportableKind(row["item_kind"])
            found[row["user_id"], kind] = Eligible(tuple(row["eligible"]), tuple(row["shown"]))
            if kind is ReportableKind.ITEM:
                on_person()
        message = process.stderr.read().strip()
    if process.returncode:
        raise TownError(f"The items that may be served cannot be read: {message[-500:]}")
    return found
