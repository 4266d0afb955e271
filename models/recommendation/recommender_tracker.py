"""Runs of the recommenders in MLflow: configuration, item index and user vectors, in addition to every model's."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from matplotlib.figure import Figure
from mlflow.models import ModelSignature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array

from models.recommendation import pyfunc_model, serving_artifact, user_vectors
from models.recommendation.model_selection import ModelConfig
from models.recommendation.serving_artifact import ItemIndex
from models.recommendation.user_vectors import UserVectors
from models.registry import RegisteredVersion
from models.tracking import ModelTracker
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.settings import Settings

CONFIG_FILE = "model_config.json"
VECTORS_FILE = "user_vectors.safetensors"
ITEM_INDEX_FILE = "item_index.safetensors"
# Given explicitly: MLflow would otherwise start a process for many seconds to infer them.
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


class RecommenderTracker(ModelTracker):
    """Runs and versions of the recommender of one kind of item."""

    def __init__(self, settings: Settings, *, kind: ItemKind) -> None:
        """Point the MLflow client at the settings' server."""
        super().__init__(settings, name=REGISTERED_MODEL[kind], experiment=f"recommendation-{kind.value}")

    def log_config(self, run_id: str, config: ModelConfig) -> None:
        """Log the configuration, which a later run's candidate is compared with."""
        self.client.log_dict(run_id, config.as_dict(), CONFIG_FILE)

    def log_model(
        self,
        run_id: str,
        *,
        index: ItemIndex,
        vectors: UserVectors,
        card: str,
        figures: dict[str, Figure],
        trained_on: Iterable[str],
    ) -> RegisteredVersion:
        """Log report and served artifacts, register a version described by the card, and end the run.

        Args:
            run_id: the run.
            index: items with their factors.
            vectors: vectors of the users.
            card: model card.
            figures: figures by file name.
            trained_on: ids of the users whose data the version was trained on.
        """
        self.log_influence(run_id, trained_on=trained_on)
        self.log_report(run_id, card=card, figures=figures)
        self.describe_model()
        with tempfile.TemporaryDirectory() as folder:
            index_path, vectors_path = Path(folder, ITEM_INDEX_FILE), Path(folder, VECTORS_FILE)
            index_path.write_bytes(serving_artifact.to_bytes(index))
            vectors_path.write_bytes(user_vectors.to_bytes(vectors))
            self.client.log_artifact(run_id, str(vectors_path))
            with mlflow.start_run(run_id=run_id):
                mlflow.pyfunc.log_model(
                    name="model",
                    python_model=pyfunc_model.__file__,
                    artifacts={pyfunc_model.ITEM_INDEX_ARTIFACT: str(index_path)},
                    signature=_SIGNATURE,
                    pip_requirements=list(_REQUIREMENTS),
                    registered_model_name=self.name,
                )
        version = self.client.search_model_versions(f"name='{self.name}' and run_id='{run_id}'")[0].version
        self.client.update_model_version(self.name, version, description=card)
        registered = RegisteredVersion(self.name, registry_version=str(version), run_id=run_id)
        self.client.set_model_version_tag(self.name, version, "model_version", registered.model_version)
        return registered

    def config(self, run_id: str) -> ModelConfig | None:
        """Read the configuration of a run; None when it has none, such as a popularity baseline."""
        path = self.fetch(run_id, CONFIG_FILE)
        return None if path is None else ModelConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))

    def user_vectors(self, run_id: str) -> UserVectors:
        """Read the user vectors that a run logged; raises ``FileNotFoundError`` once they have been deleted."""
        path = self.fetch(run_id, VECTORS_FILE)
        if path is None:
            raise FileNotFoundError(f"run {run_id} has no {VECTORS_FILE}")
        return user_vectors.from_bytes(path.read_bytes())

    def started_at(self, run_id: str) -> datetime:
        """Return the time when a run began."""
        return datetime.fromtimestamp(self.client.get_run(run_id).info.start_time / 1_000, tz=UTC)

    def delete_user_vectors(self, run_id: str) -> None:
        """Delete the user vectors of a run: they are personal data, and a promotion needs them only once."""
        if self.fetch(run_id, VECTORS_FILE) is not None:
            uri = self.client.get_run(run_id).info.artifact_uri
            get_artifact_repository(uri).delete_artifacts(VECTORS_FILE)  # type: ignore[no-untyped-call]

    def item_index(self, version: RegisteredVersion) -> ItemIndex:
        """Read the item index as of training from a registered version."""
        uri = f"models:/{self.name}/{version.registry_version}"
        folder = mlflow.artifacts.download_artifacts(artifact_uri=uri)
        return serving_artifact.from_bytes(next(Path(folder).rglob(ITEM_INDEX_FILE)).read_bytes())
