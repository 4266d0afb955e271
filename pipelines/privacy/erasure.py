"""Erasure of users in the lake, the warehouse, the feature stores and the models.

The data inventory in ``neighborconnect.contracts.privacy`` defines the action for each location. The API lists the
users to erase, never Kafka: an event there can be forged. Kafka retains its records, so a store that is filled again
receives erased data again. Therefore each run repeats every erasure that is younger than ``REPEATED_FOR``, and every
erasure while a rebuild of a store is unfinished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import psycopg
from deltalake.exceptions import CommitFailedError
from psycopg import sql

from neighborconnect.contracts.privacy import (
    EMBEDDINGS_LOCATION,
    PLATFORM_LOCATIONS,
    QUARANTINE_LOCATION,
    REDACTED_TITLES,
    TRAINING_SET_FILES_LOCATION,
    DataLocation,
    ErasureAction,
    Store,
)
from neighborconnect.contracts.topics import STREAM_BY_TABLE
from neighborconnect.settings import Settings
from pipelines.ingest.dead_letter_erasure import erase_letters
from pipelines.ingest.lake import event_table, scan_events
from pipelines.ingest.rebuild_log import unfinished_rebuilds
from pipelines.privacy.model_erasure import delete_embeddings, delete_vectors
from pipelines.privacy.model_influence import InfluencedModels, influenced_models
from pipelines.privacy.training_set_files import files_with
from pipelines.privacy.user_data import (
    DELETE,
    UNLINK,
    CountsByUser,
    delete_from_marts,
    delete_offline,
    delete_online,
)
from pipelines.privacy_api import RequestedErasure, privacy_api, read_erasures
from pipelines.quality.quarantine import delete_quarantined_rows

REPEATED_FOR: Final = timedelta(days=8)
MAX_ATTEMPTS: Final = 5
# The mirror of users follows the product database, whose own erasure empties the account.
_MIRRORED: Final = "users"


@dataclass(slots=True)
class Receipts:
    """Number of erased rows or keys by data location and user; a location without an entry needs no action.

    ``influenced_models`` has the versions that were trained on users whose erasure was not reported before, and
    ``training_set_files`` the files of operators that hold users.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    influenced_models: InfluencedModels = field(default_factory=dict)
    training_set_files: Mapping[str, list[str]] = field(default_factory=dict)

    def add(self, location: DataLocation, counts: CountsByUser) -> None:
        """Add the erased rows of one location."""
        self.counts.setdefault(location.label, Counter()).update(counts)

    def lake_tables(self) -> list[str]:
        """Return the event tables of the lake that lost rows."""
        locations = [one for one in PLATFORM_LOCATIONS if one.store is Store.LAKE and one.name in STREAM_BY_TABLE]
        return sorted({one.name for one in locations if self.counts.get(one.label, Counter()).total()})

    def lines(self, user_id: str) -> list[dict[str, object]]:
        """Return the lines of a user's receipt, in the format of the API."""
        now = datetime.now(UTC).isoformat()
        return [
            {
                "location": location.label,
                "action": location.action.value,
                "row_count": self.counts[location.label][user_id] if location.label in self.counts else None,
                "completed_at": now,
            }
            for location in PLATFORM_LOCATIONS
        ]


def read_due_erasures(settings: Settings, *, now: datetime | None = None) -> list[RequestedErasure]:
    """Return the erasures whose data may exist, or may come back, in the analytical stores.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    if unfinished_rebuilds(settings):
        return read_erasures(settings)
    return read_erasures(settings, since=(now or datetime.now(UTC)) - REPEATED_FOR)


def erase(
    settings: Settings, erasures: Sequence[RequestedErasure], *, stores: Collection[Store] = frozenset(Store)
) -> Receipts:
    """Erase users in ``stores``, except in locations whose data expires or is retained.

    Raises:
        CommitFailedError: if concurrent writers of the lake won every attempt.
    """
    receipts = Receipts()
    all_users = [erasure.user_id for erasure in erasures]
    users_without_texts = [erasure.user_id for erasure in erasures if not erasure.keep_words]
    erase_in: dict[Store, Callable[[Settings, DataLocation, list[str]], CountsByUser]] = {
        Store.LAKE: _erase_in_lake,
        Store.WAREHOUSE: _erase_in_warehouse,
        Store.FEATURES: _erase_offline,
        Store.ONLINE_FEATURES: _erase_online,
        Store.MODELS: _erase_vectors,
        Store.KAFKA: _erase_dead_letters,
    }
    for location in PLATFORM_LOCATIONS:
        needs_action = location.action not in {ErasureAction.EXPIRES, ErasureAction.RETAINED}
        if location.store in erase_in and location.store in stores and needs_action:
            is_text = location.action is ErasureAction.REDACTED or location == EMBEDDINGS_LOCATION
            users = users_without_texts if is_text else all_users
            receipts.add(location, erase_in[location.store](settings, location, users))
    if Store.MODELS in stores:
        unreported = {erasure.user_id for erasure in erasures if not erasure.is_reported}
        receipts.influenced_models = influenced_models(settings, unreported)
    if Store.FEATURES in stores:
        receipts.training_set_files = files_with(settings, all_users)
        counts = {user_id: len(files) for user_id, files in receipts.training_set_files.items()}
        receipts.add(TRAINING_SET_FILES_LOCATION, counts)
    return receipts


def report(settings: Settings, erasure: RequestedErasure, receipts: Receipts) -> None:
    """Report the erased data of a user to the API, which adds it to the user's receipt.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    influenced = receipts.influenced_models.get(erasure.user_id, [])
    body = {"lines": receipts.lines(erasure.user_id), "influenced_models": influenced}
    with privacy_api(settings) as api:
        api.post(f"/erasures/{erasure.id}/platform", json=body).raise_for_status()


