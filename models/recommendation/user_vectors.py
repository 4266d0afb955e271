"""User vectors: pushed to Feast under (user, model version) before that version is served."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import safetensors.numpy

from feature_repo.vendor_patches import FeatureStore, PushMode
from models.recommendation.scoring import FloatArray
from neighborconnect.contracts.features import USER_VECTORS_PUSH

_PUSH_ROWS = 2_000
_HEADER_LENGTH_BYTES = 8


@dataclass(frozen=True)
class UserVectors:
    """Factors (n, f) and content vectors (n, d) of n users under one model version."""

    user_ids: tuple[str, ...]
    factors: FloatArray
    content: FloatArray


def to_bytes(vectors: UserVectors) -> bytes:
    """Serialize vectors as one safetensors file."""
    arrays = {
        "factors": np.ascontiguousarray(vectors.factors, dtype=np.float32),
        "content": np.ascontiguousarray(vectors.content, dtype=np.float32),
    }
    return safetensors.numpy.save(arrays, metadata={"user_ids": json.dumps(vectors.user_ids)})


def from_bytes(data: bytes) -> UserVectors:
    """Deserialize the output of ``to_bytes``."""
    length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
    header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
    arrays = safetensors.numpy.load(data)
    return UserVectors(tuple(json.loads(header["__metadata__"]["user_ids"])), arrays["factors"], arrays["content"])


def push(store: FeatureStore, vectors: UserVectors, *, model_version: str, at: datetime) -> int:
    """Write vectors to the online store with event timestamp ``at`` (UTC); return their number.

    The offline store does not get them: a vector is a function of the model and of stored events.
    """
    for start in range(0, len(vectors.user_ids), _PUSH_ROWS):
        part = slice(start, start + _PUSH_ROWS)
        rows = pd.DataFrame(
            {
                "user_id": vectors.user_ids[part],
                "model_version": model_version,
                "event_timestamp": at,
                "factors": list(np.asarray(vectors.factors[part], dtype=np.float32)),
                "content": [row if row.any() else [] for row in np.asarray(vectors.content[part], dtype=np.float32)],
            }
        )
        store.push(USER_VECTORS_PUSH, rows, to=PushMode.ONLINE)
    return len(vectors.user_ids)
