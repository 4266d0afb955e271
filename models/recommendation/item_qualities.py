"""Published qualities of items by the response model, from the hourly fit on all kinds, without any user."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
import safetensors.numpy

from models.artifact_store import ArtifactStore
from models.recommendation.response import Responses
from models.recommendation.serving_artifact import ItemIndex, new_version
from neighborconnect.contracts.models import ITEM_QUALITIES_PREFIX
from neighborconnect.settings import Settings

_HEADER_LENGTH_BYTES: Final = 8


class ItemQualities:
    """Versions of the qualities of all items."""

    def __init__(self, settings: Settings) -> None:
        """Take the URL and the bucket from the settings; no connection is opened yet."""
        self._artifacts = ArtifactStore(settings, ITEM_QUALITIES_PREFIX)

    def publish(self, responses: Responses) -> str:
        """Publish the qualities of a fit, and return their key."""
        item_ids, quality = list(responses.quality), np.array(list(responses.quality.values()), dtype=np.float32)
        data = safetensors.numpy.save({"quality": quality}, metadata={"item_ids": json.dumps(item_ids)})
        return self._artifacts.publish(new_version(), data)

    def read_newest(self, *, since: datetime) -> Responses | None:
        """Return the newest qualities, as a fit without users; None if there are none since a time (UTC)."""
        version = self._artifacts.newest()
        if version is None or version < new_version(since):
            return None
        data = self._artifacts.read(version)
        length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
        header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
        item_ids: list[str] = json.loads(header["__metadata__"]["item_ids"])
        return _without_users(item_ids, quality=safetensors.numpy.load(data)["quality"].tolist())


def qualities_of(index: ItemIndex) -> Responses:
    """Return the qualities of an index, as a fit without users."""
    if index.quality is None:
        raise ValueError(f"{index.model_version} has no qualities: it is no response model")
    return _without_users(index.item_ids, quality=index.quality.tolist())


def _without_users(item_ids: Sequence[str], *, quality: list[float]) -> Responses:
    return Responses((), np.zeros((0, 0), dtype=np.float32), dict(zip(item_ids, quality, strict=True)), ())
