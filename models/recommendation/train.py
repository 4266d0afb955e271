"""Training of the recommender of one kind of item: select, evaluate, fit, register. ``promotion`` makes it champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from mlflow.entities import DatasetInput

from models.data_sets import lake_data_set, mart_data_set
from models.recommendation.als import Hyperparameters
from models.recommendation.data import (
    InteractionMatrix,
    NotEnoughDataError,
    TimeSplit,
    acts_of,
    checked_interactions,
    of_standing,
)
from models.recommendation.described_items import KindData, describe
from models.recommendation.features import FeatureSource, InteractionFeatures
from models.recommendation.index_builder import (
    assemble,
    assemble_popularity,
    fit_all_kinds,
    fold_in_users,
    response_vectors,
)
from models.recommendation.model_selection import ModelConfig, Variant, select_config
from models.recommendation.offline_evaluation import EvaluationReport, evaluate_config
from models.recommendation.recommender_tracker import RecommenderTracker
from models.recommendation.report import model_card, plot
from models.recommendation.score_components import Items, content_vectors
from models.recommendation.serving_artifact import POPULARITY, ItemIndex
from models.recommendation.user_vectors import UserVectors
from models.registry import RegisteredVersion, model_version_name
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

PERSONAL = "personal"
__all__ = ["PERSONAL", "POPULARITY", "TrainingResult", "fit_on_all", "train"]

_TAG_CHARACTERS = 5_000
_HEADLINE = ("ndcg_at_20", "recall_at_20", "popularity_ndcg_at_20", "popularity_recall_at_20")
_NO_VECTORS = UserVectors((), np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32))
_log = get_logger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training; plain values, so that another process can promote it.

    Attributes:
        served: ``personal`` or ``popularity``: method of the registered version.
        promote: whether ``promotion.promote`` is to make it the champion.
        reasons: sentences that explain ``promote``.
        metrics: means by name; empty when there was too little data to evaluate.
    """

    kind: ItemKind
    run_id: str
    registry_version: str
    model_version: str
    served: str
    promote: bool
    reasons: tuple[str, ...]
    metrics: dict[str, float] = field(default_factory=dict)


