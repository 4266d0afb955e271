"""A training set of a million labels with 52 features, next to Feast's own point-in-time join of fewer labels.

Writes histories of users and connectors of its own into the offline store, in a year of their own, and removes them.
"""

from __future__ import annotations

import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import psycopg

from benchmarks.report import Row, show
from feature_repo.schemas import CONNECTOR_STATS, EVENT_TIMESTAMP, USER_ACTIVITY, ViewSchema
from feature_repo.store import apply, open_store
from feature_repo.views import FEATURE_VIEW_SPECS
from neighborconnect.settings import Settings, get_settings
from pipelines.features.offline_store import replace_rows
from pipelines.training_sets.history import export_history, period_of
from pipelines.training_sets.join import History, connect, join_features
from pipelines.transforms.view_schema import frame_schema

LABELS, FEAST_LABELS = 1_000_000, 20_000
USERS, CONNECTORS, DAYS = 20_000, 2_000, 28
START = datetime(2005, 1, 1, tzinfo=UTC)
VIEWS = (USER_ACTIVITY, CONNECTOR_STATS)
_CHUNK_ROWS = 250_000


def run(settings: Settings) -> list[Row]:
    """Join ``LABELS`` labels, then ``FEAST_LABELS`` both ways, and compare rows and times."""
    try:
        with open_store(settings) as store:
            apply(store)
            for view, entities in zip(VIEWS, (USERS, CONNECTORS), strict=True):
                _write(settings, view, entities=entities)
            whole, _ = _ours(settings, _labels(LABELS))
            few = _labels(FEAST_LABELS)
            ours, joined = _ours(settings, few)
            began = time.perf_counter()
            refs = [f"{view.name}:{feature}" for view in VIEWS for feature in view.features]
            peer = store.get_historical_features(
                entity_df=few.to_pandas(), features=refs, full_feature_names=True
            ).to_df()
            feast = time.perf_counter() - began
    finally:
        with psycopg.connect(settings.feast_database_url) as connection:
            for view in VIEWS:
                connection.execute(
                    f"DELETE FROM {view.table} WHERE {EVENT_TIMESTAMP} BETWEEN %s AND %s",  # noqa: S608
                    (START, START + timedelta(days=DAYS)),
                )
    columns = [f"{view.name}__{feature}" for view in VIEWS for feature in view.features]
    theirs = pl.from_pandas(peer).sort("label").select(pl.col(columns).cast(pl.Float64))
    differing = sum(int((joined[name].cast(pl.Float64).eq_missing(theirs[name])).not_().sum()) for name in columns)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    size = f"{USERS:,} users and {CONNECTORS:,} connectors with a row on each of {DAYS} days"
    return [
        Row(f"training set of {LABELS:,} labels with {len(columns)} features", ours=whole, unit="s", note=size),
        Row.compare(
            f"training set of {FEAST_LABELS:,} labels",
            ours=ours,
            peer=feast,
            unit="s",
            note=f"Feast's PostgreSQL offline store on the same rows; {differing} cells differ",
        ),
        Row("training set, peak memory of the process", ours=peak, unit="GiB", note="with Feast's data frame"),
    ]


def _ours(settings: Settings, labels: pl.DataFrame) -> tuple[float, pl.DataFrame]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder, histories = Path(name), []
        for view in VIEWS:
            ttl = FEATURE_VIEW_SPECS[view.name].ttl
            since, until = period_of(labels, ttl=ttl, begins=START)
            path = folder / f"{view.name}.parquet"
            export_history(
                settings, schema=view, entities=labels, since=since, until=until, path=path, on_bytes=lambda _: None
            )
            histories.append(History(view, path, ttl))
        connection = connect(folder)
        for start in range(0, labels.height, _CHUNK_ROWS):
            part = folder / f"part-{start:012}.parquet"
            join_features(connection, labels.slice(start, _CHUNK_ROWS), histories=histories, path=part)
        connection.close()
        pl.scan_parquet(folder / "part-*.parquet").sink_parquet(folder / "set.parquet")
        seconds = time.perf_counter() - began
        return seconds, pl.read_parquet(folder / "set.parquet", n_rows=FEAST_LABELS)


def _labels(count: int) -> pl.DataFrame:
    chance = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "label": np.arange(count),
            "user_id": [f"benchmark user {number}" for number in chance.integers(0, USERS, count)],
            "connector_id": [f"benchmark connector {number}" for number in chance.integers(0, CONNECTORS, count)],
            EVENT_TIMESTAMP: [START + timedelta(seconds=int(n)) for n in chance.integers(1, DAYS * 86_400, count)],
        },
        schema_overrides={EVENT_TIMESTAMP: pl.Datetime("us", "UTC")},
    )


def _write(settings: Settings, view: ViewSchema, *, entities: int) -> None:
    prefix = view.keys[0].removesuffix("_id")
    chance = np.random.default_rng(2)
    schema = frame_schema(view)
    days = pl.DataFrame({EVENT_TIMESTAMP: [START + timedelta(days=day) for day in range(1, DAYS + 1)]})
    names = pl.DataFrame({view.keys[0]: [f"benchmark {prefix} {number}" for number in range(entities)]})
    rows = names.join(days, how="cross").with_columns(
        pl.Series(name, chance.integers(0, 500, entities * DAYS)) for name in view.features
    )
    replace_rows(
        settings,
        rows.select(pl.col(name).cast(kind) for name, kind in schema.items()),
        schema=view,
        after=START,
        until=START + timedelta(days=DAYS),
    )


if __name__ == "__main__":
    show("training sets", run(get_settings()))
