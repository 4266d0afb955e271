"""The recommenders' champions, one a kind of item."""

from __future__ import annotations

from dataclasses import dataclass

from models import registry
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.settings import Settings


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that is served. ``model_version`` is its name in features, snapshots and answers."""

    kind: ItemKind
    registry_version: str
    run_id: str
    model_version: str


def model_version_name(kind: ItemKind, *, run_id: str) -> str:
    """Name a version by its kind of item and its run."""
    return registry.model_version_name(kind.value, run_id=run_id)


def read_champion(settings: Settings, kind: ItemKind) -> Champion | None:
    """Return the champion of one kind; None when no version carries the alias.

    Raises:
        RegistryError: when MLflow cannot be reached or answers with another error.
    """
    found = registry.read_champion(settings, REGISTERED_MODEL[kind])
    if found is None:
        return None
    return Champion(kind, found.registry_version, found.run_id, model_version_name(kind, run_id=found.run_id))
