"""Texts with labels, whatever set they come from, and how they are split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold, train_test_split

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, each of one class.

    Attributes:
        texts: n texts, none of them blank.
        labels: (n,) positions in ``classes``.
        classes: names, in the order of the model's outputs.
    """

    texts: tuple[str, ...]
    labels: IntArray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what no trainer could learn from; raises ``ValueError``."""
        if len(self.texts) != len(self.labels):
            raise ValueError(f"{len(self.texts)} texts with {len(self.labels)} labels")
        if not self.texts or min(self.labels) < 0 or max(self.labels) >= len(self.classes):
            raise ValueError("there must be texts, and each label must be one of the classes")
        if any(not text.strip() for text in self.texts):
            raise ValueError("a text is blank")

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self.texts)

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """The share of each class, (classes,)."""
        counts: npt.NDArray[np.int64] = np.bincount(self.labels, minlength=len(self.classes))
        return counts / len(self)

    def rows(self, index: Sequence[int] | IntArray) -> LabelledTexts:
        """Return the texts at ``index``."""
        return LabelledTexts(tuple(self.texts[row] for row in index), self.labels[np.asarray(index)], self.classes)

    def with_more(self, other: LabelledTexts) -> LabelledTexts:
        """Return these texts and then those of ``other``, which must have the same classes."""
        if other.classes != self.classes:
            raise ValueError(f"classes differ: {self.classes} and {other.classes}")
        return LabelledTexts(self.texts + other.texts, np.concatenate([self.labels, other.labels]), self.classes)

    def split(self, *, share: float, seed: int) -> tuple[LabelledTexts, LabelledTexts]:
        """Return two parts, the second with ``share`` of the texts of each class."""
        first, second = train_test_split(np.arange(len(self)), test_size=share, random_state=seed, stratify=self.labels)
        return self.rows(first), self.rows(second)

    def folds(self, number: int, *, seed: int) -> Iterator[tuple[LabelledTexts, LabelledTexts]]:
        """Yield training and test side of each of ``number`` folds with like shares of the classes."""
        folds: Any = StratifiedKFold(number, shuffle=True, random_state=seed)
        for train, test in folds.split(np.zeros(len(self)), self.labels):
            yield self.rows(train), self.rows(test)


def labelled(pairs: Sequence[tuple[str, str]], *, classes: Sequence[str]) -> LabelledTexts:
    """Return texts from pairs of text and name of the class; blank texts are left out.

    Raises:
        ValueError: when a name is none of ``classes``, or nothing is left.
    """
    position = {name: place for place, name in enumerate(classes)}
    kept = [(text, name) for text, name in pairs if text.strip()]
    if unknown := {name for _, name in kept} - position.keys():
        raise ValueError(f"unknown classes: {', '.join(sorted(unknown))}")
    labels = np.array([position[name] for _, name in kept], dtype=np.int64)
    return LabelledTexts(tuple(text for text, _ in kept), labels, tuple(classes))
