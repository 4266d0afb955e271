"""Versions of models that were trained on users who are erased, by the influence ledger in MLflow's artifacts.

A version that was trained on a user cannot forget them: the next training, from which the user is excluded, replaces
it. The receipt lists these versions, and ``retraining_sensor`` requests that training while one of them is served.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from models.influence import INFLUENCE_FILE, InfluenceFilter
from models.registry import RegistryError, fetch_artifact, read_champion
from neighborconnect.contracts.models import MODELS
from neighborconnect.settings import Settings
from pipelines.privacy.mlflow_artifacts import MlflowArtifacts

InfluencedModels = Mapping[str, Sequence[dict[str, Any]]]
"""Members of the receipt by user id: ``name``, ``model_version`` and ``is_champion``."""


def influenced_models(settings: Settings, users: Collection[str]) -> InfluencedModels:
    """Return the versions that were trained on each of the users; a user without any is left out.

    Raises:
        RegistryError: if MLflow does not respond and a version was trained on one of the users.
    """
    versions: dict[str, list[dict[str, Any]]] = {}
    champions: set[str] | None = None
    artifacts = MlflowArtifacts(settings)
    for key, _ in artifacts.named(INFLUENCE_FILE) if users else ():
        influence = InfluenceFilter.from_bytes(artifacts.read(key))
        for user_id in influence.matches(users):
            if champions is None:
                champions = {champion.run_id for name in MODELS if (champion := read_champion(settings, name))}
            member = {
                "name": influence.name,
                "model_version": influence.model_version,
                "is_champion": influence.run_id in champions,
            }
            versions.setdefault(user_id, []).append(member)
    return versions


def influenced_champion(settings: Settings, name: str, *, users: Collection[str]) -> str | None:
    """Return the served version of a model if it was trained on one of the users; None otherwise.

    Versions that were registered before the ledger existed have no file, and count as trained on nobody.

    Raises:
        RegistryError: if MLflow does not respond.
    """
    champion = read_champion(settings, name)
    if champion is None or not users:
        return None
    try:
        data = fetch_artifact(settings, champion.run_id, INFLUENCE_FILE)
    except RegistryError:
        return None
    return champion.model_version if InfluenceFilter.from_bytes(data).matches(users) else None
