"""Train, judge and register a recommender of one kind of item. ``release`` then makes it the champion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from models.recommendation.assembly import assemble, assemble_popularity
from models.recommendation.choosing import choose_recipe
from models.recommendation.content import EmbeddingCache, LakeEmbeddingCache, embed
from models.recommendation.data import (
    InteractionMatrix,
    NotEnoughDataError,
    TimeSplit,
    checked_interactions,
    checked_items,
)
from models.recommendation.features import FeatureSource, InteractionFeatures
from models.recommendation.judging import Judgement, judge
from models.recommendation.model import fit
from models.recommendation.report import model_card, plot
from models.recommendation.snapshot import ItemSnapshot
from models.recommendation.terms import Items, content_vectors
from models.recommendation.tracking import RegisteredRun, Tracker
from models.recommendation.vectors import UserVectors
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

PERSONAL = "personal"
POPULARITY = "popularity"

_NOBODY = UserVectors((), np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32))
_log = get_logger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a training made; plain values, so that another process can release it.

    Attributes:
        served: ``personal`` or ``popularity``: what the registered version does.
        promote: whether ``release`` is to make it the champion.
        reasons: sentences that say why.
        metrics: means by name; empty where there was too little to judge.
    """

    kind: ItemKind
    run_id: str
    registry_version: str
    model_version: str
    served: str
    promote: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)


def describe(settings: Settings, items: pl.DataFrame | pl.LazyFrame, *, cache: EmbeddingCache | None = None) -> Items:
    """Return items of ``ITEMS_SCHEMA`` with their text embeddings, new texts embedded and remembered in the lake."""
    frame = checked_items(items)
    embeddings = embed(
        frame["text"].to_list(),
        cache=cache or LakeEmbeddingCache(settings),
        progress=lambda done, total: _log.info("texts embedded", done=done, total=total),
    )
    return Items(frame, embeddings)


