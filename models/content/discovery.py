"""Themes that a heap of texts falls into by itself, each named by the words that set it apart, and drawn.

Texts are clustered by their vectors (k-means; the number by silhouette, Rousseeuw 1987); a theme is named by
class-based TF-IDF (Grootendorst 2022): words that are frequent in it and rare in the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from models.content.encoder import FloatArray

LEAST_TEXTS = 20
"""Of fewer nothing can be told."""
NONE = -1
_MOST_THEMES = 24
_DIMENSIONS = 16
_JUDGED = 1_500
_LEAST_LIKENESS = 0.3
_WORDS = 3
_WORD = r"(?u)\b[^\W\d]{3,}\b"
_RESTARTS = 3

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme: the words that name it, and its number of texts."""

    words: tuple[str, ...]
    texts: int

    @property
    def label(self) -> str:
        """Its words in a row."""
        return ", ".join(self.words)


@dataclass(frozen=True, slots=True)
class Themes:
    """The themes of some texts, the largest first, and the theme of each text, ``NONE`` where it has none."""

    themes: tuple[Theme, ...]
    of_text: IntArray
    silhouette: float


def discover(texts: Sequence[str], vectors: FloatArray, *, seed: int) -> Themes:
    """Find the themes of texts.

    Args:
        texts: n of them; of fewer than ``LEAST_TEXTS`` none is found.
        vectors: (n, d), of length one.
        seed: of the clusters.
    """
    if len(texts) < LEAST_TEXTS or len(np.unique(vectors, axis=0)) < LEAST_TEXTS // 2:
        return Themes((), np.full(len(texts), NONE, dtype=np.int64), 0.0)
    small = PCA(min(_DIMENSIONS, *vectors.shape), random_state=seed).fit_transform(vectors)
    clusters, silhouette = _cluster(small, seed=seed)
    middles = np.stack([vectors[clusters == one].mean(axis=0) for one in range(clusters.max() + 1)])
    middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-9)
    likeness = np.sum(vectors * middles[clusters], axis=1)
    clusters = np.where(likeness >= _LEAST_LIKENESS, clusters, NONE)
    kept = [one for one in range(len(middles)) if (clusters == one).sum() > 1]
    kept.sort(key=lambda one: -int((clusters == one).sum()))
    of_text = np.full(len(texts), NONE, dtype=np.int64)
    for place, one in enumerate(kept):
        of_text[clusters == one] = place
    words = _words(texts, of_text, number=len(kept))
    sizes = np.bincount(of_text[of_text != NONE], minlength=len(kept))
    themes = tuple(Theme(words[place], int(size)) for place, size in enumerate(sizes))
    return Themes(themes, of_text, silhouette)


def _cluster(vectors: NDArray[np.floating], *, seed: int) -> tuple[IntArray, float]:
    """Return the cluster of each vector, as many clusters as part them best, and their silhouette."""
    most = min(_MOST_THEMES, len(vectors) // 5)
    best: tuple[IntArray, float] = (np.zeros(len(vectors), dtype=np.int64), -1.0)
    for number in sorted({2, 3, 4, 6, 8, 10, 12, 16, 20, 24, most}):
        if number > max(most, 2):
            break
        found = KMeans(number, n_init=_RESTARTS, random_state=seed).fit_predict(vectors).astype(np.int64)
        sample = min(_JUDGED, len(vectors))
        score = float(silhouette_score(vectors, found, sample_size=sample, random_state=seed))
        if score > best[1]:
            best = found, score
    return best


def _words(texts: Sequence[str], of_text: IntArray, *, number: int) -> list[tuple[str, ...]]:
    if number == 0:
        return []
    together = [
        " ".join(text for text, of in zip(texts, of_text, strict=True) if of == theme) for theme in range(number)
    ]
    counter = CountVectorizer(stop_words="english", token_pattern=_WORD)
    try:
        counts = counter.fit_transform(together).toarray().astype(np.float64)
    except ValueError:  # Not one word that is more than a stop word.
        return [()] * number
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    weight = share * np.log1p(counts.sum(axis=1).mean() / counts.sum(axis=0))
    names = counter.get_feature_names_out()
    return [tuple(str(names[place]) for place in np.argsort(-row)[:_WORDS] if row[place] > 0) for row in weight]


_DRAWN = 1_500
_PERPLEXITY = 30
_NAMED = 12


def draw(themes: Themes, vectors: FloatArray, *, title: str, seed: int) -> Figure:
    """Draw the texts on a map (t-SNE), a colour for each theme, with the names of the largest."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_axis_off()
    shown = np.arange(len(vectors))
    if len(shown) > _DRAWN:
        shown = np.sort(np.random.default_rng(seed).choice(shown, _DRAWN, replace=False))
    if len(shown) < LEAST_TEXTS:
        axes.text(0.5, 0.5, "too few texts", ha="center")
        return figure
    perplexity = min(_PERPLEXITY, len(shown) // 4)
    places = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors[shown])
    of_shown = themes.of_text[shown]
    none = of_shown == NONE
    axes.scatter(places[none, 0], places[none, 1], s=6, color="lightgrey")
    axes.scatter(places[~none, 0], places[~none, 1], s=9, c=of_shown[~none], cmap="tab20")
    for place, theme in enumerate(themes.themes[:_NAMED]):
        inside = places[of_shown == place]
        if len(inside):
            box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
            across, down = np.median(inside, axis=0)
            axes.text(across, down, theme.label, ha="center", fontsize=8, bbox=box)
    return figure
