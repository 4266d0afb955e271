"""Topics: those of a taxonomy that a text is near to, and those that a heap of texts falls into by itself."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from models.content.encoder import FloatArray

Embed = Callable[[Sequence[str]], FloatArray]
"""From n texts to their (n, 384) vectors of length one."""
# A text that is less like every example than this is about none of the topics.
LEAST_LIKENESS = 0.25


def taxonomy() -> dict[str, list[str]]:
    """Return the topics of the taxonomy with their examples."""
    found: dict[str, list[str]] = tomllib.loads((files(__package__) / "taxonomy.toml").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Taxonomy:
    """Topics by their examples' vectors: ``examples`` is (e, 384), ``owners`` the topic of each row."""

    names: tuple[str, ...]
    examples: FloatArray
    owners: np.ndarray[tuple[int], np.dtype[np.int64]]

    @classmethod
    def of(cls, topics: dict[str, list[str]], *, embed: Embed) -> Taxonomy:
        """Embed the examples of topics."""
        texts = [text for examples in topics.values() for text in examples]
        owners = [place for place, examples in enumerate(topics.values()) for _ in examples]
        return cls(tuple(topics), embed(texts), np.array(owners, dtype=np.int64))

    def of_vector(self, vector: FloatArray, *, limit: int) -> list[tuple[str, float]]:
        """Return the topics that a text is near to, with the cosine to the nearest example, the nearest first."""
        likeness = self.examples @ vector
        best = np.full(len(self.names), -1.0)
        np.maximum.at(best, self.owners, likeness)
        order = np.argsort(-best, kind="stable")[:limit]
        return [(self.names[place], float(min(best[place], 1.0))) for place in order if best[place] >= LEAST_LIKENESS]