def train(
    settings: Settings,
    *,
    kind: ItemKind,
    interactions: pl.DataFrame | pl.LazyFrame,
    items: pl.DataFrame | pl.LazyFrame,
    features: FeatureSource | None = None,
    data_version: str = "unnamed",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Choose, judge, fit on everything, and register.

    A model that does not surely beat popularity, or is worse than the champion, is registered but not to be
    promoted; where there is no champion yet, the popularity baseline is registered in its place and is.

    Args:
        settings: where MLflow and the lake are.
        kind: posts or connectors.
        interactions: ``data.INTERACTIONS_SCHEMA``, one row a positive sign.
        items: ``data.ITEMS_SCHEMA`` (more columns are ignored), all that may be recommended now.
        features: where features as of the split come from; the interactions themselves if left out.
        data_version: names the data in the log.
        seed: of everything random.
        progress: told in sentences how far it is.
    """
    say = progress or (lambda text: _log.info(text, kind=kind.value))
    found, described = checked_interactions(interactions), describe(settings, items)
    tracker = Tracker(settings, kind=kind)
    champion = tracker.champion()
    run_id = tracker.runs.start(run_name=data_version)
    try:
        return _Training(
            tracker, kind=kind, interactions=found, items=described, data_version=data_version, seed=seed, say=say
        ).run(run_id, champion=champion, features=features or InteractionFeatures())
    except BaseException:
        tracker.runs.fail(run_id)
        raise


class _Training:
    """One training: what its steps share."""

    def __init__(
        self,
        tracker: Tracker,
        *,
        kind: ItemKind,
        interactions: pl.DataFrame,
        items: Items,
        data_version: str,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        self._tracker, self._kind, self._interactions, self._items = tracker, kind, interactions, items
        self._data_version, self._seed, self._say = data_version, seed, say

    def run(self, run_id: str, *, champion: RegisteredRun | None, features: FeatureSource) -> TrainingResult:
        """Do all steps and return what they made."""
        judgement: Judgement | None = None
        try:
            judgement = self._judge(champion, features=features)
            reasons, passed = judgement.gate.reasons, judgement.gate.passed
        except NotEnoughDataError as error:
            reasons, passed = (f"there is too little to train on: {error}",), False
        # A refused model still stands in the registry beside the champion; without one, popularity must serve.
        served = PERSONAL if judgement is not None and (passed or champion is not None) else POPULARITY
        promote = passed or champion is None
        self._tracker.runs.log(
            run_id,
            params=self._params(judgement),
            metrics={} if judgement is None else judgement.as_metrics(),
            tags={"gate": "passed" if passed else "refused", "served": served, "item_kind": self._kind.value},
        )
        card = self._card(judgement, served=served, reasons=reasons)
        self._tracker.log_report(
            run_id,
            card=card,
            figure=None if judgement is None else plot(judgement, kind=self._kind, seed=self._seed),
            recipe=judgement.recipe if judgement is not None and served == PERSONAL else None,
        )
        snapshot, vectors = self._fit(judgement, run_id=run_id, served=served)
        registered = self._tracker.log_model(run_id, item_snapshot=snapshot, user_vectors=vectors, card=card)
        self._say(f"registered {registered.model_version} ({served}), " + ("to be promoted" if promote else "refused"))
        return TrainingResult(
            kind=self._kind,
            run_id=run_id,
            registry_version=registered.registry_version,
            model_version=registered.model_version,
            served=served,
            promote=promote,
            reasons=reasons,
            metrics={} if judgement is None else judgement.as_metrics(),
        )

    def _judge(self, champion: RegisteredRun | None, *, features: FeatureSource) -> Judgement:
        protocol = TimeSplit()
        split = protocol.split(self._interactions)
        recipe = choose_recipe(
            split, protocol=protocol, items=self._items, features=features, seed=self._seed, progress=self._say
        )
        return judge(
            split,
            recipe=recipe,
            champion_recipe=None if champion is None else self._tracker.recipe(champion.run_id),
            items=self._items,
            features=features,
            seed=self._seed,
            progress=self._say,
        )

    def _fit(self, judgement: Judgement | None, *, run_id: str, served: str) -> tuple[ItemSnapshot, UserVectors]:
        """Fit the judged recipe on everything, or count popularity."""
        version = RegisteredRun(self._kind, run_id, "").model_version
        half_life_days = None if judgement is None else judgement.recipe.half_life_days
        if judgement is None or served == POPULARITY:
            snapshot = assemble_popularity(
                kind=self._kind,
                model_version=version,
                half_life_days=half_life_days,
                items=self._items,
                interactions=self._interactions,
            )
            return snapshot, _NOBODY
        matrix = InteractionMatrix.build(self._interactions)
        factors = fit(matrix, hyperparameters=judgement.recipe.hyperparameters, seed=self._seed)
        snapshot = assemble(
            kind=self._kind,
            model_version=version,
            recipe=judgement.recipe,
            matrix=matrix,
            factors=factors,
            items=self._items,
            interactions=self._interactions,
        )
        content = content_vectors(matrix, embeddings=self._items.aligned(matrix.item_ids).embeddings)
        return snapshot, UserVectors(matrix.user_ids, factors.users, content)

    def _params(self, judgement: Judgement | None) -> dict[str, object]:
        given = {
            "data_version": self._data_version,
            "interactions": len(self._interactions),
            "items": len(self._items.frame),
            "seed": self._seed,
        }
        if judgement is None:
            return given
        recipe = judgement.recipe
        return {
            **given,
            "protocol": judgement.split.protocol,
            "cut": judgement.split.cut,
            "features": judgement.features_source,
            "baseline": judgement.strongest_baseline,
            "half_life_days": recipe.half_life_days,
            **recipe.hyperparameters.as_dict(),
            **{f"known_{name}": value for name, value in recipe.known.as_dict().items()},
            **{f"newcomer_{name}": value for name, value in recipe.newcomer.as_dict().items()},
        }

    def _card(self, judgement: Judgement | None, *, served: str, reasons: tuple[str, ...]) -> str:
        if judgement is None:
            return f"# {self._kind.value} recommender\n\nThe popularity baseline: {'; '.join(reasons)}.\n"
        what = "the model described here" if served == PERSONAL else "the popularity baseline, for the gate refused"
        return model_card(judgement, kind=self._kind, data_version=self._data_version, served=what)