def train(
    settings: Settings,
    *,
    kind: ItemKind,
    interactions: pl.DataFrame | pl.LazyFrame,
    items: pl.DataFrame | pl.LazyFrame,
    others: Mapping[ItemKind, KindData] | None = None,
    features: FeatureSource | None = None,
    data_version: str = "unnamed",
    hyperparameters: Hyperparameters | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Select a configuration, evaluate it, fit it on all data, and register a version.

    | gate | champion exists | registered | promoted |
    |---|---|---|---|
    | passed | either | personal model | yes |
    | refused | yes | personal model | no |
    | refused, or too little data | no | popularity baseline | yes |

    Args:
        settings: URLs of MLflow and the lake.
        kind: kind of the items.
        interactions: ``data.INTERACTIONS_SCHEMA``, one row per act, and per impression with weight 0.
        items: ``data.ITEMS_SCHEMA`` and, if there are, its optional columns: all items that may be recommended now, and
            closed ones that the interactions refer to.
        others: interactions and items of the other kinds, which the response model learns from, too.
        features: source of features as of the split; the interactions themselves if left out.
        data_version: name of the data in the log.
        hyperparameters: of the factors; selected from a grid if left out.
        seed: random seed.
        progress: callback for progress messages.
    """
    report_progress = progress or (lambda text: _log.info("training.progress", step=text, kind=kind.value))
    checked = checked_interactions(interactions)
    described = describe(settings, kind=kind, items=items, others=others)
    tracker = RecommenderTracker(settings, kind=kind)
    champion = tracker.champion()
    run_id = tracker.start(run_name=data_version)
    try:
        return _Training(
            tracker,
            kind=kind,
            interactions=checked,
            items=described,
            data_version=data_version,
            data_sets=(
                lake_data_set(settings, data_version, counts={"interactions": len(acts_of(checked))}),
                mart_data_set(settings, "marts.recommendable_items", counts={"items": len(described.frame)}),
            ),
            hyperparameters=hyperparameters,
            seed=seed,
            progress=report_progress,
        ).run(run_id, champion=champion, features=features or InteractionFeatures())
    except BaseException:
        tracker.fail(run_id)
        raise


def fit_on_all(
    *, kind: ItemKind, model_version: str, config: ModelConfig, interactions: pl.DataFrame, items: Items, seed: int
) -> tuple[ItemIndex, UserVectors]:
    """Fit a selected configuration on all interactions of users with standing; return what is served.

    Users without standing are folded in, so that their own recommendations are personal. The response model weights
    all users by standing.
    """
    known = of_standing(interactions)
    matrix = InteractionMatrix.build(known)
    factors = config.fit(matrix, seed=seed)
    responses = fit_all_kinds(interactions, items=items) if config.variant is Variant.RESPONSE else None
    index = assemble(
        kind=kind,
        model_version=model_version,
        config=config,
        matrix=matrix,
        factors=factors,
        items=items,
        interactions=interactions,
        responses=responses,
    )
    if responses is not None:
        of_users = response_vectors(index, interactions=interactions, items=items, responses=responses)
        return index, UserVectors(*of_users)
    content = content_vectors(matrix, embeddings=items.aligned(matrix.item_ids).embeddings)
    vectors = UserVectors(matrix.user_ids, factors.users, content)
    warm = [item_id for item_id, is_warm in zip(index.item_ids, index.is_warm, strict=True) if is_warm]
    others = interactions.join(known, on="user_id", how="anti").join(
        pl.DataFrame({"item_id": warm}, schema={"item_id": pl.String}), on="item_id", how="semi"
    )
    if others.is_empty():
        return index, vectors
    user_ids, folded, others_content = fold_in_users(index, interactions=others)
    return index, UserVectors(
        vectors.user_ids + user_ids,
        np.concatenate([vectors.factors, folded]),
        np.concatenate([vectors.content, others_content]),
    )


class _Training:
    """State that the steps of one training share."""

    def __init__(
        self,
        tracker: RecommenderTracker,
        *,
        kind: ItemKind,
        interactions: pl.DataFrame,
        items: Items,
        data_version: str,
        data_sets: Sequence[DatasetInput],
        hyperparameters: Hyperparameters | None,
        seed: int,
        progress: Callable[[str], None],
    ) -> None:
        self._tracker, self._kind, self._interactions, self._items = tracker, kind, interactions, items
        self._data_version, self._data_sets, self._seed, self._progress = data_version, data_sets, seed, progress
        self._hyperparameters = hyperparameters

    def run(self, run_id: str, *, champion: RegisteredVersion | None, features: FeatureSource) -> TrainingResult:
        """Run all steps."""
        report: EvaluationReport | None = None
        try:
            report = self._evaluate(champion, features=features)
            reasons, passed = (*report.selection.reasons, *report.gate.reasons), report.gate.passed
        except NotEnoughDataError as error:
            reasons, passed = (f"there is too little data to train on: {error}",), False
        # A refused model is registered for inspection while a champion serves; otherwise popularity must serve.
        served = PERSONAL if report is not None and (passed or champion is not None) else POPULARITY
        promote = passed or champion is None
        self._tracker.log(
            run_id,
            params=self._params(report),
            metrics={} if report is None else report.as_metrics(),
            tags={
                "gate": "passed" if passed else "refused",
                "served": served,
                "variant": POPULARITY if report is None or served == POPULARITY else report.selection.variant.value,
                "variant_reason": "; ".join(report.selection.reasons)[:_TAG_CHARACTERS] if report else "",
                "item_kind": self._kind.value,
            },
            headline=_HEADLINE,
            data_sets=self._data_sets,
        )
        card = self._card(report, served=served, reasons=reasons)
        if report is not None and served == PERSONAL:
            self._tracker.log_config(run_id, report.config)
        index, vectors = self._fit(report, run_id=run_id, served=served)
        figures = {} if report is None else {"metrics.png": plot(report, kind=self._kind, seed=self._seed)}
        registered = self._tracker.log_model(
            run_id,
            index=index,
            vectors=vectors,
            card=card,
            figures=figures,
            trained_on=self._trained_on(report, served=served),
        )
        self._progress(
            f"registered {registered.model_version} ({served}), " + ("to be promoted" if promote else "refused")
        )
        return TrainingResult(
            kind=self._kind,
            run_id=run_id,
            registry_version=registered.registry_version,
            model_version=registered.model_version,
            served=served,
            promote=promote,
            reasons=reasons,
            metrics={} if report is None else report.as_metrics(),
        )

    def _evaluate(self, champion: RegisteredVersion | None, *, features: FeatureSource) -> EvaluationReport:
        protocol = TimeSplit()
        split = protocol.split(of_standing(self._interactions)).without_closed(self._items.frame)
        config = select_config(
            split,
            protocol=protocol,
            items=self._items,
            features=features,
            hyperparameters=self._hyperparameters,
            seed=self._seed,
            progress=self._progress,
        )
        return evaluate_config(
            split,
            config=config,
            champion_config=None if champion is None else self._tracker.config(champion.run_id),
            items=self._items,
            features=features,
            seed=self._seed,
            progress=self._progress,
            kind=self._kind,
            interactions=of_standing(self._interactions),
        )

    def _fit(self, report: EvaluationReport | None, *, run_id: str, served: str) -> tuple[ItemIndex, UserVectors]:
        """Fit the evaluated configuration on all data, or count popularity."""
        version = model_version_name(REGISTERED_MODEL[self._kind], run_id=run_id)
        half_life_days = None if report is None else report.config.half_life_days
        if report is None or served == POPULARITY:
            index = assemble_popularity(
                kind=self._kind,
                model_version=version,
                half_life_days=half_life_days,
                items=self._items,
                interactions=self._interactions,
            )
            return index, _NO_VECTORS
        return fit_on_all(
            kind=self._kind,
            model_version=version,
            config=report.config,
            interactions=self._interactions,
            items=self._items,
            seed=self._seed,
        )

    def _trained_on(self, report: EvaluationReport | None, *, served: str) -> set[str]:
        """Return the users who interacted, and the owners of the items, whose texts are in the content vectors.

        The response model was trained on those of the other kinds, too.
        """
        users = [self._interactions["user_id"], self._items.frame["owner_id"].drop_nulls()]
        others = self._items.others
        is_response = report is not None and served == PERSONAL and report.config.variant is Variant.RESPONSE
        if others is not None and is_response:
            users += [others.interactions["user_id"], *(one.frame["owner_id"].drop_nulls() for one in others.items)]
        return set(pl.concat(users).unique())

    def _params(self, report: EvaluationReport | None) -> dict[str, object]:
        given = {
            "data_version": self._data_version,
            "interactions": len(acts_of(self._interactions)),
            "impressions": len(self._interactions) - len(acts_of(self._interactions)),
            "items": len(self._items.frame),
            "seed": self._seed,
        }
        if report is None:
            return given
        config = report.config
        return {
            **given,
            "protocol": report.split.protocol,
            "cut": report.split.cut,
            "features": report.features_source,
            "baseline": report.strongest_baseline,
            "half_life_days": config.half_life_days,
            "variant": config.variant.value,
            **config.hyperparameters.as_dict(),
            **{f"warm_user_{name}": value for name, value in config.warm_user.as_dict().items()},
            **{f"cold_user_{name}": value for name, value in config.cold_user.as_dict().items()},
        }

    def _card(self, report: EvaluationReport | None, *, served: str, reasons: tuple[str, ...]) -> str:
        if report is None:
            return f"# {self._kind.value} recommender\n\nThe popularity baseline: {'; '.join(reasons)}.\n"
        what = (
            "the model described here"
            if served == PERSONAL
            else "the popularity baseline, because the gate refused the model"
        )
        return model_card(report, kind=self._kind, data_version=self._data_version, served=what)
