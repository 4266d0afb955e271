"""The item snapshot: all that serving knows of one kind of item under one model version, in one file.

A snapshot is a single safetensors file, so putting it into the object store publishes it whole or not at all, and
reading it runs no code. The model's own artefact in MLflow is the snapshot of the moment of training; the lake
gets a newer one, with the items that came since, without retraining.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import safetensors.numpy

from models.recommendation.scoring import BlendWeights, BoolArray, FloatArray
from neighborconnect.contracts.events import ItemKind

FORMAT = 1
_HEADER_LENGTH_BYTES = 8


class SnapshotError(ValueError):
    """The bytes are not a snapshot of this format."""


@dataclass(frozen=True, slots=True)
class FoldIn:
    """What turns a person's interactions into factors in the space of the trained items."""

    alpha: float
    regularization: float
    damping: float


@dataclass(frozen=True)
class ItemSnapshot:
    """Items in rows, the same row in every array.

    Attributes:
        version: rises with every snapshot of a model version.
        factors: (n, f) collaborative factors; of a cold item, those that its text foretells.
        is_warm: (n,) whether the item was in the training set.
        embeddings: (n, d) text embeddings of length one, or zeros where there is no text; d is 0 without text.
        popularity: (n,) in [0, 1], the highest 1.
        item_damping: (n,) what the popularity of an item takes from the confidence of an interaction with it.
        projection: (d, f) from embedding to factors.
        categories: (n) category, or an empty string.
        known, newcomer: weights for people with and without factors.
    """

    kind: ItemKind
    model_version: str
    version: str
    item_ids: tuple[str, ...]
    factors: FloatArray
    is_warm: BoolArray
    embeddings: FloatArray
    popularity: FloatArray
    item_damping: FloatArray
    projection: FloatArray
    categories: tuple[str, ...]
    known: BlendWeights
    newcomer: BlendWeights
    fold_in: FoldIn
    popularity_half_life_days: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def is_personal(self) -> bool:
        """Whether the model knows people; the popularity baseline does not."""
        return bool(self.factors.shape[1])

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of every item id."""
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        """Every category, sorted; the empty one is left out."""
        return tuple(sorted({category for category in self.categories if category}))

    @cached_property
    def category_rows(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Position of each item's category in ``category_names``; one past the last where it has none."""
        position = {name: row for row, name in enumerate(self.category_names)}
        return np.array([position.get(category, len(position)) for category in self.categories], dtype=np.int64)

    @cached_property
    def gram(self) -> FloatArray:
        """(f, f) Gram matrix of the trained items' factors, for folding people in."""
        warm = self.factors[self.is_warm].astype(np.float64)
        return np.asarray(warm.T @ warm)


def new_version(now: datetime | None = None) -> str:
    """Name a snapshot by its time to the microsecond: later names sort later."""
    return (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def to_bytes(snapshot: ItemSnapshot) -> bytes:
    """Write a snapshot as one safetensors file."""
    described = {
        "format": FORMAT,
        "kind": snapshot.kind.value,
        "model_version": snapshot.model_version,
        "version": snapshot.version,
        "item_ids": snapshot.item_ids,
        "categories": snapshot.categories,
        "known": snapshot.known.as_dict(),
        "newcomer": snapshot.newcomer.as_dict(),
        "fold_in": {
            "alpha": snapshot.fold_in.alpha,
            "regularization": snapshot.fold_in.regularization,
            "damping": snapshot.fold_in.damping,
        },
        "popularity_half_life_days": snapshot.popularity_half_life_days,
        "extra": snapshot.extra,
    }
    arrays = {
        "factors": snapshot.factors,
        "is_warm": snapshot.is_warm,
        "embeddings": snapshot.embeddings,
        "popularity": snapshot.popularity,
        "item_damping": snapshot.item_damping,
        "projection": snapshot.projection,
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(contiguous, metadata={"snapshot": json.dumps(described)})


def from_bytes(data: bytes) -> ItemSnapshot:
    """Read what ``to_bytes`` wrote.

    Raises:
        SnapshotError: when ``data`` is something else or of another format.
    """
    try:
        arrays = safetensors.numpy.load(data)
        length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
        header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
        described = json.loads(header["__metadata__"]["snapshot"])
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise SnapshotError(f"not an item snapshot: {error}") from error
    if described["format"] != FORMAT:
        raise SnapshotError(f"item snapshot of format {described['format']}, this code reads {FORMAT}")
    return ItemSnapshot(
        kind=ItemKind(described["kind"]),
        model_version=described["model_version"],
        version=described["version"],
        item_ids=tuple(described["item_ids"]),
        categories=tuple(described["categories"]),
        known=BlendWeights(**described["known"]),
        newcomer=BlendWeights(**described["newcomer"]),
        fold_in=FoldIn(**described["fold_in"]),
        popularity_half_life_days=described["popularity_half_life_days"],
        extra=described["extra"],
        **arrays,
    )
