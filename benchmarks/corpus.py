"""Posts of invented words whose frequencies follow Zipf's law, the same for every run with a seed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from transactional_api.community.search.spelling import edits

CONNECTORS, PEOPLE = 1_000, 5_000
WORDS_OF_TITLE, WORDS_OF_BODY = (5, 9), (15, 70)
_SYLLABLES = [
    consonant + vowel for consonant in "bcdfghjklmnprstvwz" for vowel in ("a", "e", "i", "o", "u", "ar", "en")
]
_SECONDS_BETWEEN = 20
_NEWEST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MadePost:
    """A post of the corpus."""

    id: uuid.UUID
    connector: int
    author: int
    title: str
    content: str
    created_at: datetime


def made_id(kind: str, number: int) -> uuid.UUID:
    """Return the id of the nth person, connector or post."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {number}")


class Corpus:
    """A number of posts. A tenth of the connectors is private."""

    def __init__(self, size: int, *, seed: int) -> None:
        """Draw the vocabulary: a larger corpus has more words, as Heaps' law has it."""
        self.size = size
        self._seed = seed
        generator = np.random.default_rng(seed)
        self.words = _words(generator, int(60 * size**0.55))
        weights = 1 / (np.arange(len(self.words)) + 2.7) ** 1.05
        self._chances = np.cumsum(weights / weights.sum())

    def posts(self) -> Iterator[MadePost]:
        """Yield every post, the oldest first."""
        generator = np.random.default_rng(self._seed + 1)
        for number in range(self.size):
            title = self.draw(generator, int(generator.integers(*WORDS_OF_TITLE, endpoint=True)))
            body = self.draw(generator, int(generator.integers(*WORDS_OF_BODY, endpoint=True)))
            yield MadePost(
                id=made_id("post", number),
                connector=int(generator.integers(CONNECTORS)),
                author=int(generator.integers(PEOPLE)),
                title=" ".join(title),
                content=" ".join(body),
                created_at=_NEWEST - timedelta(seconds=_SECONDS_BETWEEN * (self.size - number)),
            )

    def draw(self, generator: np.random.Generator, number: int) -> list[str]:
        """Draw words by their frequency."""
        places = np.searchsorted(self._chances, generator.random(number))
        return [self.words[min(place, len(self.words) - 1)] for place in places]


def is_private(connector: int) -> bool:
    """Whether a connector is for its members alone."""
    return connector % 10 == 0


def misremembered(generator: np.random.Generator, title: str) -> str:
    """Return a title without two of its words and with one typo."""
    words = title.split()
    for _ in range(2):
        words.pop(int(generator.integers(len(words))))
    long = [place for place, word in enumerate(words) if len(word) >= 4] or [0]
    place = int(generator.choice(long))
    words[place] = str(generator.choice(sorted(edits(words[place]))))
    return " ".join(words)


def _words(generator: np.random.Generator, number: int) -> list[str]:
    words: dict[str, None] = {}
    while len(words) < number:
        # As in languages, the most frequent words are short.
        syllables = int(np.clip(1 + len(words) / 150 + generator.integers(2), 1, 3 + generator.integers(3)))
        words["".join(generator.choice(_SYLLABLES, syllables))] = None
    return list(words)
