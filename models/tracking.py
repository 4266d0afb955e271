"""MLflow: one run a training, one registered version a run, the alias moved last."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from models.registry import DAGSTER_RUN, model_version_name
from neighborconnect.contracts.models import CHAMPION
from neighborconnect.settings import Settings

CARD_FILE = "model_card.md"
FINGERPRINT = "fingerprint"
"""Tag of a run: the same for the same ingredients."""
MODEL_FOLDER = "model"
"""Where a run keeps the files that are served; ``models.registry.fetch_artifact`` reads ``model/<file>``."""
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_ALREADY_THERE = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A run and the version that was registered from it."""

    name: str
    run_id: str
    registry_version: str

    @property
    def model_version(self) -> str:
        """Name of the version in answers and events."""
        return model_version_name(self.name, run_id=self.run_id)


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        model_version: of what was registered, or of the champion where nothing was new.
        registry_version: its number in MLflow.
        run_id: its run.
        promote: whether it is new and may be served.
        reasons: why, in words.
        metrics: what was measured.
    """

    model_version: str
    registry_version: str
    run_id: str
    promote: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)


def connect(settings: Settings) -> None:
    """Point MLflow's client, of which a process has one, at the settings' server, with their token."""
    os.environ["MLFLOW_TRACKING_TOKEN"] = settings.mlflow_tracking_token.get_secret_value()
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)


class ModelTracker:
    """The platform's MLflow for one registered model."""

    def __init__(self, settings: Settings, *, name: str, experiment: str) -> None:
        """Point MLflow at the settings' server; there is one tracking server a process.

        Args:
            settings: where MLflow is.
            name: of the registered model.
            experiment: that its runs belong to.
        """
        connect(settings)
        self.name = name
        self.experiment = experiment
        self.client = mlflow.MlflowClient()
        self._dagster_run = settings.dagster_run_id

    def start(self, *, run_name: str) -> str:
        """Start a run and return its id."""
        found = self.client.get_experiment_by_name(self.experiment)
        experiment_id = found.experiment_id if found else self.client.create_experiment(self.experiment)
        tags = {DAGSTER_RUN: self._dagster_run} if self._dagster_run else {}
        run_id: str = self.client.create_run(experiment_id, run_name=run_name, tags=tags).info.run_id
        return run_id

    def log(
        self, run_id: str, *, params: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        """Log everything in one call: one by one takes 60 ms each."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def log_report(self, run_id: str, *, card: str, figures: Mapping[str, Figure]) -> None:
        """Log what people read: the model card, and figures by file name."""
        self.client.log_text(run_id, card, CARD_FILE)
        for file_name, figure in figures.items():
            self.client.log_figure(run_id, figure, file_name)

    def register(self, run_id: str, *, files: Mapping[str, bytes], card: str) -> RegisteredVersion:
        """Log the files that are served, register a version with the card as its description, and end the run."""
        with tempfile.TemporaryDirectory() as folder:
            for file_name, data in files.items():
                path = Path(folder, file_name)
                path.write_bytes(data)
                self.client.log_artifact(run_id, str(path), MODEL_FOLDER)
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != _ALREADY_THERE:
                raise
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
        version = self.client.create_model_version(self.name, source, run_id, description=card).version
        registered = RegisteredVersion(self.name, run_id, str(version))
        self.client.set_model_version_tag(self.name, str(version), "model_version", registered.model_version)
        self.client.set_terminated(run_id)
        return registered

    def fail(self, run_id: str) -> None:
        """End a run that raised."""
        self.client.set_terminated(run_id, "FAILED")

    def champion(self) -> RegisteredVersion | None:
        """Return the present champion; None when there is none."""
        try:
            found = self.client.get_model_version_by_alias(self.name, CHAMPION)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise
        return RegisteredVersion(self.name, str(found.run_id), str(found.version))

    def fetch(self, run_id: str, path: str) -> Path | None:
        """Download one file that a run logged, by its path below the run's artefacts; None when it has none."""
        folder = path.rpartition("/")[0] or None
        if path not in {found.path for found in self.client.list_artifacts(run_id, folder)}:
            return None
        return Path(self.client.download_artifacts(run_id, path))

    def promote(self, registry_version: str) -> None:
        """Make a version the champion. Whatever serving reads of it must be in place."""
        self.client.set_registered_model_alias(self.name, CHAMPION, registry_version)

    def release(self, result: RunResult) -> bool:
        """Make a version the champion if its training says so; return whether it did."""
        if result.promote:
            self.promote(result.registry_version)
        return result.promote

    def champion_known_by(self, fingerprint: str, *, reasons: Sequence[str] = ()) -> RunResult | None:
        """Return the champion as a result that promotes nothing, where its run carries this fingerprint; else None."""
        champion = self.champion()
        if champion is None or self.client.get_run(champion.run_id).data.tags.get(FINGERPRINT) != fingerprint:
            return None
        said = ("nothing is new since the champion", *reasons)
        return RunResult(
            champion.model_version, champion.registry_version, champion.run_id, promote=False, reasons=said
        )
