"""Item index: everything that serving reads about one kind of item under one model version, and its store.

An index is one safetensors file, so that publishing is atomic and loading runs no code. MLflow has the index as of
training; the lake gets newer ones, with the items created since, without retraining.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import safetensors.numpy

from models.artifact_store import ArtifactStore
from models.recommendation.pages import Attributes
from models.recommendation.response_items import ConnectorTexts, ResponseItems
from models.recommendation.scoring import BlendWeights, BoolArray, FloatArray, IntArray
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import item_index_prefix
from neighborconnect.contracts.serving import INDEXING_LAG, MAX_ITEMS
from neighborconnect.feed.interests import category_key
from neighborconnect.settings import Settings

FORMAT = 2
RESPONSE_FORMAT = 4
"""Format of an index with qualities and texts of connectors, which older code refuses, and serves what it has."""
_READABLE = frozenset({FORMAT, 3, RESPONSE_FORMAT})
VARIANT = "variant"
"""Key in ``extra``: variant of the model (``model_selection.Variant`` or ``POPULARITY``)."""
POPULARITY = "popularity"
RESPONSE = "response"
RESPONSE_CATEGORIES = "response_categories"
"""Key in ``extra``: categories that the user vectors of the response model have coefficients of, in their order."""
CLOSED = "closed"
"""Key in ``extra``: ids of items of the training that may not be recommended; a published index has none of them."""
_HEADER_LENGTH_BYTES = 8


class ItemIndexError(ValueError):
    """The bytes are not an item index of this format."""


@dataclass(frozen=True, slots=True)
class FoldIn:
    """Parameters that fold a user's interactions into the factor space of the trained items."""

    alpha: float
    regularization: float
    damping: float


@dataclass(frozen=True)
class ItemIndex:
    """Index of n items; row i of every array belongs to item i.

    Attributes:
        version: UTC timestamp of the index; sorts by age within a model version.
        factors: (n, f) collaborative factors; of a cold item, those predicted from its text.
        is_warm: (n,) whether the item was in the training set.
        embeddings: (n, d) unit text embeddings, zeros for items without text; d is 0 for models without text.
        popularity: (n,) in [0, 1], the highest 1.
        item_damping: (n,) factor by which an item's popularity reduces the confidence of interactions with it.
        projection: (d, f) map from embedding to factors, for cold items.
        categories: (n) category, or an empty string.
        warm_user, cold_user: blend weights for users with and without factors.
        connectors: (n) connector of each item, or an empty string.
        authors: (n,) number of each item's author, -1 where there is none.
        created_at: (n,) seconds since the epoch; NaN where age does not count.
        quality: (n,) quality of each item by the response model; None for other variants.
        connector_texts: (m, d) unit embeddings of the texts of the items' connectors, for the response model; None if
            they are not known, and for connectors, whose texts are those of the items.
        connector_rows: (n,) row of each item's connector in ``connector_texts``, -1 for none.
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
    warm_user: BlendWeights
    cold_user: BlendWeights
    fold_in: FoldIn
    popularity_half_life_days: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    connectors: tuple[str, ...] = ()
    authors: IntArray | None = None
    created_at: FloatArray | None = None
    quality: FloatArray | None = None
    connector_texts: FloatArray | None = None
    connector_rows: IntArray | None = None

    @cached_property
    def response_items(self) -> ResponseItems | None:
        """Items as the response model takes them; None for other variants."""
        if self.extra.get(VARIANT) != RESPONSE:
            return None
        names = self.extra[RESPONSE_CATEGORIES]
        connectors = None
        if self.kind is ItemKind.CONNECTOR:
            connectors = ConnectorTexts(self.embeddings, np.arange(len(self.item_ids)), is_own=True)
        elif self.connector_texts is not None and self.connector_rows is not None:
            connectors = ConnectorTexts(self.connector_texts, self.connector_rows)
        return ResponseItems.of(
            self.item_ids, categories=self.categories, among=names, embeddings=self.embeddings, connectors=connectors
        )

    @property
    def vector_width(self) -> int:
        """Length of the vectors of users; 0 for a variant without."""
        items = self.response_items
        return int(self.factors.shape[1]) if items is None else items.width

    @property
    def is_personal(self) -> bool:
        """Whether the model uses a user's interactions; the popularity baseline does not."""
        variant = self.extra.get(VARIANT)
        return bool(self.factors.shape[1]) if variant is None else variant != POPULARITY

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of every item id."""
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def just_indexed(self) -> tuple[str, ...]:
        """Ids of the items within ``INDEXING_LAG`` of the newest one, newest first."""
        created_at = self.attributes.created_at
        newest_first = np.argsort(-created_at, kind="stable")[:MAX_ITEMS]
        return tuple(
            self.item_ids[row]
            for row in newest_first
            if created_at[row] >= created_at[newest_first[0]] - INDEXING_LAG.total_seconds()
        )

    @cached_property
    def attributes(self) -> Attributes:
        """Attributes that re-ranking uses."""
        count = len(self.item_ids)
        return Attributes(
            authors=np.full(count, -1, dtype=np.int64) if self.authors is None else self.authors,
            connectors=self.connectors or ("",) * count,
            categories=self.categories,
            created_at=np.full(count, np.nan) if self.created_at is None else self.created_at,
        )

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        """Every category, sorted; the empty one is left out."""
        return tuple(sorted({category for category in self.categories if category}))

    @cached_property
    def category_keys(self) -> dict[str, list[int]]:
        """Positions in ``category_names`` by normalized name, which stated interests are compared with."""
        positions: dict[str, list[int]] = {}
        for position, name in enumerate(self.category_names):
            positions.setdefault(category_key(name), []).append(position)
        return positions

    @cached_property
    def category_rows(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Position of each item's category in ``category_names``; one past the last where it has none."""
        position = {name: row for row, name in enumerate(self.category_names)}
        return np.array([position.get(category, len(position)) for category in self.categories], dtype=np.int64)

    @cached_property
    def gram(self) -> FloatArray:
        """(f, f) Gram matrix of the trained items' factors, for folding users in."""
        warm = self.factors[self.is_warm].astype(np.float64)
        return np.asarray(warm.T @ warm)


