"""Forgetting people in the lake, the warehouse and the feature stores, as ``neighborconnect.contracts.privacy`` says.

The API lists the people to be erased, never Kafka: an event there can be forged. Kafka keeps what it has for its
retention, so a store that is filled again receives erased data again: each run repeats every erasure that is younger
than ``REPEATED_FOR``, and all of them while a rebuild of a store is unfinished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import psycopg
from deltalake.exceptions import CommitFailedError
from psycopg import sql

from neighborconnect.contracts.privacy import EMBEDDINGS, PLATFORM, Fate, Place, Store
from neighborconnect.settings import Settings
from pipelines.erasure_models import delete_embeddings, delete_vectors
from pipelines.ingest.lake import event_table, scan_events
from pipelines.ingest.rebuild_log import unfinished_rebuilds
from pipelines.people import DELETE, UNLINK, Counts, delete_from_marts, delete_offline, delete_online
from pipelines.privacy_api import RequestedErasure, all_erasures, privacy_api

REPEATED_FOR: Final = timedelta(days=8)
ATTEMPTS: Final = 5
# What says whose a row of the warehouse is, and what becomes of it.
_GOES_WITH: Final = ("user_id", "follower_id", "followee_id")
_IS_UNLINKED_BY: Final = ("created_by",)


@dataclass(slots=True)
class Receipts:
    """By person, how many rows or keys of each place were seen to; None where nothing is done but wait."""

    numbers: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, place: Place, counts: Counts) -> None:
        """Add what one place had of whom."""
        self.numbers.setdefault(place.label, Counter()).update(counts)

    def lines(self, user_id: str) -> list[dict[str, object]]:
        """Return the lines of a person's receipt."""
        now = datetime.now(UTC).isoformat()
        return [
            {
                "place": place.label,
                "fate": place.fate.value,
                "number": self.numbers[place.label][user_id] if place.label in self.numbers else None,
                "at": now,
            }
            for place in PLATFORM
        ]


def wanted(settings: Settings, *, now: datetime | None = None) -> list[RequestedErasure]:
    """Return the erasures whose data could be, or come back, in the platform's stores.

    Raises:
        httpx.HTTPError: when the API does not say.
    """
    if unfinished_rebuilds(settings):
        return all_erasures(settings)
    return all_erasures(settings, since=(now or datetime.now(UTC)) - REPEATED_FOR)


def forget(
    settings: Settings, erasures: Sequence[RequestedErasure], *, stores: Collection[Store] = frozenset(Store)
) -> Receipts:
    """Forget people everywhere, or in ``stores`` alone, but where it says that waiting is enough.

    Raises:
        CommitFailedError: when other writers of the lake were faster in every attempt.
    """
    receipts = Receipts()
    everyone = [one.user_id for one in erasures]
    silent = [one.user_id for one in erasures if not one.keeps_words]
    seen_to: dict[Store, Callable[[Settings, Place, list[str]], Counts]] = {
        Store.LAKE: _lake,
        Store.WAREHOUSE: _warehouse,
        Store.FEATURES: _features,
        Store.ONLINE_FEATURES: _online,
        Store.MODELS: _vectors,
    }
    for place in PLATFORM:
        if place.store in seen_to and place.store in stores and place.fate not in {Fate.EXPIRES, Fate.KEPT}:
            people = silent if place.fate is Fate.BLANKED or place == EMBEDDINGS else everyone
            receipts.note(place, seen_to[place.store](settings, place, people))
    return receipts


def report(settings: Settings, erasure: RequestedErasure, receipts: Receipts) -> None:
    """Tell the API what was forgotten, for the person's receipt.

    Raises:
        httpx.HTTPError: when it does not take it.
    """
    body = {"lines": receipts.lines(erasure.user_id)}
    with privacy_api(settings) as api:
        api.post(f"/erasures/{erasure.id}/platform", json=body).raise_for_status()


def _vectors(settings: Settings, _place: Place, people: list[str]) -> Counts:
    return delete_vectors(settings, people)


def _lake(settings: Settings, place: Place, people: list[str]) -> Counts:
    if place == EMBEDDINGS:
        return delete_embeddings(settings, people)
    # What a blanked row said before; the change that blanked it, and what comes after, stay.
    narrow = pl.col("content") != "" if place.fate is Fate.BLANKED else pl.lit(value=True)
    whose = scan_events(settings, place.name).filter(pl.col(place.person).is_in(people), narrow)
    counts = _by_person(whose, place.person)
    if counts:
        predicate = _in(place.person, counts) + (" AND content <> ''" if place.fate is Fate.BLANKED else "")
        _change(settings, place, predicate)
    return counts


def _change(settings: Settings, place: Place, predicate: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        opened = event_table(settings, place.name)
        assert opened is not None  # noqa: S101 (it had rows)
        try:
            if place.fate is Fate.UNLINKED:
                opened.update(updates={place.person: "NULL"}, predicate=predicate)
            else:
                opened.delete(predicate)
        except CommitFailedError:
            if attempt == ATTEMPTS:
                raise
        else:
            return


def _by_person(rows: pl.LazyFrame, person: str) -> dict[str, int]:
    counted = rows.group_by(person).len().collect(engine="streaming")
    return dict(counted.iter_rows())


def _in(column: str, people: Iterable[str]) -> str:
    # Ids of the mirror, which are of type uuid: nothing in them needs quoting.
    listed = ", ".join(f"'{one}'" for one in sorted(people))
    return f"{column} IN ({listed})"


def _warehouse(settings: Settings, _place: Place, people: list[str]) -> Counts:
    counts: Counter[str] = Counter(delete_from_marts(settings, people))
    with psycopg.connect(settings.warehouse_url) as connection:
        tables = connection.execute(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c "
            "JOIN information_schema.tables t USING (table_schema, table_name) "
            "WHERE t.table_type = 'BASE TABLE' AND table_schema = 'raw' AND column_name = ANY(%s) "
            "AND table_name <> 'erasures'",
            [[*_GOES_WITH, *_IS_UNLINKED_BY]],
        ).fetchall()
        for table, column in tables:
            template = UNLINK if column in _IS_UNLINKED_BY else DELETE
            statement = template.format(table=sql.Identifier("raw", table), person=sql.Identifier(column))
            counts.update(person for (person,) in connection.execute(statement, [people]).fetchall())
    return counts


def _features(settings: Settings, _place: Place, people: list[str]) -> Counts:
    return delete_offline(settings, people)


def _online(settings: Settings, _place: Place, people: list[str]) -> Counts:
    return delete_online(settings, people)
