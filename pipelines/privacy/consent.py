"""Consent in the analytical stores.

===============  =====================================================================================
Withdrawn        Effect
===============  =====================================================================================
personalization  no features of the user, offline or online; no training on the user's interactions
analytics        no rows of the user in the marts
===============  =====================================================================================

The stream service deletes existing rows within a second of the withdrawal. Computations exclude the user. The hourly
features delete rows that a run between withdrawal and exclusion may have written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import psycopg

from neighborconnect.settings import Settings
from pipelines.privacy.user_data import delete_from_marts, delete_offline, delete_online


@dataclass(frozen=True, slots=True)
class UsersByPurpose:
    """Sets of user ids by purpose of processing."""

    personalization: frozenset[str]
    analytics: frozenset[str]


def read_withdrawals(settings: Settings) -> UsersByPurpose:
    """Return the users without consent, including erased users, from the mirror; nobody if there is no mirror yet."""
    with psycopg.connect(settings.warehouse_url) as connection:
        table = connection.execute("SELECT to_regclass('raw.users')").fetchone()
        if table is None or table[0] is None:
            return UsersByPurpose(frozenset(), frozenset())
        rows = connection.execute(
            "SELECT id::text, coalesce(personalised, true) AND erased_at IS NULL, "
            "coalesce(analysed, true) AND erased_at IS NULL FROM raw.users "
            "WHERE NOT _deleted AND (NOT personalised OR NOT analysed OR erased_at IS NOT NULL)"
        ).fetchall()
    return UsersByPurpose(
        frozenset(user_id for user_id, personalization, _ in rows if not personalization),
        frozenset(user_id for user_id, _, analytics in rows if not analytics),
    )


def split_by_consent(users: pl.DataFrame) -> tuple[UsersByPurpose, UsersByPurpose]:
    """Split changes of users, by the newest change of each, into users without and users with consent."""
    newest = users.sort("_event_id").unique("id", keep="last").filter(pl.col("_op") != "d")
    is_erased = pl.col("erased_at").is_not_null()
    personalization = pl.col("personalised").fill_null(value=True) & ~is_erased
    analytics = pl.col("analysed").fill_null(value=True) & ~is_erased

    def ids(condition: pl.Expr) -> frozenset[str]:
        return frozenset(newest.filter(condition)["id"])

    withdrawn = UsersByPurpose(ids(~personalization), ids(~analytics))
    return withdrawn, UsersByPurpose(ids(personalization), ids(analytics))


def delete_features(settings: Settings, user_ids: Iterable[str]) -> None:
    """Delete the features of users, first in the online store, from which they are served."""
    ids = list(user_ids)
    if ids:
        delete_online(settings, ids)
        delete_offline(settings, ids)


def delete_withdrawn(settings: Settings, withdrawn: UsersByPurpose) -> None:
    """Delete the rows of users without consent."""
    delete_features(settings, withdrawn.personalization)
    if withdrawn.analytics:
        delete_from_marts(settings, withdrawn.analytics)
