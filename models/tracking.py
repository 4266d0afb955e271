"""Write access to MLflow: one run per training, one registered version per run, the alias moved last."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
from matplotlib.figure import Figure
from mlflow.entities import DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_RUN_NOTE

from models.influence import INFLUENCE_FILE, InfluenceFilter
from models.lifecycle import Action, recorded_change
from models.registry import DAGSTER_RUN, NOT_FOUND_CODES, RegisteredVersion, model_version_name
from neighborconnect.contracts.models import CHAMPION
from neighborconnect.settings import Settings

CARD_FILE = "model_card.md"
FINGERPRINT = "fingerprint"
"""Tag of a run: hash of everything that the version is built from."""
HEADLINE = "headline"
"""Tag of a run: its most important metrics. MLflow orders metrics by name."""
MODEL_FOLDER = "model"
"""Artifact folder of the served files; ``models.registry.fetch_artifact`` reads ``model/<file>``."""
_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class RunResult:
    """Result of a training run.

    Attributes:
        model_version: registered version, or the champion when the inputs were unchanged.
        registry_version: number of the version in MLflow.
        run_id: MLflow run of the version.
        promote: whether the version is new and passed its gate.
        reasons: sentences that explain ``promote``.
        metrics: metrics by name.
    """

    model_version: str
    registry_version: str
    run_id: str
    promote: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)


def connect(settings: Settings) -> None:
    """Point the process-wide MLflow client at the settings' server, with the tracking token."""
    os.environ["MLFLOW_TRACKING_TOKEN"] = settings.mlflow_tracking_token.get_secret_value()
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)


