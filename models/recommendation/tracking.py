"""MLflow: one run a training, one registered version a run, the alias moved last."""

from __future__ import annotations

import importlib.metadata
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array

from models.recommendation import pyfunc_model, snapshot, vectors
from models.recommendation.choosing import Recipe
from models.recommendation.registry import model_version_name
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import CHAMPION, REGISTERED_MODEL
from neighborconnect.settings import Settings

RECIPE_FILE = "recipe.json"
VECTORS_FILE = "user_vectors.safetensors"
SNAPSHOT_FILE = "snapshot.safetensors"
CARD_FILE = "model_card.md"
# Given, because MLflow would otherwise start a process for many seconds to find them out.
_REQUIREMENTS = tuple(
    f"{name}=={importlib.metadata.version(name)}" for name in ("mlflow", "numpy", "pandas", "safetensors", "pydantic")
)
_SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(Array(DataType.double), "factors", required=False),
            ColSpec(Array(DataType.double), "content", required=False),
        ]
    ),
    outputs=Schema([ColSpec(Array(DataType.string), "item_ids"), ColSpec(Array(DataType.double), "scores")]),
    params=ParamSchema([ParamSpec("limit", DataType.long, pyfunc_model.DEFAULT_LIMIT)]),
)


@dataclass(frozen=True, slots=True)
class RegisteredRun:
    """A run and the version that was registered from it."""

    kind: ItemKind
    run_id: str
    registry_version: str

    @property
    def model_version(self) -> str:
        """Name of the version in features, snapshots and answers."""
        return model_version_name(self.kind, run_id=self.run_id)


class Tracker:
    """The platform's MLflow for one kind of item."""

    def __init__(self, settings: Settings, *, kind: ItemKind) -> None:
        """Point MLflow at the settings' server; there is one tracking server a process."""
        mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
        self._kind = kind
        self._name = REGISTERED_MODEL[kind]
        self._client = mlflow.MlflowClient()

    def start(self, *, run_name: str) -> str:
        """Start a run and return its id."""
        name = f"recommendation-{self._kind.value}"
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(name)
        run_id: str = self._client.create_run(experiment_id, run_name=run_name).info.run_id
        return run_id

    def log(
        self, run_id: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        """Log everything in one call: one by one takes 60 ms each."""
        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def log_report(self, run_id: str, *, card: str, figure: Figure | None, recipe: Recipe | None) -> None:
        """Log what people read, and the recipe that a later run compares with."""
        self._client.log_text(run_id, card, CARD_FILE)
        if figure is not None:
            self._client.log_figure(run_id, figure, "metrics.png")
        if recipe is not None:
            self._client.log_dict(run_id, recipe.as_dict(), RECIPE_FILE)

    def log_model(
        self, run_id: str, *, item_snapshot: snapshot.ItemSnapshot, user_vectors: vectors.UserVectors, card: str
    ) -> RegisteredRun:
        """Log the served artefacts, register a version with the card as its description, and end the run."""
        with tempfile.TemporaryDirectory() as folder:
            snapshot_path, vectors_path = Path(folder, SNAPSHOT_FILE), Path(folder, VECTORS_FILE)
            snapshot_path.write_bytes(snapshot.to_bytes(item_snapshot))
            vectors_path.write_bytes(vectors.to_bytes(user_vectors))
            self._client.log_artifact(run_id, str(vectors_path))
            with mlflow.start_run(run_id=run_id):
                mlflow.pyfunc.log_model(
                    name="model",
                    python_model=pyfunc_model.__file__,
                    artifacts={pyfunc_model.SNAPSHOT_ARTIFACT: str(snapshot_path)},
                    signature=_SIGNATURE,
                    pip_requirements=list(_REQUIREMENTS),
                    registered_model_name=self._name,
                )
        version = self._client.search_model_versions(f"name='{self._name}' and run_id='{run_id}'")[0].version
        self._client.update_model_version(self._name, version, description=card)
        registered = RegisteredRun(self._kind, run_id, str(version))
        self._client.set_model_version_tag(self._name, version, "model_version", registered.model_version)
        return registered

    def fail(self, run_id: str) -> None:
        """End a run that raised."""
        self._client.set_terminated(run_id, "FAILED")

    def champion(self) -> RegisteredRun | None:
        """Return the present champion; None when there is none."""
        try:
            found = self._client.get_model_version_by_alias(self._name, CHAMPION)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return RegisteredRun(self._kind, str(found.run_id), str(found.version))

    def recipe(self, run_id: str) -> Recipe | None:
        """Read the recipe of a run; None when it made none, as the popularity baseline."""
        path = self._download(run_id, RECIPE_FILE)
        return None if path is None else Recipe.from_dict(json.loads(path.read_text(encoding="utf-8")))

    def user_vectors(self, run_id: str) -> vectors.UserVectors:
        """Read the user vectors that a run logged."""
        path = self._download(run_id, VECTORS_FILE)
        if path is None:
            raise FileNotFoundError(f"run {run_id} has no {VECTORS_FILE}")
        return vectors.from_bytes(path.read_bytes())

    def snapshot(self, registered: RegisteredRun) -> snapshot.ItemSnapshot:
        """Read the snapshot of the moment of training out of a registered version."""
        uri = f"models:/{self._name}/{registered.registry_version}"
        folder = mlflow.artifacts.download_artifacts(artifact_uri=uri)
        return snapshot.from_bytes(next(Path(folder).rglob(SNAPSHOT_FILE)).read_bytes())

    def promote(self, registered: RegisteredRun) -> None:
        """Make a version the champion. Its vectors and its snapshot must be in place."""
        self._client.set_registered_model_alias(self._name, CHAMPION, registered.registry_version)

    def _download(self, run_id: str, name: str) -> Path | None:
        if name not in {found.path for found in self._client.list_artifacts(run_id)}:
            return None
        return Path(self._client.download_artifacts(run_id, name))
