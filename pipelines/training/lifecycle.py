"""Promotion and rollback of registered versions on request, through to the services that serve them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mlflow.exceptions import MlflowException

from feature_repo.store import open_store
from models.lifecycle import GATE, REFUSED, Action, champion_changes, previous_champion
from models.recommendation.promotion import refresh_item_index, refresh_vectors
from models.registry import NOT_FOUND_CODES, RegisteredVersion
from models.tracking import ModelTracker
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import MODELS, REGISTERED_MODEL
from neighborconnect.settings import Settings
from pipelines.training.interactions import collect_training_data
from pipelines.training.model_services import MODEL_SERVICES, ServiceError, reload

Progress = Callable[[str], None]
_KIND_OF: Final = {name: kind for kind, name in REGISTERED_MODEL.items()}


class LifecycleError(RuntimeError):
    """A version cannot become the champion; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """Champion of a registered model; None before the first training."""

    name: str
    champion: RegisteredVersion | None


def live_models(settings: Settings) -> list[LiveModel]:
    """Return the champion of each registered model."""
    return [LiveModel(name, _tracker(settings, name).champion()) for name in MODELS]


def promote(
    settings: Settings,
    *,
    model: str,
    version: str,
    reason: str,
    is_forced: bool,
    progress: Progress,
    requested_by: str | None = None,
) -> list[str]:
    """Make a registered version the champion, and let the services load it.

    Returns:
        A sentence for each service that did not load it.

    Raises:
        LifecycleError: the version does not exist, is the champion, or was refused by its gate and is not forced.
    """
    tracker, target = _target(settings, model, version)
    gate = tracker.client.get_run(target.run_id).data.tags.get(GATE)
    if gate == REFUSED and not is_forced:
        raise LifecycleError(
            f"Version {version} of {model} was refused by its gate (see its model card in MLflow); "
            "pass --force to serve it anyway."
        )
    return _serve(
        settings,
        tracker,
        target,
        action=Action.PROMOTE,
        reason=reason,
        progress=progress,
        requested_by=requested_by,
    )


def rollback(
    settings: Settings,
    *,
    model: str,
    version: str | None,
    reason: str,
    progress: Progress,
    requested_by: str | None = None,
) -> tuple[RegisteredVersion, list[str]]:
    """Serve an earlier champion again: ``version``, or the one that the current champion replaced.

    Returns:
        The version, and a sentence for each service that did not load it.

    Raises:
        LifecycleError: there is no earlier champion, or ``version`` does not exist or is the champion.
    """
    if version is None:
        tracker = _tracker(settings, known_model(model))
        champion = tracker.champion()
        changes = champion_changes(tracker.client, model=model)
        version = None if champion is None else previous_champion(changes, current=champion.registry_version)
        if version is None:
            raise LifecycleError(f"No champion of {model} before the current one is recorded; name one with --to.")
    tracker, target = _target(settings, model, version)
    failures = _serve(
        settings,
        tracker,
        target,
        action=Action.ROLLBACK,
        reason=reason,
        progress=progress,
        requested_by=requested_by,
    )
    return target, failures


def _serve(
    settings: Settings,
    tracker: ModelTracker,
    target: RegisteredVersion,
    *,
    action: Action,
    reason: str,
    progress: Progress,
    requested_by: str | None,
) -> list[str]:
    kind = _KIND_OF.get(target.name)
    if kind is not None:
        _publish(settings, kind, target, progress=progress)
    progress("moving the alias")
    tracker.promote(target.registry_version, action=action, reason=reason, requested_by=requested_by)
    progress("reloading the services")
    return reload_services(settings, target.name)


def reload_services(settings: Settings, model: str) -> list[str]:
    """Make the services of a model load its champion; return a sentence for each that did not."""
    failures = []
    for service in MODEL_SERVICES:
        if model in service.models:
            try:
                reload(settings, service)
            except ServiceError as error:
                failures.append(str(error))
    return failures


def _publish(settings: Settings, kind: ItemKind, target: RegisteredVersion, *, progress: Progress) -> None:
    """Publish what serving reads next to the registered files: the item index and the vectors of the users."""
    at = datetime.now(UTC)
    data = {one: collect_training_data(settings, kind=one) for one in ItemKind}
    items, interactions = data[kind].items, data[kind].interactions
    progress("publishing the item index with the current items")
    connectors = data[ItemKind.CONNECTOR].items
    refresh_item_index(
        settings, kind=kind, items=items, interactions=interactions, connectors=connectors, version=target
    )
    progress("computing the vectors of the users")
    with open_store(settings) as store:
        refresh_vectors(
            settings, kind=kind, interactions=interactions, items=items, store=store, at=at, others=data, version=target
        )


def _target(settings: Settings, model: str, version: str) -> tuple[ModelTracker, RegisteredVersion]:
    tracker = _tracker(settings, known_model(model))
    try:
        registered = tracker.client.get_model_version(model, version)
    except MlflowException as error:
        if error.error_code not in NOT_FOUND_CODES:
            raise
        raise LifecycleError(f"There is no version {version} of {model} in MLflow.") from None
    target = RegisteredVersion(model, registry_version=str(registered.version), run_id=str(registered.run_id))
    if tracker.champion() == target:
        raise LifecycleError(f"Version {version} of {model} is the champion already.")
    return tracker, target


def known_model(model: str) -> str:
    """Return the name of a registered model; raises ``LifecycleError`` for an unknown one."""
    if model not in MODELS:
        raise LifecycleError(f"There is no model {model!r}; use one of {', '.join(MODELS)}.")
    return model


def _tracker(settings: Settings, name: str) -> ModelTracker:
    return ModelTracker(settings, name=name, experiment=name)