def _erase_dead_letters(settings: Settings, _location: DataLocation, users: list[str]) -> CountsByUser:
    return erase_letters(settings.kafka_bootstrap_servers, users)


def _erase_vectors(settings: Settings, _location: DataLocation, users: list[str]) -> CountsByUser:
    return delete_vectors(settings, users)


def _erase_in_lake(settings: Settings, location: DataLocation, users: list[str]) -> CountsByUser:
    if location == EMBEDDINGS_LOCATION:
        return delete_embeddings(settings, users)
    # Of redacted rows, only versions before the redaction are deleted; the redaction itself stays.
    texts = _texts(location) if location.action is ErasureAction.REDACTED else ()
    redacted = ["", *filter(None, [REDACTED_TITLES.get(location.name)])]
    events = scan_events(settings, location.name).filter(pl.col(location.subject_key).is_in(users))
    if texts:
        events = events.filter(pl.any_horizontal(pl.col(texts).is_not_null() & ~pl.col(texts).is_in(redacted)))
    counts = _count_by_user(events, location.subject_key)
    if counts:
        predicate = _in(location.subject_key, counts)
        if texts:
            written = " OR ".join(f"{text} NOT IN ({', '.join(map(repr, redacted))})" for text in texts)
            predicate = f"{predicate} AND ({written})"
        _change_lake_table(settings, location, predicate)
    return counts


def _texts(location: DataLocation) -> list[str]:
    return [column.name for column in STREAM_BY_TABLE[location.name].columns if column.is_text]


def _change_lake_table(settings: Settings, location: DataLocation, predicate: str) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        table = event_table(settings, location.name)
        assert table is not None  # noqa: S101 (it has rows)
        try:
            if location.action is ErasureAction.UNLINKED:
                table.update(updates={location.subject_key: "NULL"}, predicate=predicate)
            else:
                table.delete(predicate)
        except CommitFailedError:
            if attempt == MAX_ATTEMPTS:
                raise
        else:
            return


def _count_by_user(rows: pl.LazyFrame, column: str) -> dict[str, int]:
    counted = rows.group_by(column).len().collect(engine="streaming")
    return dict(counted.iter_rows())


def _in(column: str, users: Iterable[str]) -> str:
    # The ids are UUIDs, which need no quoting.
    quoted = ", ".join(f"'{user_id}'" for user_id in sorted(users))
    return f"{column} IN ({quoted})"


def _erase_in_warehouse(settings: Settings, _location: DataLocation, users: list[str]) -> CountsByUser:
    counts: Counter[str] = Counter(delete_from_marts(settings, users))
    with psycopg.connect(settings.warehouse_url) as connection:
        for location in _mirrors(connection):
            template = UNLINK if location.action is ErasureAction.UNLINKED else DELETE
            statement = template.format(
                table=sql.Identifier("raw", location.name), user=sql.Identifier(location.subject_key)
            )
            counts.update(user_id for (user_id,) in connection.execute(statement, [users]).fetchall())
    return counts


def _mirrors(connection: psycopg.Connection) -> list[DataLocation]:
    """Return the lake's locations whose rows are deleted or unlinked in existing ``raw`` tables as well."""
    tables = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'raw'")
    existing = {name for (name,) in tables} - {_MIRRORED}
    return [
        location
        for location in PLATFORM_LOCATIONS
        if location.store is Store.LAKE
        and location.name in existing & STREAM_BY_TABLE.keys()
        and location.action in {ErasureAction.DELETED, ErasureAction.UNLINKED}
    ]


def _erase_offline(settings: Settings, location: DataLocation, users: list[str]) -> CountsByUser:
    if location == QUARANTINE_LOCATION:
        return delete_quarantined_rows(settings, users)
    return delete_offline(settings, users)


def _erase_online(settings: Settings, _location: DataLocation, users: list[str]) -> CountsByUser:
    return delete_online(settings, users)
