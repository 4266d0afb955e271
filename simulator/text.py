"""Text generation from the patterns of the vocabulary: posts, comments, events and connector names."""

from __future__ import annotations

import random
from collections.abc import Sequence

from simulator.vocabulary import Category, Theme, Vocabulary


class Writer:
    """Fills patterns with words; the same seed yields the same texts in the same order."""

    def __init__(self, vocabulary: Vocabulary, *, seed: int) -> None:
        self._vocabulary = vocabulary
        self._random = random.Random(seed)
        self._taken: set[str] = set()

    def connector(self, category: Category, theme: Theme, *, home: str) -> tuple[str, str]:
        """Return a unique name and a description of a connector."""
        choices = [pattern.format(home=home) for pattern in category.names]
        free = [name for name in choices if name not in self._taken]
        name = self._random.choice(free) if free else f"{self._random.choice(choices)} {len(self._taken) + 1}"
        self._taken.add(name)
        things = ", ".join(self._random.sample(theme.things, 3))
        about = category.about.format(home=home, things=things, doing=self._random.choice(theme.doings))
        return name, about

    def post(self, category: Category, theme: Theme) -> tuple[str, str]:
        """Return a title and a text of two to five sentences about the theme."""
        sentences = [self._random.choice(category.openings)]
        sentences += self._random.sample(category.details, self._random.choice((1, 1, 2, 2, 3)))
        if self._random.random() < 0.6:  # noqa: PLR2004 (most posts end in a question)
            sentences.append(self._random.choice(category.asks))
        words = self._words(theme)
        return self._random.choice(category.titles).format(**words), " ".join(sentences).format(**words)

    def comment(self, category: Category, theme: Theme) -> str:
        """Return a short comment on a post about the theme."""
        return self._random.choice(category.comments).format(**self._words(theme))

    def event(self, theme: Theme) -> tuple[str, str, str]:
        """Return a title, an invitation of two sentences and a location as text."""
        words = self._words(theme)
        title = self._pick(self._vocabulary.occasions).format(**words)
        invitation = " ".join(self._random.sample(self._vocabulary.invitations, 2)).format(**words)
        return title, invitation, _capital(words["place"])

    def _words(self, theme: Theme) -> dict[str, str]:
        thing, other = self._random.sample(theme.things, 2)
        doing = self._random.choice(theme.doings)
        return {
            "thing": thing,
            "bare": thing.removeprefix("a ").removeprefix("an "),
            "Thing": _capital(thing),
            "thing2": other,
            "doing": doing,
            "Doing": _capital(doing),
            "place": self._pick(self._vocabulary.places),
            "time": self._pick(self._vocabulary.times),
        }

    def _pick(self, words: Sequence[str]) -> str:
        return self._random.choice(words)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
