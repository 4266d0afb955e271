"""Topic classification: topics of a taxonomy by similarity of a text to their examples."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from models.content.encoder import FloatArray

Embed = Callable[[Sequence[str]], FloatArray]
"""Function from n texts to (n, 384) unit vectors."""
# Minimum cosine similarity of a text to the nearest example of a topic.
MIN_SIMILARITY = 0.25


def taxonomy() -> dict[str, list[str]]:
    """Return the topics of the taxonomy with their examples."""
    topics: dict[str, list[str]] = tomllib.loads((files(__package__) / "taxonomy.toml").read_text(encoding="utf-8"))
    return topics


@dataclass(frozen=True)
class Taxonomy:
    """Topics with (e, 384) vectors of their examples; ``owners`` is the (e,) topic number of each example."""

    names: tuple[str, ...]
    examples: FloatArray
    owners: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def of(cls, topics: dict[str, list[str]], *, embed: Embed) -> Taxonomy:
        """Embed the examples of topics."""
        texts = [text for examples in topics.values() for text in examples]
        owners = [number for number, examples in enumerate(topics.values()) for _ in examples]
        return cls(tuple(topics), embed(texts), np.array(owners, dtype=np.int64))

    def of_vector(self, vector: FloatArray, *, limit: int) -> list[tuple[str, float]]:
        """Return topics with the cosine similarity of the nearest example, in descending order."""
        similarity = self.examples @ vector
        best = np.full(len(self.names), -1.0)
        np.maximum.at(best, self.owners, similarity)
        order = np.argsort(-best, kind="stable")[:limit]
        return [
            (self.names[number], float(min(best[number], 1.0))) for number in order if best[number] >= MIN_SIMILARITY
        ]
