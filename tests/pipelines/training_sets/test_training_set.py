"""Training sets equal a brute-force join, continue after an interruption, and refuse bad input with one sentence."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from typer import Typer
from typer.testing import CliRunner

from feature_repo.schemas import CONNECTOR_STATS, EVENT_TIMESTAMP, USER_ACTIVITY, USER_AFFINITY, ViewSchema
from feature_repo.vendor_patches import FeatureStore
from feature_repo.views import FEATURE_VIEW_SPECS
from neighborconnect.contracts.features import CONNECTOR_TRAINING
from neighborconnect.settings import Settings
from pipelines.features.offline_store import replace_rows
from pipelines.training_sets import build
from pipelines.training_sets.build import build_training_set
from pipelines.training_sets.cli import training_set
from pipelines.training_sets.labels import LabelError
from pipelines.transforms.view_schema import frame_schema

# Years of their own, so that replacing these rows touches nobody else's.
START, DAYS = datetime(2003, 1, 1, tzinfo=UTC), 30
VIEWS = (USER_ACTIVITY, USER_AFFINITY, CONNECTOR_STATS)
# Weights sum to one, and rates are at most one. A power of two, so that they are exact in 32 bits.
SHARE = 128
ODD_NAME = 'a "quoted", {odd} \\ name'

History = dict[str, list[tuple[datetime, int]]]


@pytest.fixture(scope="module")
def histories(settings: Settings, store: FeatureStore) -> Iterator[dict[str, History]]:
    """Rows of six entities per view at random half days; the values of a row name its number."""
    chance = random.Random(3)
    written = {view.name: _write(settings, view, chance) for view in VIEWS}
    yield written
    with psycopg.connect(settings.feast_database_url) as connection:
        for view in VIEWS:
            connection.execute(f"DELETE FROM {view.table} WHERE {EVENT_TIMESTAMP} < '2004-01-01'")


def _write(settings: Settings, view: ViewSchema, chance: random.Random) -> History:
    rows = sorted({(f"{view.keys[0]} {chance.randrange(6)}", chance.randrange(2 * DAYS)) for _ in range(60)})
    frame = pl.DataFrame(
        {
            view.keys[0]: [entity for entity, _ in rows],
            EVENT_TIMESTAMP: [START + half_days * timedelta(hours=12) for _, half_days in rows],
            "number": range(1, len(rows) + 1),
        }
    )
    value: dict[pl.DataType, pl.Expr] = {
        pl.Float32(): pl.col("number") / SHARE,
        pl.List(pl.String()): pl.concat_list(pl.lit(ODD_NAME), pl.col("number").cast(pl.String)),
        pl.List(pl.Float32()): pl.concat_list(1 - pl.col("number") / SHARE, pl.col("number") / SHARE),
    }
    typed = frame.with_columns(
        value.get(kind, pl.col("number")).cast(kind).alias(name)
        for name, kind in frame_schema(view).items()
        if name in view.features
    )
    replace_rows(
        settings,
        typed,
        schema=view,
        after=START - timedelta(days=1),
        until=START + timedelta(days=DAYS),
        may_be_empty=True,
    )
    history: History = {}
    for number, (entity, half_days) in enumerate(rows, start=1):
        history.setdefault(entity, []).append((START + half_days * timedelta(hours=12), number))
    return history


def as_of(history: History, *, view: str, entity: str, moment: datetime) -> int | None:
    """The number of the newest row that the moment may know."""
    ttl = FEATURE_VIEW_SPECS[view].ttl
    assert ttl is not None
    known = [(time, number) for time, number in history.get(entity, []) if moment - ttl <= time <= moment]
    return max(known)[1] if known else None


def make_labels(count: int = 400) -> pl.DataFrame:
    chance = random.Random(5)
    moments = [START + timedelta(hours=12 * chance.randrange(1, 2 * DAYS + 20)) for _ in range(count)]
    return pl.DataFrame(
        {
            "user_id": [f"user_id {chance.randrange(7)}" for _ in moments],
            "connector_id": [f"connector_id {chance.randrange(7)}" for _ in moments],
            EVENT_TIMESTAMP: moments,
            "clicked": [chance.random() < 0.5 for _ in moments],
        }
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_training_set_equals_a_brute_force_join(
    settings: Settings, histories: dict[str, History], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(build, "CHUNK_ROWS", 150)
    labels, path, out = make_labels(), tmp_path / f"labels{suffix}", tmp_path / "set.parquet"
    labels.write_parquet(path) if suffix == ".parquet" else labels.write_csv(path)

    built = build_training_set(settings, labels=path, service=CONNECTOR_TRAINING, out=out)

    joined = pl.read_parquet(out)
    assert joined.select(labels.columns).equals(labels)
    assert built.features == joined.width - labels.width == sum(len(view.features) for view in VIEWS)
    assert [file.name for file in tmp_path.iterdir() if file != path] == ["set.parquet"]
    matched = 0
    for row in joined.iter_rows(named=True):
        for view in VIEWS:
            number = as_of(histories[view.name], view=view.name, entity=row[view.keys[0]], moment=row[EVENT_TIMESTAMP])
            expected = {
                name: _expected(kind, number) for name, kind in frame_schema(view).items() if name in view.features
            }
            assert {name: row[f"{view.name}__{name}"] for name in view.features} == expected
            matched += number is not None
    assert 100 < matched < 3 * labels.height


def _expected(kind: pl.DataType, number: int | None) -> Any:
    if number is None:
        return None
    if kind == pl.List(pl.String()):
        return [ODD_NAME, str(number)]
    if kind == pl.List(pl.Float32()):
        return [1 - number / SHARE, number / SHARE]
    return number / SHARE if kind == pl.Float32() else number


def test_an_interrupted_build_continues_with_its_parts(
    settings: Settings, histories: dict[str, History], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CHUNK_ROWS", 100)
    path, whole, resumed = (tmp_path / name for name in ("labels.parquet", "whole.parquet", "resumed.parquet"))
    make_labels().write_parquet(path)
    build_training_set(settings, labels=path, service=CONNECTOR_TRAINING, out=whole)

    def fail_after_two_parts(step: str, done: int, total: int) -> None:
        if done == 200 and total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_training_set(
            settings, labels=path, service=CONNECTOR_TRAINING, out=resumed, on_progress=fail_after_two_parts
        )
    parts = sorted((tmp_path / "resumed.parquet.partial").glob("part-*"))
    assert len(parts) == 2
    assert not resumed.exists()
    written_at = [part.stat().st_mtime_ns for part in parts]
    times: list[list[int]] = []
    build_training_set(
        settings,
        labels=path,
        service=CONNECTOR_TRAINING,
        out=resumed,
        on_progress=lambda *_: times.append([part.stat().st_mtime_ns for part in parts]),
    )

    assert times
    assert all(seen == written_at for seen in times)
    assert pl.read_parquet(resumed).equals(pl.read_parquet(whole))


LABELS = make_labels(3)
BAD: dict[str, tuple[pl.DataFrame | bytes, str]] = {
    "missing column": (LABELS.drop("user_id"), "lacks the column user_id"),
    "wrong type": (LABELS.with_columns(user_id=pl.lit(7)), "column user_id has type"),
    "naive times": (LABELS.with_columns(pl.col(EVENT_TIMESTAMP).dt.replace_time_zone(None)), "no time zone"),
    "text times": (LABELS.with_columns(pl.col(EVENT_TIMESTAMP).dt.strftime("%F %T")), "without UTC offset"),
    "dates": (LABELS.with_columns(pl.col(EVENT_TIMESTAMP).dt.date()), "must be a time with a time zone"),
    "before the lake": (LABELS.with_columns(pl.lit(datetime(1999, 1, 1, tzinfo=UTC)).alias(EVENT_TIMESTAMP)), "before"),
    "future": (LABELS.with_columns(pl.lit(datetime(2099, 1, 1, tzinfo=UTC)).alias(EVENT_TIMESTAMP)), "in the future"),
    "null key": (LABELS.with_columns(user_id=pl.lit(None, pl.String)), "has no user_id"),
    "no rows": (LABELS.clear(), "has no rows"),
    "broken": (b"PAR1 and then nothing", "is not a readable .parquet file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_labels_are_refused_with_one_sentence(
    settings: Settings, histories: dict[str, History], tmp_path: Path, case: str
) -> None:
    content, reason = BAD[case]
    path = tmp_path / "labels.parquet"
    path.write_bytes(content) if isinstance(content, bytes) else content.write_parquet(path)

    with pytest.raises(LabelError, match=reason) as refused:
        build_training_set(settings, labels=path, service=CONNECTOR_TRAINING, out=tmp_path / "set.parquet")

    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_names_the_services_when_one_is_unknown(settings: Settings, tmp_path: Path) -> None:
    app = Typer()
    app.command()(training_set)
    out = tmp_path / f"{uuid4().hex}.parquet"

    result = CliRunner().invoke(app, ["--labels", "labels.csv", "--service", "no_such", "--out", str(out)])

    assert result.exit_code == 1
    assert f"There is no feature service no_such; choose one of {CONNECTOR_TRAINING}" in result.stderr
    assert not out.exists()
