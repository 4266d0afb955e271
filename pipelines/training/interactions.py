"""Training interactions of the recommenders, as a versioned table of the lake; recommendable items and interests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import psycopg
from deltalake import DeltaTable

from models.recommendation.data import STANDING
from models.recommendation.described_items import KindData
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.empty_input import count_delta_rows, require_rows
from pipelines.features.lake_reads import (
    read_activity,
    read_personalization_withdrawals,
    read_resets,
    read_standing,
)
from pipelines.ingest.lake import LakeSnapshot
from pipelines.transforms.resets import since_resets
from pipelines.transforms.training_interactions import training_interactions

ITEM_SCHEMA: Final[dict[str, pl.DataType]] = {
    "item_id": pl.String(),
    "text": pl.String(),
    "category": pl.String(),
    "connector_id": pl.String(),
    "owner_id": pl.String(),
    "created_at": pl.Datetime("us", "UTC"),
    "is_open": pl.Boolean(),
    "starts_at": pl.Datetime("us", "UTC"),
    "closed_at": pl.Datetime("us", "UTC"),
    "price": pl.Float64(),
    "currency": pl.String(),
}
_CAST: Final = {"price": "price::double precision"}
RETENTION: Final = timedelta(days=30)
"""The data of a model can be read again for this long."""
IMPRESSION_HORIZON: Final = timedelta(days=90)
"""Age up to which impressions are trained on: there are many more of them than acts, and each user's newest count."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One version of the training interactions of one item kind; ``data_version`` identifies it in MLflow."""

    interactions: pl.DataFrame
    data_version: str


def collect_interactions(settings: Settings, *, kind: ItemKind) -> pl.DataFrame:
    """Return the current interactions with items of ``kind``: ``TRAINING_SCHEMA`` and ``STANDING``, without order.

    Users without consent to personalization, acts before a reset of it and impressions before ``IMPRESSION_HORIZON``
    are excluded.
    """
    lake, now = LakeSnapshot(settings), datetime.now(UTC)
    is_recent = (pl.col("weight") > 0) | (pl.col("occurred_at") >= now - IMPRESSION_HORIZON)
    interactions = training_interactions(read_activity(lake), kind=kind).filter(is_recent)
    withdrawn = read_personalization_withdrawals(lake)
    weights = read_standing(lake, at=now)
    return (
        since_resets(interactions, read_resets(lake))
        .join(withdrawn, on="user_id", how="anti")
        .join(weights, on="user_id", how="left")
        .with_columns(pl.col(STANDING).fill_null(0.0))
        .collect(engine="streaming")
    )


def without_reset_acts(settings: Settings, interactions: pl.DataFrame) -> pl.DataFrame:
    """Return stored interactions without those before a reset of personalization since they were written."""
    resets = read_resets(LakeSnapshot(settings))
    return since_resets(interactions.lazy(), resets).collect()


def write_interactions(settings: Settings, *, kind: ItemKind) -> TrainingSet:
    """Write the current interactions as the next version, and delete the files that only expired versions need.

    Raises:
        EmptyInputError: if the lake has no act. An empty result because no user consents is no error.
    """
    rows = collect_interactions(settings, kind=kind)
    path = _path(settings, kind)
    if rows.is_empty():
        acts = read_activity(LakeSnapshot(settings)).head(1).collect(engine="streaming").height
        target = f"training/{kind.value}_interactions"
        require_rows(acts, replacing=count_delta_rows(settings, path), target=target)
    rows.write_delta(
        path,
        mode="overwrite",
        delta_write_options={"schema_mode": "overwrite"},
        storage_options=settings.lake_storage_options,
    )
    DeltaTable(path, storage_options=settings.lake_storage_options).vacuum(
        retention_hours=int(RETENTION.total_seconds() // 3600), dry_run=False
    )
    return read_interactions(settings, kind=kind)


def read_interactions(settings: Settings, *, kind: ItemKind) -> TrainingSet:
    """Return the newest version of the training interactions.

    Raises:
        deltalake.exceptions.TableNotFoundError: if no version was written.
    """
    table = DeltaTable(_path(settings, kind), storage_options=settings.lake_storage_options)
    name = f"training/{kind.value}_interactions@{table.version()}"
    return TrainingSet(pl.scan_delta(table).collect(), name)


def collect_training_data(settings: Settings, *, kind: ItemKind) -> KindData:
    """Return the current interactions of a kind, and its items with the closed ones."""
    interactions = collect_interactions(settings, kind=kind)
    return KindData(interactions, read_items(settings, kind=kind, with_closed=True))


def read_items(settings: Settings, *, kind: ItemKind, with_closed: bool = False) -> pl.DataFrame:
    """Return the items of the warehouse that may be recommended now, by ascending id: ``ITEM_SCHEMA``.

    ``with_closed`` adds events that have begun, are full or canceled, and sold items: they are not recommended, but the
    interactions with them are trained on.
    """
    columns = ", ".join(f"{name}::text" if name.endswith("_id") else _CAST.get(name, name) for name in ITEM_SCHEMA)
    condition = "" if with_closed else " AND is_open"
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(
            f"SELECT {columns} FROM marts.recommendable_items WHERE item_kind = %s{condition} ORDER BY item_id",  # noqa: S608
            (kind.value,),
        ).fetchall()
    return pl.DataFrame(rows, schema=ITEM_SCHEMA, orient="row")


def read_stated_interests(settings: Settings) -> pl.DataFrame:
    """Return the interests in the users' profiles: columns ``user_id`` and ``interest``.

    Users without consent to personalization are excluded.
    """
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(
            """
            SELECT users.id::text, stated.interest FROM raw.users
            CROSS JOIN LATERAL jsonb_array_elements_text(
                CASE jsonb_typeof(users.interests) WHEN 'array' THEN users.interests ELSE '[]' END
            ) AS stated (interest)
            WHERE NOT _deleted AND is_active AND personalised AND erased_at IS NULL ORDER BY 1, 2
            """
        ).fetchall()
    return pl.DataFrame(rows, schema={"user_id": pl.String(), "interest": pl.String()}, orient="row")


def _path(settings: Settings, kind: ItemKind) -> str:
    return settings.lake_path("training", f"{kind.value}_interactions")
