"""Labeled texts, and their splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold, train_test_split

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabeledTexts:
    """Texts with one class each.

    Attributes:
        texts: n texts, none of them blank.
        labels: (n,) positions in ``classes``.
        classes: names, in the order of the model's outputs.
    """

    texts: tuple[str, ...]
    labels: IntArray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Validate the data; raises ``ValueError``."""
        if len(self.texts) != len(self.labels):
            raise ValueError(f"{len(self.texts)} texts with {len(self.labels)} labels")
        if not self.texts or min(self.labels) < 0 or max(self.labels) >= len(self.classes):
            raise ValueError("there must be texts, and each label must be one of the classes")
        if any(not text.strip() for text in self.texts):
            raise ValueError("a text is blank")

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """(classes,) share of each class."""
        counts: npt.NDArray[np.int64] = np.bincount(self.labels, minlength=len(self.classes))
        return counts / len(self)

    def rows(self, index: Sequence[int] | IntArray) -> LabeledTexts:
        """Return the texts at ``index``."""
        return LabeledTexts(tuple(self.texts[row] for row in index), self.labels[np.asarray(index)], self.classes)

    def with_more(self, other: LabeledTexts) -> LabeledTexts:
        """Return these texts and then those of ``other``, which must have the same classes."""
        if other.classes != self.classes:
            raise ValueError(f"classes differ: {self.classes} and {other.classes}")
        return LabeledTexts(self.texts + other.texts, np.concatenate([self.labels, other.labels]), self.classes)

    def split(self, *, share: float, seed: int) -> tuple[LabeledTexts, LabeledTexts]:
        """Return a stratified split; the second part has ``share`` of the texts of each class."""
        first, second = train_test_split(np.arange(len(self)), test_size=share, random_state=seed, stratify=self.labels)
        return self.rows(first), self.rows(second)

    def folds(self, number: int, *, seed: int) -> Iterator[tuple[LabeledTexts, LabeledTexts]]:
        """Yield training and test side of each of ``number`` stratified folds."""
        folds: Any = StratifiedKFold(number, shuffle=True, random_state=seed)
        for train, test in folds.split(np.zeros(len(self)), self.labels):
            yield self.rows(train), self.rows(test)


def labeled_texts(pairs: Sequence[tuple[str, str]], *, classes: Sequence[str]) -> LabeledTexts:
    """Return labeled texts from pairs of text and class; blank texts are left out.

    Raises:
        ValueError: when a class is not in ``classes``, or no text is left.
    """
    position = {name: number for number, name in enumerate(classes)}
    nonblank = [(text, name) for text, name in pairs if text.strip()]
    if unknown := {name for _, name in nonblank} - position.keys():
        raise ValueError(f"unknown classes: {', '.join(sorted(unknown))}")
    labels = np.array([position[name] for _, name in nonblank], dtype=np.int64)
    return LabeledTexts(tuple(text for text, _ in nonblank), labels, tuple(classes))
