"""Build a training set, step by step, so that an interrupted build continues where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import polars as pl

from feature_repo.purposes import FeaturePurpose, require_purpose
from feature_repo.schemas import VIEW_SCHEMAS, ViewSchema
from feature_repo.services import SERVICES, purpose_of
from feature_repo.views import FEATURE_VIEW_SPECS
from neighborconnect.settings import Settings
from pipelines.privacy.training_set_files import record_file
from pipelines.training_sets.history import export_history, history_begins, period_of
from pipelines.training_sets.join import History, connect, join_features
from pipelines.training_sets.labels import LabelError, digest_of, read_labels

CHUNK_ROWS: Final = 250_000
_STATE: Final = "state.json"

OnProgress = Callable[[str, int, int], None]
"""Callback with the current step, the number of completed units and the number of units (0 if unknown)."""


class UnknownServiceError(LabelError):
    """There is no feature service with this name."""


@dataclass(frozen=True, slots=True)
class TrainingSetFile:
    """A finished training set."""

    path: Path
    rows: int
    features: int


@dataclass(frozen=True, slots=True)
class _State:
    """Identity of a build: parts of another one cannot be used."""

    service: str
    labels: str
    columns: list[str]


def build_training_set(
    settings: Settings,
    *,
    labels: Path,
    service: str,
    out: Path,
    purpose: FeaturePurpose = FeaturePurpose.RECOMMENDATION,
    overwrite: bool = False,
    on_progress: OnProgress = lambda _step, _done, _total: None,
) -> TrainingSetFile:
    """Join the labels of a file with the features of a service, as of the time of each label.

    The result has the rows and columns of ``labels`` in the same order, and one column ``<view>__<feature>`` per
    feature. Parts are stored in ``<out>.partial`` until the build ends; a repeated call continues with them.

    Args:
        settings: address of the offline store.
        labels: Parquet or CSV file; see ``labels.read_labels``.
        service: name of a feature service.
        out: Parquet file to write.
        purpose: what the model is for.
        overwrite: whether to replace ``out``.
        on_progress: called after each unit of work.

    Raises:
        LabelError: if the input cannot be used; nothing is written.
        PurposeError: if the service is for another purpose.
    """
    views = _views_of(service)
    require_purpose(service, allowed=(purpose_of(service),), purpose=purpose)
    if out.suffix != ".parquet":
        raise LabelError(f"{out}: the training set is written as Parquet, so its name must end in .parquet.")
    if out.exists() and not overwrite:
        raise LabelError(f"{out} exists; choose another name or pass --overwrite.")
    if not out.parent.is_dir():
        raise LabelError(f"The folder {out.parent} does not exist.")
    begins = history_begins(settings, views)
    keys = tuple(dict.fromkeys(key for view in views for key in view.keys))
    rows = read_labels(labels, keys=keys, history_begins=begins)
    assert begins is not None  # noqa: S101 (``read_labels`` raises)
    columns = [f"{view.name}.{feature}:{kind}" for view in views for feature, kind in view.features.items()]
    folder = _open_folder(out, _State(service, digest_of(labels), columns))
    histories = []
    for view in views:
        ttl = FEATURE_VIEW_SPECS[view.name].ttl
        history = History(view, folder / f"history-{view.name}.parquet", ttl)
        since, until = period_of(rows, ttl=ttl, begins=begins)
        if not history.path.exists():
            step = f"Reading the history of {view.name}"

            def report(received: int, step: str = step) -> None:
                on_progress(step, received // 1_000_000, 0)

            export_history(
                settings, schema=view, entities=rows, since=since, until=until, path=history.path, on_bytes=report
            )
        histories.append(history)
    parts = _join_parts(rows, folder=folder, histories=histories, on_progress=on_progress)
    finished = folder / "finished.parquet"
    pl.scan_parquet(parts).sink_parquet(
        finished, metadata={"feature_service": service, "labels_sha256": digest_of(labels)}
    )
    record_file(settings, out, rows=rows)
    finished.replace(out)
    shutil.rmtree(folder)
    return TrainingSetFile(out, rows.height, len(columns))


def _views_of(service: str) -> tuple[ViewSchema, ...]:
    if service not in SERVICES:
        raise UnknownServiceError(
            f"There is no feature service {service}; choose one of {', '.join(sorted(SERVICES))}."
        )
    return tuple(VIEW_SCHEMAS[projection.name] for projection in SERVICES[service].feature_view_projections)


def _open_folder(out: Path, state: _State) -> Path:
    """Return the folder of the parts, emptied if it belongs to another build."""
    folder = out.with_name(f"{out.name}.partial")
    written = json.dumps(asdict(state), indent=1)
    stored = folder / _STATE
    if folder.exists() and not (stored.is_file() and stored.read_text() == written):
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    stored.write_text(written)
    return folder


def _join_parts(rows: pl.DataFrame, *, folder: Path, histories: list[History], on_progress: OnProgress) -> list[Path]:
    parts = []
    connection = connect(folder)
    try:
        for start in range(0, rows.height, CHUNK_ROWS):
            path = folder / f"part-{start:012}.parquet"
            chunk = rows.slice(start, CHUNK_ROWS)
            if not path.exists():
                join_features(connection, chunk, histories=histories, path=path)
            parts.append(path)
            on_progress("Joining labels", start + chunk.height, rows.height)
    finally:
        connection.close()
    return parts