class ModelTracker:
    """Runs and versions of one registered model in the platform's MLflow."""

    def __init__(self, settings: Settings, *, name: str, experiment: str) -> None:
        """Point the MLflow client at the settings' server.

        Args:
            settings: URL and token of MLflow.
            name: registered model.
            experiment: experiment of its runs.
        """
        connect(settings)
        self.name = name
        self.experiment = experiment
        self.client = mlflow.MlflowClient()
        self._dagster_run = settings.dagster_run_id

    def start(self, *, run_name: str) -> str:
        """Start a run and return its id.

        Its name is ``run_name`` with the time (UTC), because runs on the same data differ. Tags record the program, the
        git commit and the user, as MLflow's own ``start_run`` does.
        """
        experiment = self.client.get_experiment_by_name(self.experiment)
        experiment_id = experiment.experiment_id if experiment else self.client.create_experiment(self.experiment)
        tags = resolve_tags() | ({DAGSTER_RUN: self._dagster_run} if self._dagster_run else {})
        # MLflow searches next to the started program, which is Dagster's. An image without a repository has none.
        if commit := get_git_commit(__file__):
            tags[MLFLOW_GIT_COMMIT] = commit
        name = f"{run_name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        run_id: str = self.client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
        return run_id

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        headline: Sequence[str] = (),
        data_sets: Sequence[DatasetInput] = (),
    ) -> None:
        """Log parameters, metrics and tags in one request, since single requests take 60 ms each; and the data sets.

        Args:
            run_id: the run.
            params: parameters.
            metrics: metrics.
            tags: tags.
            headline: names of the most important metrics, the first one first. They are the tag ``HEADLINE`` and the
                description of the run, which MLflow shows above all other metrics; names without a metric are left out.
            data_sets: inputs of the run.
        """
        now = int(time.time() * 1000)
        first = {name: metrics[name] for name in headline if name in metrics}
        if first:
            rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in first.items())
            tags = {
                **tags,
                HEADLINE: ", ".join(f"{name} {value:.4g}" for name, value in first.items()),
                MLFLOW_RUN_NOTE: f"| metric | value |\n|---|---|\n{rows}",
            }
        if data_sets:
            self.client.log_inputs(run_id, data_sets)
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def log_report(self, run_id: str, *, card: str, figures: Mapping[str, Figure]) -> None:
        """Log the model card, and figures by file name."""
        self.client.log_text(run_id, card, CARD_FILE)
        for file_name, figure in figures.items():
            self.client.log_figure(run_id, figure, file_name)

    def log_influence(self, run_id: str, *, trained_on: Iterable[str]) -> None:
        """Log the users that the version of a run was trained on, before the version is registered."""
        version = model_version_name(self.name, run_id=run_id)
        influence = InfluenceFilter.of(trained_on, name=self.name, model_version=version, run_id=run_id)
        self._log_file(run_id, INFLUENCE_FILE, influence.to_bytes())

    def register(
        self, run_id: str, *, files: Mapping[str, bytes], card: str, trained_on: Iterable[str]
    ) -> RegisteredVersion:
        """Log the served files, register a version described by the model card, and end the run.

        Args:
            run_id: the run.
            files: served files by name.
            card: model card.
            trained_on: ids of the users whose data the version was trained on; empty for data of nobody.
        """
        self.log_influence(run_id, trained_on=trained_on)
        for file_name, data in files.items():
            self._log_file(run_id, file_name, data, folder=MODEL_FOLDER)
        self.describe_model()
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
        version = self.client.create_model_version(self.name, source, run_id, description=card).version
        registered = RegisteredVersion(self.name, registry_version=str(version), run_id=run_id)
        self.client.set_model_version_tag(self.name, str(version), "model_version", registered.model_version)
        self.client.set_terminated(run_id)
        return registered

    def describe_model(self) -> None:
        """Create the registered model with its description, or update the description of an existing one."""
        description = (
            f"Versions of {self.name}, from the runs of experiment {self.experiment}. The alias `{CHAMPION}` is the "
            "served version; each version has a model card."
        )
        try:
            self.client.create_registered_model(self.name, description=description)
        except MlflowException as error:
            if error.error_code != _ALREADY_EXISTS:
                raise
            self.client.update_registered_model(self.name, description)

    def _log_file(self, run_id: str, file_name: str, data: bytes, *, folder: str | None = None) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, file_name)
            path.write_bytes(data)
            self.client.log_artifact(run_id, str(path), folder)

    def fail(self, run_id: str) -> None:
        """End a run as failed."""
        self.client.set_terminated(run_id, "FAILED")

    def champion(self) -> RegisteredVersion | None:
        """Return the champion; None when there is none."""
        try:
            version = self.client.get_model_version_by_alias(self.name, CHAMPION)
        except MlflowException as error:
            if error.error_code in NOT_FOUND_CODES:
                return None
            raise
        return RegisteredVersion(self.name, registry_version=str(version.version), run_id=str(version.run_id))

    def fetch(self, run_id: str, path: str) -> Path | None:
        """Download one file by its path below the run's artifacts; None when the run has no such file."""
        folder = path.rpartition("/")[0] or None
        if path not in {file.path for file in self.client.list_artifacts(run_id, folder)}:
            return None
        return Path(self.client.download_artifacts(run_id, path))

    def promote(
        self,
        registry_version: str,
        *,
        action: Action = Action.PROMOTE,
        reason: str = "",
        requested_by: str | None = None,
    ) -> None:
        """Make a version the champion, and record the change. Everything that serving reads must be published before.

        Args:
            registry_version: number of the version in MLflow.
            action: promotion or rollback.
            reason: the reason, for the history.
            requested_by: id of the account of an admin who requested it.
        """
        before = self.champion()
        with recorded_change(
            self.client,
            model=self.name,
            version=registry_version,
            previous=None if before is None else before.registry_version,
            action=action,
            reason=reason,
            requested_by=requested_by,
            dagster_run=self._dagster_run,
        ):
            self.client.set_registered_model_alias(self.name, CHAMPION, registry_version)

    def promote_if_passed(self, result: RunResult) -> bool:
        """Make a version the champion if it passed its gate; return whether it did."""
        if result.promote:
            self.promote(result.registry_version)
        return result.promote

    def unchanged_champion(self, fingerprint: str, *, reasons: Sequence[str] = ()) -> RunResult | None:
        """Return the champion as a result that is not promoted, if its run has this fingerprint; else None."""
        champion = self.champion()
        if champion is None or self.client.get_run(champion.run_id).data.tags.get(FINGERPRINT) != fingerprint:
            return None
        reasons = ("the inputs are the same as the champion's", *reasons)
        return RunResult(
            champion.model_version, champion.registry_version, champion.run_id, promote=False, reasons=tuple(reasons)
        )
