"""Text embeddings by the MiniLM encoder for batch jobs, computed offline and cached in the lake."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from models.content.encoder import DIMENSIONS, ENCODER, FloatArray, tokenize
from neighborconnect.settings import Settings

_BATCH = 16
_REPORT_BATCHES = 64
_CACHE_SCHEMA = pl.Schema({"text_hash": pl.String(), "embedding": pl.List(pl.Float32())})

Progress = Callable[[int, int], None]
"""Callback with the number of embedded texts and the number of texts to embed."""


class EmbeddingCache(Protocol):
    """Cache of embeddings by the hash of their text."""

    def read(self, hashes: Sequence[str]) -> dict[str, FloatArray]:
        """Return the cached embeddings among ``hashes``."""
        ...

    def write(self, embeddings: dict[str, FloatArray]) -> None:
        """Add embeddings by hash."""
        ...


class LakeEmbeddingCache:
    """Embedding cache in a Delta table of the lake; the table may be dropped at any time."""

    def __init__(self, settings: Settings) -> None:
        """Take the path from the settings; the first write creates the table."""
        self._path = embeddings_path(settings)
        self._options = settings.lake_storage_options

    def read(self, hashes: Sequence[str]) -> dict[str, FloatArray]:
        """Return the cached embeddings among ``hashes``."""
        try:
            table = DeltaTable(self._path, storage_options=self._options)
        except TableNotFoundError:
            return {}
        requested = pl.LazyFrame({"text_hash": list(hashes)}, schema={"text_hash": pl.String})
        rows = pl.scan_delta(table).join(requested, on="text_hash", how="semi").collect()
        return {text_hash: np.array(values, dtype=np.float32) for text_hash, values in rows.iter_rows()}

    def write(self, embeddings: dict[str, FloatArray]) -> None:
        """Append embeddings by hash. Concurrent writers may append duplicates; readers accept either row."""
        rows = pl.DataFrame(
            {"text_hash": list(embeddings), "embedding": [values.tolist() for values in embeddings.values()]},
            schema=_CACHE_SCHEMA,
        )
        write_deltalake(self._path, rows.to_arrow(), mode="append", storage_options=self._options)


def embeddings_path(settings: Settings) -> str:
    """Return the URI of the cache's table in the lake."""
    return settings.lake_path("embeddings", ENCODER)


def text_hash(text: str) -> str:
    """Return the cache key of ``text``: its SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def embed(texts: Sequence[str], *, cache: EmbeddingCache | None = None, progress: Progress | None = None) -> FloatArray:
    """Return (n, 384) unit vectors in the order of ``texts``; a blank text gets zeros.

    Duplicate texts are embedded once, and texts in ``cache`` not at all. Throughput is about 40 posts of 55 tokens per
    second on a slow core.
    """
    hashes = [text_hash(text) for text in texts]
    requested = {key: text for key, text in zip(hashes, texts, strict=True) if text.strip()}
    embeddings = cache.read(list(requested)) if cache is not None and requested else {}
    missing = [key for key in requested if key not in embeddings]
    if missing:
        # Batches of texts of similar length need the least padding.
        missing.sort(key=lambda key: len(requested[key]))
        fresh = dict(zip(missing, _encode([requested[key] for key in missing], progress=progress), strict=True))
        if cache is not None:
            cache.write(fresh)
        embeddings |= fresh
    zeros = np.zeros(DIMENSIONS, dtype=np.float32)
    return np.stack([embeddings.get(key, zeros) for key in hashes]) if hashes else np.zeros((0, DIMENSIONS), np.float32)


@cache
def _load_encoder() -> Any:
    # Importing PyTorch takes seconds and half a gigabyte: only when a text is missing from the cache.
    from models.content.export import encoder_with  # noqa: PLC0415

    return encoder_with(None)


def _encode(texts: Sequence[str], *, progress: Progress | None) -> FloatArray:
    """Return (n, 384): the mean of the token vectors of each text, scaled to length one."""
    import torch  # noqa: PLC0415

    encoder = _load_encoder()
    batches = []
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        tokens = tokenize(batch)
        ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
        with torch.inference_mode():
            hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).float()
        mean = (hidden * weights).sum(1) / weights.sum(1)
        batches.append(torch.nn.functional.normalize(mean, dim=1).numpy())
        if progress is not None and (len(batches) % _REPORT_BATCHES == 0 or start + _BATCH >= len(texts)):
            progress(start + len(batch), len(texts))
    return np.concatenate(batches)
