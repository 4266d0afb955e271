"""The data that recommenders learn from, as a versioned table of the lake, and the catalogue of what they rank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl
import psycopg
from deltalake import DeltaTable

from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.features.lake import read_activity, read_refusals
from pipelines.guards import require_rows, table_rows
from pipelines.transforms.training import training_interactions

ITEM_SCHEMA: Final[dict[str, pl.DataType]] = {
    "item_id": pl.String(),
    "text": pl.String(),
    "category": pl.String(),
    "connector_id": pl.String(),
    "owner_id": pl.String(),
    "created_at": pl.Datetime("us", "UTC"),
}
# A model's data can be read again for this long.
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A version of the training interactions of one kind; ``data_version`` names it for MLflow."""

    interactions: pl.DataFrame
    data_version: str


def collect_interactions(settings: Settings, *, kind: ItemKind) -> pl.DataFrame:
    """Collect the interactions of ``kind`` from the lake's events, as of now: ``TRAINING_SCHEMA``.

    Nothing is learnt from who refuses to be served personally.
    """
    signs = training_interactions(read_activity(settings), kind=kind)
    return signs.join(read_refusals(settings), on="user_id", how="anti").collect(engine="streaming")


def write_interactions(settings: Settings, *, kind: ItemKind) -> TrainingSet:
    """Write the interactions as of now as the table's next version, and drop files that only expired versions need.

    Raises:
        EmptyInputError: when the lake has no act any more. That everybody refuses is no error.
    """
    rows = collect_interactions(settings, kind=kind)
    path = _path(settings, kind)
    if rows.is_empty():
        acts = read_activity(settings).head(1).collect(engine="streaming").height
        require_rows(acts, replacing=table_rows(settings, path), target=f"training/{kind.value}_interactions")
    rows.write_delta(_path(settings, kind), mode="overwrite", storage_options=settings.lake_storage_options)
    DeltaTable(_path(settings, kind), storage_options=settings.lake_storage_options).vacuum(
        retention_hours=int(KEPT_FOR.total_seconds() // 3600), dry_run=False
    )
    return read_interactions(settings, kind=kind)


def read_interactions(settings: Settings, *, kind: ItemKind) -> TrainingSet:
    """Read the newest version of the training interactions.

    Raises:
        deltalake.exceptions.TableNotFoundError: when none has been written.
    """
    table = DeltaTable(_path(settings, kind), storage_options=settings.lake_storage_options)
    name = f"training/{kind.value}_interactions@{table.version()}"
    return TrainingSet(pl.scan_delta(table).collect(), name)


def read_items(settings: Settings, *, kind: ItemKind) -> pl.DataFrame:
    """Read what may be recommended from the warehouse's catalogue: ``ITEM_SCHEMA``, by id."""
    columns = ", ".join(name if not name.endswith("_id") else f"{name}::text" for name in ITEM_SCHEMA)
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(
            f"SELECT {columns} FROM marts.recommendable_items WHERE item_kind = %s ORDER BY item_id",  # noqa: S608
            (kind.value,),
        ).fetchall()
    return pl.DataFrame(rows, schema=ITEM_SCHEMA, orient="row")


def _path(settings: Settings, kind: ItemKind) -> str:
    return settings.lake_path("training", f"{kind.value}_interactions")
