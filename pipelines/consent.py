"""Consent in the pipelines' stores.

Refusing personalization: no features of the person, offline or online, and nothing is learned from them. Refusing
analytics: no rows of theirs in the marts. The stream removes what is there within a second of the withdrawal; what
computes leaves them out; the hourly features remove what a run in between may have written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import psycopg

from neighborconnect.settings import Settings
from pipelines.people import delete_from_marts, delete_offline, delete_online


@dataclass(frozen=True, slots=True)
class Refusals:
    """The ids of people who refuse, by purpose."""

    personalization: frozenset[str]
    analytics: frozenset[str]


def read_refusals_of_all(settings: Settings) -> Refusals:
    """Read who refuses now, or was erased, from the warehouse's mirror; nobody where there is none yet."""
    with psycopg.connect(settings.warehouse_url) as connection:
        known = connection.execute("SELECT to_regclass('raw.users')").fetchone()
        if known is None or known[0] is None:
            return Refusals(frozenset(), frozenset())
        rows = connection.execute(
            "SELECT id::text, coalesce(personalised, true) AND erased_at IS NULL, "
            "coalesce(analysed, true) AND erased_at IS NULL FROM raw.users "
            "WHERE NOT _deleted AND (NOT personalised OR NOT analysed OR erased_at IS NOT NULL)"
        ).fetchall()
    return Refusals(
        frozenset(person for person, personal, _ in rows if not personal),
        frozenset(person for person, _, analysis in rows if not analysis),
    )


def refusals_of(users: pl.DataFrame) -> tuple[Refusals, Refusals]:
    """Split changes of users, by their newest change, into who refuses and who allows."""
    newest = users.sort("_event_id").unique("id", keep="last").filter(pl.col("_op") != "d")
    gone = pl.col("erased_at").is_not_null()
    personal = pl.col("personalised").fill_null(value=True) & ~gone
    analysis = pl.col("analysed").fill_null(value=True) & ~gone

    def ids(condition: pl.Expr) -> frozenset[str]:
        return frozenset(newest.filter(condition)["id"])

    return Refusals(ids(~personal), ids(~analysis)), Refusals(ids(personal), ids(analysis))


def remove_features(settings: Settings, people: Iterable[str]) -> None:
    """Remove the features of people, online first: that is where they are served from."""
    ids = list(people)
    if ids:
        delete_online(settings, ids)
        delete_offline(settings, ids)


def remove_refused(settings: Settings, refusals: Refusals) -> None:
    """Remove what is there of people who refuse."""
    remove_features(settings, refusals.personalization)
    if refusals.analytics:
        delete_from_marts(settings, refusals.analytics)
