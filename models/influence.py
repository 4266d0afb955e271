"""Influence ledger: the users whose data each version of a model was trained on.

Each run logs one file with a 32-bit hash per user, salted with the id of the run: 4 bytes a user, from which no id can
be read. A lookup of a user whose data was used is always positive. A lookup of another user is positive by mistake with
a probability of at most n / 2**32 for n users of the version: 2 in a million for 10,000 users, 2 in ten thousand for a
million.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import safetensors.numpy

INFLUENCE_FILE: Final = "influence.safetensors"
_HASH_BYTES: Final = 4
_HEADER_LENGTH_BYTES: Final = 8


@dataclass(frozen=True)
class InfluenceFilter:
    """Set of the users that one version was trained on.

    Attributes:
        name: registered model.
        model_version: name of the version in features, responses and events.
        run_id: MLflow run of the version, the salt of the hashes.
        hashes: sorted hashes of the users, each once.
    """

    name: str
    model_version: str
    run_id: str
    hashes: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, user_ids: Iterable[str], *, name: str, model_version: str, run_id: str) -> InfluenceFilter:
        """Return the filter of a version that was trained on these users."""
        return cls(name, model_version, run_id, np.unique(_hashes(user_ids, run_id=run_id)))

    def matches(self, user_ids: Iterable[str]) -> set[str]:
        """Return the users among ``user_ids`` that the version was trained on, and rarely one by mistake."""
        ids = list(user_ids)
        found = np.isin(_hashes(ids, run_id=self.run_id), self.hashes)
        return {user_id for user_id, is_found in zip(ids, found, strict=True) if is_found}

    def to_bytes(self) -> bytes:
        """Serialize the filter as one safetensors file."""
        version = {"name": self.name, "model_version": self.model_version, "run_id": self.run_id}
        return safetensors.numpy.save({"hashes": self.hashes}, metadata=version)

    @classmethod
    def from_bytes(cls, data: bytes) -> InfluenceFilter:
        """Deserialize the output of ``to_bytes``."""
        length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
        version = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])["__metadata__"]
        return cls(**version, hashes=safetensors.numpy.load(data)["hashes"])


def _hashes(user_ids: Iterable[str], *, run_id: str) -> npt.NDArray[np.uint32]:
    salt = hashlib.sha256(f"{run_id}:".encode())
    digests = bytearray()
    for user_id in user_ids:
        hashed = salt.copy()
        hashed.update(user_id.encode())
        digests += hashed.digest()[:_HASH_BYTES]
    return np.frombuffer(bytes(digests), dtype="<u4").astype(np.uint32)
