"""A simulated town and the recommender that the real trainer makes of it. Not a test: imported by those that need one.

Texts are replaced by one-hot themes with noise, so that nothing has to be embedded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.living_town import acts_of_town
from models.recommendation.data import TimeSplit, checked_interactions, checked_items
from models.recommendation.features import InteractionFeatures
from models.recommendation.masks import mask_users
from models.recommendation.model_selection import Variant, select_config
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.score_components import Items
from models.recommendation.scoring import normalize_rows
from models.recommendation.train import fit_on_all
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.eligibility import Mask
from pipelines.transforms.training_interactions import training_interactions
from pipelines.transforms.user_features import user_affinity
from simulator.columns import draw_ids, times
from simulator.feeds import pair_key
from simulator.history import build_town
from simulator.reactions import Utility
from simulator.spec import TownSpec
from simulator.town import Town

END = datetime(2026, 3, 29, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Simulated:
    """A town, what is known of it, and what serves its posts at ``END``."""

    town: Town
    acts: pl.DataFrame
    items: pl.DataFrame
    predictor: Predictor
    user_ids: list[str]
    vectors: dict[str, npt.NDArray[np.float32]]
    contents: dict[str, npt.NDArray[np.float32]]
    end: datetime = END

    @cached_property
    def masks(self) -> dict[str, Mask[str]]:
        """Return the mask of every person's feed of posts."""
        return mask_users(self.acts, kind=ItemKind.POST, at=self.end)

    @cached_property
    def affinities(self) -> dict[str, dict[str, float]]:
        """The feature that serving reads."""
        rows = user_affinity(self.acts.lazy(), at=[self.end]).collect()
        return {
            user: dict(zip(categories, weights, strict=True))
            for user, categories, weights in rows.select("user_id", "categories", "weights").iter_rows()
        }

    def profile(self, user_id: str) -> UserProfile:
        """Return what serving knows of a person."""
        return UserProfile(
            vector=self.vectors.get(user_id),
            content=self.contents.get(user_id),
            affinity=self.affinities.get(user_id, {}),
        )

    def appeal(self, person: int) -> npt.NDArray[np.float64]:
        """Return the true probability that a person likes each post that they look at, in the order of ``items``."""
        town = self.town
        follows = np.sort(pair_key(town.follows.follower, town.follows.followee))
        utility = Utility(town.people, town.connectors, town.choice_model, follows)
        every = np.arange(len(town.posts))
        of_each = utility.of_posts(town.posts, np.full(len(every), person), every)
        return np.asarray(town.choice_model.click(of_each) * town.choice_model.agree(of_each))


def simulate(
    *, users: int, days: int = 28, seed: int = 1, end: datetime = END, variant: Variant = Variant.RESPONSE
) -> Simulated:
    """Build a town, and fit a variant of the model on it."""
    town = build_town(TownSpec(users=users, days=days, seed=seed, end=end))
    ids = draw_ids(town)
    start = town.spec.start
    category = pl.Series([one.name for one in town.vocabulary.categories]).gather(town.connectors.category)
    items = pl.DataFrame(
        {
            "item_id": ids.posts,
            "text": pl.Series(["" for _ in range(len(town.posts))], dtype=pl.String),
            "category": category.gather(town.posts.connector),
            "connector_id": ids.connectors.gather(town.posts.connector),
            "owner_id": ids.users.gather(town.posts.author),
            "created_at": times(start, town.posts.created),
        }
    )
    acts = acts_of_town(town, ids, items=items, categories=category)
    interactions = checked_interactions(training_interactions(acts.lazy(), kind=ItemKind.POST))
    described = _described(town, items)
    protocol, features = TimeSplit(), InteractionFeatures()
    config = select_config(
        protocol.split(interactions),
        protocol=protocol,
        items=described,
        features=features,
        seed=seed,
        progress=lambda _: None,
    )
    index, vectors = fit_on_all(
        kind=ItemKind.POST,
        model_version="post-simulated",
        config=config.reduced_to(variant),
        interactions=interactions,
        items=described,
        seed=seed,
    )
    return Simulated(
        town=town,
        acts=acts,
        items=items,
        predictor=Predictor(index),
        user_ids=ids.users.to_list(),
        vectors=dict(zip(vectors.user_ids, vectors.factors, strict=True)),
        contents=dict(zip(vectors.user_ids, vectors.content, strict=True)),
        end=end,
    )


def _described(town: Town, items: pl.DataFrame) -> Items:
    checked = checked_items(items)
    theme = pl.DataFrame({"item_id": items["item_id"], "theme": town.posts.theme})
    themes = checked.join(theme, on="item_id", how="left", maintain_order="left")["theme"].to_numpy()
    count = len(town.vocabulary.themes)
    noise = np.random.default_rng(5).normal(0.0, 0.1, (len(checked), count))
    return Items(checked, normalize_rows((np.eye(count)[themes] + noise).astype(np.float32)))


def age_of(items: pl.DataFrame) -> dict[str, timedelta]:
    """Return the age of each post at ``END``."""
    return {item_id: END - at for item_id, at in items.select("item_id", "created_at").iter_rows()}