def new_version(now: datetime | None = None) -> str:
    """Name an index by its UTC time to the microsecond; later names sort later."""
    return (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def to_bytes(index: ItemIndex) -> bytes:
    """Serialize an index as one safetensors file."""
    described = {
        "format": FORMAT if index.quality is None else RESPONSE_FORMAT,
        "kind": index.kind.value,
        "model_version": index.model_version,
        "version": index.version,
        "item_ids": index.item_ids,
        "categories": index.categories,
        "connectors": index.connectors,
        "warm_user": index.warm_user.as_dict(),
        "cold_user": index.cold_user.as_dict(),
        "fold_in": {
            "alpha": index.fold_in.alpha,
            "regularization": index.fold_in.regularization,
            "damping": index.fold_in.damping,
        },
        "popularity_half_life_days": index.popularity_half_life_days,
        "extra": index.extra,
    }
    arrays = {
        "factors": index.factors,
        "is_warm": index.is_warm,
        "embeddings": index.embeddings,
        "popularity": index.popularity,
        "item_damping": index.item_damping,
        "projection": index.projection,
    }
    if index.quality is not None:
        arrays["quality"] = index.quality
    if index.connector_texts is not None and index.connector_rows is not None:
        arrays |= {"connector_texts": index.connector_texts, "connector_rows": index.connector_rows}
    if index.authors is not None and index.created_at is not None:
        arrays |= {"authors": index.authors, "created_at": index.created_at}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(contiguous, metadata={"item_index": json.dumps(described)})


def from_bytes(data: bytes) -> ItemIndex:
    """Deserialize the output of ``to_bytes``.

    Raises:
        ItemIndexError: when ``data`` is something else or of another format.
    """
    try:
        arrays = safetensors.numpy.load(data)
        length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
        header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
        described = json.loads(header["__metadata__"]["item_index"])
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ItemIndexError(f"not an item index: {error}") from error
    if described["format"] not in _READABLE:
        formats = ", ".join(map(str, sorted(_READABLE)))
        raise ItemIndexError(f"item index of format {described['format']}; this code reads formats {formats}")
    return ItemIndex(
        kind=ItemKind(described["kind"]),
        model_version=described["model_version"],
        version=described["version"],
        item_ids=tuple(described["item_ids"]),
        categories=tuple(described["categories"]),
        connectors=tuple(described.get("connectors", ())),
        warm_user=BlendWeights(**described["warm_user"]),
        cold_user=BlendWeights(**described["cold_user"]),
        fold_in=FoldIn(**described["fold_in"]),
        popularity_half_life_days=described["popularity_half_life_days"],
        extra=described["extra"],
        **arrays,
    )


class ItemIndexStore:
    """Published item indexes of every model version."""

    def __init__(self, settings: Settings) -> None:
        """Take the URL and the bucket from the settings; no connection is opened yet."""
        self._settings = settings

    def publish(self, index: ItemIndex) -> str:
        """Publish an index, delete all but the newest three of its model version, and return its key.

        Raises:
            ValueError: when a newer index of the same model version exists.
        """
        return self._artifacts(index.kind, index.model_version).publish(index.version, to_bytes(index))

    def newest_version(self, kind: ItemKind, *, model_version: str) -> str | None:
        """Return the version of the newest index; None when there is none."""
        return self._artifacts(kind, model_version).newest()

    def read(self, kind: ItemKind, *, model_version: str, version: str) -> ItemIndex:
        """Read one index.

        Raises:
            minio.error.S3Error: when the version does not exist.
            ItemIndexError: when the object is not an item index.
        """
        return from_bytes(self._artifacts(kind, model_version).read(version))

    def read_newest(self, kind: ItemKind, *, model_version: str) -> ItemIndex | None:
        """Read the newest index of a model version; None when there is none."""
        version = self.newest_version(kind, model_version=model_version)
        return None if version is None else self.read(kind, model_version=model_version, version=version)

    def _artifacts(self, kind: ItemKind, model_version: str) -> ArtifactStore:
        return ArtifactStore(self._settings, *item_index_prefix(kind, model_version))
