"""Topic modeling: themes of a set of texts, each named by its characteristic words, and a map of them.

Embeddings are clustered by k-means, with the number of clusters by silhouette (Rousseeuw, 1987). A theme is named by
class-based TF-IDF (Grootendorst, "BERTopic", 2022): words that are frequent in it and rare in the others.
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

MIN_TEXTS = 20
"""Minimum number of texts; fewer have no themes."""
NONE = -1
_MAX_THEMES = 24
_DIMENSIONS = 16
_SILHOUETTE_SAMPLE = 1_500
_MIN_SIMILARITY = 0.3
_WORDS = 3
_WORD = r"(?u)\b[^\W\d]{3,}\b"

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Theme:
    """Theme: its characteristic words, and its number of texts."""

    words: tuple[str, ...]
    texts: int

    @property
    def label(self) -> str:
        """Its words, joined by commas."""
        return ", ".join(self.words)


@dataclass(frozen=True, slots=True)
class Themes:
    """Themes of n texts, largest first; ``of_text`` is the (n,) theme number of each text, or ``NONE``."""

    themes: tuple[Theme, ...]
    of_text: IntArray
    silhouette: float


def discover(texts: Sequence[str], vectors: FloatArray, *, seed: int) -> Themes:
    """Return the themes of texts.

    Args:
        texts: n texts; fewer than ``MIN_TEXTS`` have no themes.
        vectors: (n, d) unit vectors.
        seed: seed of the clustering.
    """
    if len(texts) < MIN_TEXTS or len(np.unique(vectors, axis=0)) < MIN_TEXTS // 2:
        return Themes((), np.full(len(texts), NONE, dtype=np.int64), 0.0)
    small = PCA(min(_DIMENSIONS, *vectors.shape), random_state=seed).fit_transform(vectors)
    clusters, silhouette = _cluster(small, seed=seed)
    centers = np.stack([vectors[clusters == cluster].mean(axis=0) for cluster in range(clusters.max() + 1)])
    centers /= np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), 1e-9)
    similarity = np.sum(vectors * centers[clusters], axis=1)
    clusters = np.where(similarity >= _MIN_SIMILARITY, clusters, NONE)
    retained = [cluster for cluster in range(len(centers)) if (clusters == cluster).sum() > 1]
    retained.sort(key=lambda cluster: -int((clusters == cluster).sum()))
    of_text = np.full(len(texts), NONE, dtype=np.int64)
    for number, cluster in enumerate(retained):
        of_text[clusters == cluster] = number
    words = _words(texts, of_text, number=len(retained))
    sizes = np.bincount(of_text[of_text != NONE], minlength=len(retained))
    themes = tuple(Theme(words[number], int(size)) for number, size in enumerate(sizes))
    return Themes(themes, of_text, silhouette)


def _cluster(vectors: NDArray[np.floating], *, seed: int) -> tuple[IntArray, float]:
    """Return the cluster of each vector for the number of clusters with the best silhouette, and the silhouette."""
    most = min(_MAX_THEMES, len(vectors) // 5)
    best: tuple[IntArray, float] = (np.zeros(len(vectors), dtype=np.int64), -1.0)
    for count in sorted({2, 3, 4, 6, 8, 10, 12, 16, 20, 24, most}):
        if count > max(most, 2):
            break
        found = KMeans(count, n_init="auto", random_state=seed).fit_predict(vectors).astype(np.int64)
        sample = min(_SILHOUETTE_SAMPLE, len(vectors))
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
    except ValueError:  # All words are stop words.
        return [()] * number
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    weight = share * np.log1p(counts.sum(axis=1).mean() / counts.sum(axis=0))
    names = counter.get_feature_names_out()
    return [tuple(str(names[number]) for number in np.argsort(-row)[:_WORDS] if row[number] > 0) for row in weight]


_MAX_PLOTTED = 800
_PERPLEXITY = 30
_MAX_NAMED = 12


def plot_themes(themes: Themes, vectors: FloatArray, *, title: str, seed: int) -> Figure:
    """Plot the texts on a map (t-SNE, van der Maaten and Hinton, 2008), colored by theme, with the largest named."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_axis_off()
    shown = np.arange(len(vectors))
    if len(shown) > _MAX_PLOTTED:
        shown = np.sort(np.random.default_rng(seed).choice(shown, _MAX_PLOTTED, replace=False))
    if len(shown) < MIN_TEXTS:
        axes.text(0.5, 0.5, "too few texts", ha="center")
        return figure
    perplexity = min(_PERPLEXITY, len(shown) // 4)
    small = PCA(min(_DIMENSIONS, *vectors[shown].shape), random_state=seed).fit_transform(vectors[shown])
    positions = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(small)
    of_shown = themes.of_text[shown]
    none = of_shown == NONE
    axes.scatter(positions[none, 0], positions[none, 1], s=6, color="lightgrey")
    axes.scatter(positions[~none, 0], positions[~none, 1], s=9, c=of_shown[~none], cmap="tab20")
    for number, theme in enumerate(themes.themes[:_MAX_NAMED]):
        inside = positions[of_shown == number]
        if len(inside):
            box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
            across, down = np.median(inside, axis=0)
            axes.text(across, down, theme.label, ha="center", fontsize=8, bbox=box)
    return figure
