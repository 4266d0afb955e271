"""Names put in the place of other names of their kind, so that a name is told by what stands around it.

Whoever learns names from a few thousand texts learns those names. "Mention replacement" in Dai and Adel, "An Analysis
of Simple Data Augmentation for Named Entity Recognition", COLING 2020.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Span = tuple[int, int, str]
"""Begin and end of a name in its text, and its kind."""
_TEXTS, _NAMES = 0.5, 0.7


class Swaps:
    """Draws texts in which other names stand: in half of those that have any, seven names of ten."""

    def __init__(self, texts: Sequence[str], spans: Sequence[Sequence[Span]], *, seed: int) -> None:
        """Collect the names of each kind; one that is named oftener is drawn oftener."""
        self._generator = np.random.default_rng(seed)
        self._names: dict[str, list[str]] = defaultdict(list)
        for text, named in zip(texts, spans, strict=True):
            for begin, end, kind in named:
                self._names[kind].append(text[begin:end])

    def draw(self, text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
        """Return the text with some of its names exchanged, and where the names are then.

        Args:
            text: one of those that names were collected from.
            spans: its names; where two overlap the text stays as it is.
        """
        spans = sorted(spans)
        apart = all(one[1] <= other[0] for one, other in pairwise(spans))
        if not spans or not apart or self._generator.random() >= _TEXTS:
            return text, spans
        parts, moved, place, length = list[str](), list[Span](), 0, 0
        for begin, end, kind in spans:
            known = self._names[kind]
            swapped = self._generator.random() < _NAMES
            name = known[self._generator.integers(len(known))] if swapped else text[begin:end]
            parts += [text[place:begin], name]
            length += begin - place + len(name)
            moved.append((length - len(name), length, kind))
            place = end
        return "".join([*parts, text[place:]]), moved
