"""Policies of the closed loop: the served recommender in process and its baselines, under the same masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np
import polars as pl

from benchmarks.living_town import LivingTown, Request
from models.recommendation.als import popularity
from models.recommendation.data import NotEnoughDataError, TimeSplit, checked_interactions
from models.recommendation.features import STATED_SCHEMA, InteractionFeatures
from models.recommendation.index_builder import assemble_popularity, refresh
from models.recommendation.model_selection import ModelConfig, select_config
from models.recommendation.offline_evaluation import evaluate_config
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.score_components import Items
from models.recommendation.scoring import FloatArray
from models.recommendation.serving_artifact import ItemIndex
from models.recommendation.train import fit_on_all
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import Hidden, RankRequest
from neighborconnect.feed.eligibility import Mask
from neighborconnect.feed.policy import ranking_policy
from pipelines.transforms.activity import ACTIVITY_EVENT_SCHEMA
from pipelines.transforms.training_interactions import training_interactions
from pipelines.transforms.user_features import user_affinity
from simulator.spec import DAY_SECONDS

PAGE: Final = 10
SELECTION_DAYS: Final = 7
"""Days between two selections of the configuration; the model is fitted every day."""
RECENT_SECONDS: Final = 3_600
_POPULARITY_HALF_LIFE_DAYS: Final = 7.0
_POLICY_STREAM: Final = 105
_LOG_SCHEMA: Final = {"user_id": pl.String, "kind": pl.String, "item_id": pl.String, "seconds": pl.Float64}


def _ignore(_text: str) -> None:
    """Take a message of the trainer."""


def _interactions(acts: pl.DataFrame) -> pl.DataFrame:
    return checked_interactions(training_interactions(acts.lazy(), kind=ItemKind.POST))


class Log:
    """Acts of the people under one policy, by person and as a frame."""

    def __init__(self, world: LivingTown) -> None:
        """Start with the history of the town."""
        self._world, self._history = world, world.history
        self._new: list[tuple[str, str, str, float]] = []
        self._places = world.items.select("item_id", "connector_id", "category")
        self.place_of = {post_id: (connector, category) for post_id, connector, category in self._places.iter_rows()}
        self._of: dict[str, list[tuple[str, str, datetime]]] = defaultdict(list)
        posts = self._history.filter(pl.col("item_kind") == ItemKind.POST.value)
        for user_id, kind, item_id, at in posts.select("user_id", "kind", "item_id", "occurred_at").iter_rows():
            self._of[user_id].append((kind, item_id, at))

    def add(self, user_id: str, acts: Sequence[tuple[str, str, float]]) -> None:
        """Log the acts of a person, with times in seconds after the start of the town."""
        for kind, item_id, seconds in acts:
            self._new.append((user_id, kind, item_id, seconds))
            self._of[user_id].append((kind, item_id, self._world.time(seconds)))

    def of(self, user_id: str) -> list[tuple[str, str, datetime]]:
        """Return the acts of a person with posts: ``(kind, post id, time)``."""
        return self._of[user_id]

    def until(self, at: float) -> pl.DataFrame:
        """Return all acts until a moment, with the columns of ``ACTIVITY_EVENT_SCHEMA``."""
        new = pl.DataFrame(self._new, schema=_LOG_SCHEMA, orient="row")
        start = pl.lit(self._world.town.spec.start).cast(pl.Datetime("us", "UTC"))
        frame = (
            new.with_columns(
                (start + pl.duration(microseconds=(pl.col("seconds") * 1e6).cast(pl.Int64))).alias("occurred_at"),
                item_kind=pl.lit(ItemKind.POST.value),
                retracted_at=pl.lit(None, pl.Datetime("us", "UTC")),
            )
            .join(self._places, on="item_id", how="left")
            .select(list(ACTIVITY_EVENT_SCHEMA))
        )
        return pl.concat([self._history, frame]).filter(pl.col("occurred_at") <= self._world.time(at))


class Policy(Protocol):
    """Order of the posts of a page."""

    def retrain(self, *, day: int, at: float) -> None:
        """Learn from the log until a moment, at the start of a day."""

    def refresh(self, *, at: float) -> None:
        """Take notice of new posts and acts."""

    def page(self, request: Request, mask: Mask[str]) -> list[str]:
        """Return the posts of a page, best first, none of them excluded."""
        ...


class _ByScore:
    """Base of the policies that order all eligible posts by one number."""

    def __init__(self, world: LivingTown, log: Log) -> None:
        self._world, self._log = world, log
        self._ids: list[str] = []

    def retrain(self, *, day: int, at: float) -> None:
        """Learn nothing."""

    def page(self, request: Request, mask: Mask[str]) -> list[str]:
        """Return the eligible posts with the largest numbers; recently shown ones are last."""
        scores = self._scores_for(request)
        order = [self._ids[row] for row in np.argsort(-scores, kind="stable").tolist()]
        first, shown = mask.split(order)
        return [*first, *shown][:PAGE]

    def _scores_for(self, request: Request) -> FloatArray:
        raise NotImplementedError


class PopularityPolicy(_ByScore):
    """Posts by the interactions with them, halved every week."""

    _scores: FloatArray

    def refresh(self, *, at: float) -> None:
        """Count the interactions until now."""
        self._ids = self._world.described(at=at).frame["item_id"].to_list()
        interactions = _interactions(self._log.until(at))
        half_life = timedelta(days=_POPULARITY_HALF_LIFE_DAYS)
        self._scores = popularity(interactions, item_ids=tuple(self._ids), half_life=half_life)

    def _scores_for(self, request: Request) -> FloatArray:  # noqa: ARG002 (popularity is the same for all)
        return self._scores


class RandomPolicy(_ByScore):
    """Posts in random order."""

    def refresh(self, *, at: float) -> None:
        """List the posts."""
        self._ids = self._world.described(at=at).frame["item_id"].to_list()

    def _scores_for(self, request: Request) -> FloatArray:
        seed = [self._world.town.spec.seed, _POLICY_STREAM, int(request.at // DAY_SECONDS), request.number]
        return np.random.default_rng(seed).random(len(self._ids))


class OraclePolicy(RandomPolicy):
    """Posts by their true utility, which no policy can know: the upper bound."""

    def _scores_for(self, request: Request) -> FloatArray:
        posts = np.array([self._world.row_of[post_id] for post_id in self._ids], dtype=np.int64)
        return self._world.utility.of_posts(self._world.town.posts, np.full(len(posts), request.user), posts)


class ServedPolicy:
    """The platform's recommender in process: trainer, item index, predictor, re-ranking and masks."""

    def __init__(self, world: LivingTown, log: Log) -> None:
        """Start without a model."""
        self._world, self._log = world, log
        self._seed = world.town.spec.seed
        self._config: ModelConfig | None = None
        self._index: ItemIndex | None = None
        self._predictor: Predictor | None = None
        self._vectors: dict[str, FloatArray] = {}
        self._contents: dict[str, FloatArray] = {}
        self._affinities: dict[str, tuple[dict[str, float], float]] = {}

    def retrain(self, *, day: int, at: float) -> None:
        """Fit the model on all acts; select its configuration again every ``SELECTION_DAYS`` days."""
        interactions = _interactions(self._log.until(at))
        items = self._world.described(at=at)
        if day % SELECTION_DAYS == 0:
            self._config = self._select(interactions, items=items)
        version = f"closed-loop-{day}"
        if self._config is None:
            self._index = assemble_popularity(
                kind=ItemKind.POST,
                model_version=version,
                half_life_days=_POPULARITY_HALF_LIFE_DAYS,
                items=items,
                interactions=interactions,
            )
            return
        self._index, vectors = fit_on_all(
            kind=ItemKind.POST,
            model_version=version,
            config=self._config,
            interactions=interactions,
            items=items,
            seed=self._seed,
        )
        self._vectors = dict(zip(vectors.user_ids, vectors.factors, strict=True))
        self._contents = dict(zip(vectors.user_ids, vectors.content, strict=True))

    def refresh(self, *, at: float) -> None:
        """Add new posts to the item index, and compute the affinities."""
        assert self._index is not None, "retrain comes first"  # noqa: S101
        acts = self._log.until(at)
        self._predictor = Predictor(
            refresh(self._index, items=self._world.described(at=at), interactions=_interactions(acts))
        )
        rows = user_affinity(acts.lazy(), at=[self._world.time(at)]).collect()
        self._affinities = {
            user_id: (dict(zip(categories, weights, strict=True)), float(evidence))
            for user_id, categories, weights, evidence in rows.select(
                "user_id", "categories", "weights", "evidence"
            ).iter_rows()
        }

    def page(self, request: Request, mask: Mask[str]) -> list[str]:
        """Return the page as the bento makes it; recently shown posts fill what remains, as in the API."""
        assert self._predictor is not None, "refresh comes first"  # noqa: S101
        user_id, at = self._world.ids.users[request.user], self._world.time(request.at)
        stated = self._world.stated[user_id]
        response = self._predictor.rank(
            RankRequest(
                request_id="closed-loop",
                user_id=user_id,
                item_kind=ItemKind.POST,
                limit=PAGE,
                exclude=[*mask.excluded, *mask.shown],
                hidden=self._hidden(user_id, at=at),
                interests=list(stated),
            ),
            user=self._profile(user_id, at=at),
            at=at,
        )
        page = [item.item_id for item in response.items]
        shown = sorted(mask.shown, key=mask.shown.__getitem__)
        return [*page, *shown][:PAGE]

    def _profile(self, user_id: str, *, at: datetime) -> UserProfile:
        affinity, evidence = self._affinities.get(user_id, ({}, None))
        since = at.timestamp() - RECENT_SECONDS
        recent = [
            item_id
            for kind, item_id, when in reversed(self._log.of(user_id))
            if kind in {"click", "like", "comment"} and since < when.timestamp() <= at.timestamp()
        ]
        return UserProfile(
            vector=self._vectors.get(user_id),
            content=self._contents.get(user_id),
            affinity=affinity,
            evidence=evidence,
            stated_interests=self._world.stated[user_id],
            recent_items=tuple(dict.fromkeys(recent)),
        )

    def _hidden(self, user_id: str, *, at: datetime) -> Hidden:
        connectors: dict[str, float] = defaultdict(float)
        categories: dict[str, float] = defaultdict(float)
        for kind, item_id, when in self._log.of(user_id):
            if kind == "hide" and when <= at:
                connector, category = self._log.place_of[item_id]
                weight = ranking_policy().hides.weight((at - when).total_seconds() / DAY_SECONDS)
                connectors[connector] += weight
                categories[category] += weight
        return Hidden(connectors=dict(connectors), categories=dict(categories))

    def _select(self, interactions: pl.DataFrame, *, items: Items) -> ModelConfig | None:
        """Select as ``models.recommendation.train`` does; None if popularity is to be served."""
        protocol = TimeSplit()
        stated = pl.DataFrame(
            [(user_id, interest) for user_id, interests in self._world.stated.items() for interest in interests],
            schema=STATED_SCHEMA,
            orient="row",
        )
        features = InteractionFeatures(stated)
        try:
            split = protocol.split(interactions)
            config = select_config(
                split, protocol=protocol, items=items, features=features, seed=self._seed, progress=_ignore
            )
            report = evaluate_config(
                split,
                config=config,
                champion_config=None,
                items=items,
                features=features,
                seed=self._seed,
                progress=_ignore,
                kind=ItemKind.POST,
                interactions=interactions,
            )
        except NotEnoughDataError:
            return self._config
        return report.config if report.gate.passed else self._config


POLICIES: Final[dict[str, Callable[[LivingTown, Log], Policy]]] = {
    "served": ServedPolicy,
    "popularity": PopularityPolicy,
    "random": RandomPolicy,
    "oracle": OraclePolicy,
}
