"""Data sets of a training as MLflow's inputs of a run: name, version, and the place to read them from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from neighborconnect.settings import Settings

UNVERSIONED: Final = "unversioned"
_MAX_DIGEST: Final = 36


def lake_data_set(settings: Settings, data_version: str, *, counts: Mapping[str, int]) -> DatasetInput:
    """Return a table or artifact of the lake as an input of a run.

    Args:
        settings: bucket of the lake.
        data_version: ``<path>@<version>`` and, after a space, the window of the rows.
        counts: number of rows by name.
    """
    identity, _, window = data_version.partition(" ")
    name, _, version = identity.partition("@")
    source = {"uri": settings.lake_path(*name.split("/")), "version": version or UNVERSIONED}
    profile: dict[str, int | str] = {**counts}
    if window:
        profile["window"] = window
    return _data_set(name, version or UNVERSIONED, source_type="s3", source=source, profile=profile)


def mart_data_set(settings: Settings, table: str, *, counts: Mapping[str, int]) -> DatasetInput:
    """Return a mart of the warehouse, as it was read by the run, as an input."""
    source = {"database": settings.warehouse_url.rpartition("/")[2].partition("?")[0], "table": table}
    return _data_set(table, UNVERSIONED, source_type="postgresql", source=source, profile=counts)


def packaged_data_set(name: str, *, digest: str, package: str) -> DatasetInput:
    """Return files of a Python package as an input."""
    return _data_set(name, digest, source_type="package", source={"package": package}, profile={})


def _data_set(
    name: str, digest: str, *, source_type: str, source: Mapping[str, str], profile: Mapping[str, int | str]
) -> DatasetInput:
    data_set = Dataset(name, digest[:_MAX_DIGEST], source_type, json.dumps(source), profile=json.dumps(dict(profile)))
    return DatasetInput(data_set, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])
