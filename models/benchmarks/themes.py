"""Theme discovery against known labels: BANKING77's questions of ten intents, as a connector of ten themes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from models.benchmarks.texts import banking
from models.content.embeddings import embed
from models.content.theme_discovery import discover

SEED = 20_261
DRAWS, INTENTS = 10, 10


def run(folder: Path, *, console: Console) -> None:
    """Draw ten intents ten times, and compare the discovered themes with them; k-means is given their number."""
    texts, intents = zip(*banking(folder, "test"), strict=True)
    labels = np.array(intents)
    vectors = embed(texts)
    generator = np.random.default_rng(SEED)
    ours: list[tuple[float, float]] = []
    told: list[tuple[float, float]] = []
    numbers: list[int] = []
    for _ in range(DRAWS):
        chosen = generator.choice(np.unique(labels), INTENTS, replace=False)
        inside = np.flatnonzero(np.isin(labels, chosen))
        known = labels[inside]
        found = discover([texts[place] for place in inside], vectors[inside], seed=SEED)
        ten = KMeans(INTENTS, n_init=3, random_state=SEED).fit_predict(vectors[inside])
        numbers.append(len(found.themes))
        ours.append((normalized_mutual_info_score(known, found.of_text), adjusted_rand_score(known, found.of_text)))
        told.append((normalized_mutual_info_score(known, ten), adjusted_rand_score(known, ten)))
    table = Table(title=f"banking77 test: {INTENTS} intents, {DRAWS} draws; seed {SEED}", min_width=80)
    for heading in ("method", "NMI", "ARI", "themes"):
        table.add_column(heading)
    for name, scores, themes in (
        ("discovered", ours, f"{min(numbers)} to {max(numbers)}"),
        ("k-means, given the number", told, str(INTENTS)),
    ):
        means, spread = np.mean(scores, axis=0), 1.96 * np.std(scores, axis=0, ddof=1) / DRAWS**0.5
        figures = (f"{mean:.3f} ± {half:.3f}" for mean, half in zip(means, spread, strict=True))
        table.add_row(name, *figures, themes)
    console.print(table)
