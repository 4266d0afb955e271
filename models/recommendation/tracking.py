"""What the recommenders keep in MLflow beside what every model does: recipe, snapshot and user vectors."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
from matplotlib.figure import Figure
from mlflow.models import ModelSignature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array

from models.recommendation import pyfunc_model, snapshot, vectors
from models.recommendation.choosing import Recipe
from models.recommendation.registry import model_version_name
from models.tracking import ModelTracker
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.settings import Settings

RECIPE_FILE = "recipe.json"
VECTORS_FILE = "user_vectors.safetensors"
SNAPSHOT_FILE = "snapshot.safetensors"
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
        """Keep the runs of ``kind`` in the settings' MLflow."""
        self._kind = kind
        self._name = REGISTERED_MODEL[kind]
        self.runs = ModelTracker(settings, name=self._name, experiment=f"recommendation-{kind.value}")
        self._client = self.runs.client

    def log_report(self, run_id: str, *, card: str, figure: Figure | None, recipe: Recipe | None) -> None:
        """Log what people read, and the recipe that a later run compares with."""
        self.runs.log_report(run_id, card=card, figures={} if figure is None else {"metrics.png": figure})
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

    def champion(self) -> RegisteredRun | None:
        """Return the present champion; None when there is none."""
        found = self.runs.champion()
        return None if found is None else RegisteredRun(self._kind, found.run_id, found.registry_version)

    def recipe(self, run_id: str) -> Recipe | None:
        """Read the recipe of a run; None when it made none, as the popularity baseline."""
        path = self.runs.fetch(run_id, RECIPE_FILE)
        return None if path is None else Recipe.from_dict(json.loads(path.read_text(encoding="utf-8")))

    def user_vectors(self, run_id: str) -> vectors.UserVectors:
        """Read the user vectors that a run logged."""
        path = self.runs.fetch(run_id, VECTORS_FILE)
        if path is None:
            raise FileNotFoundError(f"run {run_id} has no {VECTORS_FILE}")
        return vectors.from_bytes(path.read_bytes())

    def delete_user_vectors(self, run_id: str) -> None:
        """Delete the user vectors of a run: they name people, and a release needs them only once."""
        if self.runs.fetch(run_id, VECTORS_FILE) is not None:
            uri = self._client.get_run(run_id).info.artifact_uri
            get_artifact_repository(uri).delete_artifacts(VECTORS_FILE)  # type: ignore[no-untyped-call]

    def snapshot(self, registered: RegisteredRun) -> snapshot.ItemSnapshot:
        """Read the snapshot of the moment of training out of a registered version."""
        uri = f"models:/{self._name}/{registered.registry_version}"
        folder = mlflow.artifacts.download_artifacts(artifact_uri=uri)
        return snapshot.from_bytes(next(Path(folder).rglob(SNAPSHOT_FILE)).read_bytes())

    def promote(self, registered: RegisteredRun) -> None:
        """Make a version the champion. Its vectors and its snapshot must be in place."""
        self.runs.promote(registered.registry_version)
