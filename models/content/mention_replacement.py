"""Data augmentation for entity recognition: mentions are replaced by other mentions of the same class.

The model then learns from context instead of memorizing names. "Mention replacement" in Dai and Adel, "An Analysis of
Simple Data Augmentation for Named Entity Recognition", COLING 2020.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Span = tuple[int, int, str]
"""Begin and end of a mention in its text, and its class."""
_TEXT_PROBABILITY, _MENTION_PROBABILITY = 0.5, 0.7


class MentionReplacer:
    """Random replacement in half of the texts with mentions, of 70 % of their mentions."""

    def __init__(self, texts: Sequence[str], spans: Sequence[Sequence[Span]], *, seed: int) -> None:
        """Collect the mentions of each class; frequent ones are sampled more often."""
        self._generator = np.random.default_rng(seed)
        self._names: dict[str, list[str]] = defaultdict(list)
        for text, named in zip(texts, spans, strict=True):
            for begin, end, kind in named:
                self._names[kind].append(text[begin:end])

    def replace(self, text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
        """Return the text with some mentions replaced, and the new spans.

        Args:
            text: one of the texts that mentions were collected from.
            spans: its mentions; a text with overlapping mentions is returned unchanged.
        """
        spans = sorted(spans)
        apart = all(one[1] <= other[0] for one, other in pairwise(spans))
        if not spans or not apart or self._generator.random() >= _TEXT_PROBABILITY:
            return text, spans
        parts, moved, place, length = list[str](), list[Span](), 0, 0
        for begin, end, kind in spans:
            known = self._names[kind]
            swapped = self._generator.random() < _MENTION_PROBABILITY
            name = known[self._generator.integers(len(known))] if swapped else text[begin:end]
            parts += [text[place:begin], name]
            length += begin - place + len(name)
            moved.append((length - len(name), length, kind))
            place = end
        return "".join([*parts, text[place:]]), moved
