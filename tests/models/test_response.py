"""The response model learns from impressions, is served as it was fitted, and is selected by replayed impressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.recommendation.als import Hyperparameters
from models.recommendation.data import STANDING, InteractionMatrix, checked_interactions, checked_items, of_standing
from models.recommendation.impression_replay import Replay, replay
from models.recommendation.index_builder import fit_all_kinds, open_items, refresh, response_vectors
from models.recommendation.model_selection import ModelConfig, Variant
from models.recommendation.predictor import Predictor, UserProfile
from models.recommendation.response import fit_responses, has_enough_impressions
from models.recommendation.response_items import ConnectorTexts
from models.recommendation.score_components import Items, OtherKinds, response_items
from models.recommendation.scoring import BlendWeights
from models.recommendation.serving_artifact import CLOSED, ItemIndex, from_bytes, to_bytes
from models.recommendation.train import fit_on_all
from models.recommendation.user_vectors import UserVectors
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.serving import RankingPath, RankRequest
from neighborconnect.feed.reasons import ReasonCode

START = datetime(2026, 3, 1, tzinfo=UTC)
CATEGORIES = ("books", "cycling", "gardening")
USERS, POSTS, DAYS = 45, 120, 14
BY_CATEGORY = BlendWeights(affinity=1.0)
CONFIG = ModelConfig(Hyperparameters(factors=4, alpha=4.0, regularization=3.0), None, BY_CATEGORY, BY_CATEGORY)


@dataclass(frozen=True)
class Community:
    """Posts of three categories, of which every third is good; people like the good ones of one category each."""

    items: Items
    interactions: pl.DataFrame

    @property
    def good(self) -> set[str]:
        """Ids of the good posts."""
        return {item_id for item_id in self.items.frame["item_id"] if int(item_id[-3:]) // 3 % 3 == 0}


def favorite(user: int) -> str:
    return CATEGORIES[user % 3]


@pytest.fixture(scope="module")
def community() -> Community:
    draw = np.random.default_rng(7)
    frame = checked_items(
        pl.DataFrame(
            {
                "item_id": [f"post-{number:03d}" for number in range(POSTS)],
                "text": ["" for _ in range(POSTS)],
                "category": [CATEGORIES[number % 3] for number in range(POSTS)],
                "created_at": [START + timedelta(days=DAYS * number / POSTS) for number in range(POSTS)],
            }
        )
    )
    items = Items(frame, np.zeros((POSTS, 0), dtype=np.float32))
    rows = []
    for user in range(USERS):
        for day in range(1, DAYS):
            known = frame.filter(pl.col("created_at") < START + timedelta(days=day))
            for place in draw.choice(len(known), min(12, len(known)), replace=False).tolist():
                item_id, category = known["item_id"][place], known["category"][place]
                at = START + timedelta(days=day, minutes=int(draw.integers(0, 600)))
                rows.append((f"user-{user:02d}", item_id, at, 0.0))
                is_good = int(item_id[-3:]) // 3 % 3 == 0
                if draw.random() < (0.6 if is_good else 0.15) * (category == favorite(user)) + 0.02:
                    rows.append((f"user-{user:02d}", item_id, at + timedelta(minutes=1), 3.0))
    schema = {"user_id": pl.String, "item_id": pl.String, "occurred_at": pl.Datetime("us", "UTC"), "weight": pl.Float32}
    seen = pl.DataFrame(rows, schema=schema, orient="row")
    return Community(items, checked_interactions(seen.with_columns(masks=pl.lit(value=False))))


@pytest.fixture(scope="module")
def served(community: Community) -> tuple[ItemIndex, UserVectors]:
    return fit_on_all(
        kind=ItemKind.POST,
        model_version="post-test",
        config=CONFIG.reduced_to(Variant.RESPONSE),
        interactions=community.interactions,
        items=community.items,
        seed=0,
    )


def profile(vectors: UserVectors, user_id: str, **more: object) -> UserProfile:
    return UserProfile(vector=vectors.factors[vectors.user_ids.index(user_id)], **more)  # type: ignore[arg-type]


class TestFit:
    def test_good_items_and_favorite_categories_score_higher(self, community: Community) -> None:
        items = response_items(community.items, names=CATEGORIES)
        fitted = fit_responses(community.interactions, items=items)
        quality = fitted.quality
        other = quality.keys() - community.good
        assert np.mean([quality[one] for one in community.good]) > np.mean([quality[one] for one in other]) + 0.05
        favorites = [CATEGORIES[int(row[: len(CATEGORIES)].argmax())] for row in fitted.vectors]
        expected = [favorite(int(user_id[-2:])) for user_id in fitted.user_ids]
        assert np.mean([found == right for found, right in zip(favorites, expected, strict=True)]) > 0.9

    def test_acts_of_accounts_without_standing_move_no_quality(self, community: Community) -> None:
        items = response_items(community.items, names=CATEGORIES)
        known = community.interactions.with_columns(pl.lit(1.0, pl.Float32).alias(STANDING))
        liked = [(f"new-{number}", "post-004", START + timedelta(days=DAYS), 3.0, False, 0.0) for number in range(20)]
        attack = pl.concat([known, pl.DataFrame(liked, schema=known.schema, orient="row")])
        before, after = (fit_responses(frame, items=items) for frame in (known, attack))
        assert after.quality == pytest.approx(before.quality, abs=1e-6)

    def test_without_impressions_it_does_not_apply(self, community: Community) -> None:
        assert has_enough_impressions(community.interactions)
        assert not has_enough_impressions(community.interactions.filter(pl.col("weight") > 0))

    def test_impressions_that_an_act_always_follows_do_not_count(self, community: Community) -> None:
        seen = community.interactions
        acted = seen.join(seen.filter(pl.col("weight") > 0), on=["user_id", "item_id"], how="semi")
        repeated = pl.concat([acted] * 3)
        assert int((repeated["weight"] <= 0).sum()) >= 500
        assert not has_enough_impressions(repeated)

    def test_standing_without_an_act_leaves_everybody_counted(self, community: Community) -> None:
        is_visitor = (pl.col("user_id") == "user-00") & (pl.col("weight") == 0)
        seen = community.interactions.filter(is_visitor | (pl.col("user_id") > "user-00"))
        of_visitor = (pl.col("user_id") == "user-00").cast(pl.Float32).alias(STANDING)
        assert len(of_standing(seen.with_columns(of_visitor))) == len(seen)

    def test_no_impressions_at_all_give_an_empty_model(self, community: Community) -> None:
        items = response_items(community.items, names=CATEGORIES)
        fitted = fit_responses(community.interactions.clear(), items=items)
        assert (fitted.user_ids, fitted.quality) == ((), {})
        assert not fitted.quality_of(["post-000"]).any()


class TestOtherKinds:
    """Offers of three categories, which nobody bought yet, next to the posts of the community."""

    @pytest.fixture
    def offers(self, community: Community) -> Items:
        frame = checked_items(
            pl.DataFrame(
                {
                    "item_id": [f"offer-{category}" for category in CATEGORIES],
                    "text": ["", "", ""],
                    "category": list(CATEGORIES),
                }
            )
        )
        embeddings = np.zeros((len(CATEGORIES), 0), dtype=np.float32)
        return Items(frame, embeddings, others=OtherKinds((community.items,), community.interactions))

    def test_what_people_do_with_posts_tells_which_offers_they_like(self, community: Community, offers: Items) -> None:
        fitted = fit_all_kinds(community.interactions.clear(), items=offers)
        scores = response_items(offers, names=offers.category_names).category_part(fitted.vectors)
        liked = [CATEGORIES[int(place)] for place in scores.argmax(axis=1)]
        expected = [favorite(int(user_id[-2:])) for user_id in fitted.user_ids]
        assert np.mean([found == right for found, right in zip(liked, expected, strict=True)]) > 0.9

    def test_an_index_of_one_kind_is_served_with_vectors_of_all(self, community: Community, offers: Items) -> None:
        looked = [("user-00", "offer-books", START + timedelta(days=DAYS), weight, False) for weight in (0.0, 1.0)]
        acts = pl.DataFrame(looked, schema=community.interactions.schema, orient="row")
        config = CONFIG.reduced_to(Variant.RESPONSE)
        index, vectors = fit_on_all(
            kind=ItemKind.ITEM, model_version="m", config=config, interactions=acts, items=offers, seed=0
        )
        assert set(vectors.user_ids) == set(community.interactions["user_id"])
        assert vectors.factors.shape[1] == index.vector_width
        for user in range(3):
            scores = Predictor(index).scores(profile(vectors, f"user-{user:02d}"))
            assert index.categories[int(scores.argmax())] == favorite(user)

    def test_the_scale_of_acts_of_a_kind_does_not_count(self, community: Community) -> None:
        strong = community.interactions.with_columns(pl.col("weight") * 1_000)
        items = response_items(community.items, names=CATEGORIES)
        usual, scaled = (fit_responses(frame, items=items) for frame in (community.interactions, strong))
        assert np.abs(scaled.vectors).max() == pytest.approx(np.abs(usual.vectors).max(), rel=0.1)

    def test_vectors_are_arranged_by_the_categories_of_an_index(self, community: Community) -> None:
        fitted = fit_responses(community.interactions, items=response_items(community.items, names=CATEGORIES))
        arranged = fitted.vectors_by(("gardening", "kites", "books"))
        assert arranged[:, 0].tolist() == fitted.vectors[:, 2].tolist()
        assert not arranged[:, 1].any(), "a category that nobody has seen"
        assert arranged[:, 2:].tolist() == fitted.vectors[:, [0, 3]].tolist(), "the last is the bias"


class TestTextsOfConnectors:
    """Three posts in two connectors, about directions of a space of three dimensions."""

    def described(self) -> Items:
        own = np.eye(3, dtype=np.float32)
        frame = checked_items(
            pl.DataFrame({"item_id": ["a", "b", "c"], "text": ["", "", ""], "category": ["books", "books", ""]})
        )
        of_connectors = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], dtype=np.float32)
        return Items(frame, own, ConnectorTexts(of_connectors, np.array([0, 1, -1])))

    def test_the_text_of_an_item_has_both(self) -> None:
        items = response_items(self.described(), names=("books",))
        assert items.texts(np.arange(3)) == pytest.approx(np.array([[0.7, 0, 1.4], [0, 2.1, 0], [0, 0, 0.7]]))

    def test_scores_are_products_with_the_text(self) -> None:
        items = response_items(self.described(), names=("books",))
        vectors = np.array([[0.5, 1.0, 2.0, 3.0, 9.0]], dtype=np.float32)
        expected = items.texts(np.arange(3)) @ vectors[0, 1:-1]
        assert items.text_part(vectors)[0] == pytest.approx(expected)
        by_category, by_text = items.step_toward(1)
        assert by_category.tolist() == pytest.approx([by_category[0], by_category[0], 0.0])
        gain = by_text[1] / (items.texts(np.array([1]))[0] ** 2).sum()
        assert by_text == pytest.approx(gain * items.texts(np.arange(3)) @ items.texts(np.array([1]))[0])

    def test_a_connector_has_its_own_text_once(self) -> None:
        connectors = self.described()
        items = response_items(connectors.with_connectors(connectors), names=("books",))
        assert items.texts(np.arange(3)) == pytest.approx(1.4 * np.eye(3))

    def test_items_keep_their_connectors_in_another_order(self) -> None:
        items = response_items(self.described().aligned(["c", "b", "unknown"]), names=("books",))
        assert items.connectors.rows.tolist() == [-1, 1, -1]


class TestServing:
    def test_served_scores_are_those_of_the_fit(
        self, community: Community, served: tuple[ItemIndex, UserVectors]
    ) -> None:
        index, vectors = served
        predictor = Predictor(from_bytes(to_bytes(index)))
        items = response_items(community.items, names=CATEGORIES)
        fitted = fit_responses(community.interactions, items=items)
        own = fitted.vectors_of(["user-01"])
        expected = (items.category_part(own) + items.text_part(own))[0] + fitted.quality_of(items.item_ids)
        assert predictor.scores(profile(vectors, "user-01")) == pytest.approx(expected, abs=1e-5)

    def test_pages_have_good_items_of_the_favorite_category(
        self, community: Community, served: tuple[ItemIndex, UserVectors]
    ) -> None:
        index, vectors = served
        request = RankRequest(request_id="r", user_id="user-02", item_kind=ItemKind.POST, limit=5)
        answer = Predictor(index).rank(request, user=profile(vectors, "user-02"), at=START + timedelta(days=DAYS + 20))
        assert (answer.path, answer.reason_code) == (RankingPath.COLLABORATIVE, None)
        top = [item.item_id for item in answer.items[:3]]
        assert {CATEGORIES[int(item_id[-3:]) % 3] for item_id in top} == {favorite(2)}
        assert len({*top} & community.good) >= 2

    def test_an_act_of_the_last_hour_counts_for_its_category(self, served: tuple[ItemIndex, UserVectors]) -> None:
        index, vectors = served
        predictor = Predictor(index)
        before, after = (
            predictor.scores(profile(vectors, "user-02", recent_items=recent)) for recent in ((), ("post-000",))
        )
        gain: Mapping[str, float] = dict(zip(index.item_ids, (after - before).tolist(), strict=True))
        assert gain["post-000"] == pytest.approx(0.0), "an act says nothing about its own item"
        assert gain["post-003"] > 0.0
        assert gain["post-001"] == pytest.approx(0.0)

    def test_a_refresh_knows_new_items_and_new_people(
        self, community: Community, served: tuple[ItemIndex, UserVectors]
    ) -> None:
        index, _ = served
        one = community.items.frame.head(1).with_columns(item_id=pl.lit("post-new"), category=pl.lit("gardening"))
        unknown = community.items.frame.head(1).with_columns(item_id=pl.lit("post-odd"), category=pl.lit("kites"))
        frame = pl.concat([community.items.frame, one, unknown]).sort("item_id")
        at = START + timedelta(days=DAYS)
        acts = [("somebody", "post-002", at, 0.0, False), ("somebody", "post-002", at, 3.0, False)]
        seen = pl.concat(
            [community.interactions, pl.DataFrame(acts, schema=community.interactions.schema, orient="row")]
        )
        items = Items(frame, np.zeros((len(frame), 0), dtype=np.float32))
        fresh = refresh(index, items=items, interactions=seen)
        user_ids, vectors, content = response_vectors(fresh, interactions=seen, items=items)
        assert (len(content), vectors.shape[1]) == (len(user_ids), fresh.vector_width)
        scores = Predictor(fresh).scores(UserProfile(vector=vectors[user_ids.index("somebody")]))
        value = dict(zip(fresh.item_ids, scores.tolist(), strict=True))
        assert value["post-new"] > value["post-odd"], "what somebody liked is gardening, and kites are unknown"

    def test_an_index_keeps_the_texts_of_connectors(self, community: Community) -> None:
        directions = np.eye(POSTS, 4, dtype=np.float32)
        of_connectors = ConnectorTexts(np.eye(2, 4, dtype=np.float32), np.arange(POSTS) % 2)
        index, vectors = fit_on_all(
            kind=ItemKind.POST,
            model_version="post-test",
            config=CONFIG.reduced_to(Variant.RESPONSE),
            interactions=community.interactions,
            items=replace(community.items, embeddings=directions, connectors=of_connectors),
            seed=0,
        )
        read = from_bytes(to_bytes(index))
        assert read.response_items is not None
        assert read.response_items.connectors.rows.tolist() == (np.arange(POSTS) % 2).tolist()
        user = profile(vectors, "user-01")
        assert Predictor(read).scores(user).tolist() == Predictor(index).scores(user).tolist()
        left = open_items(replace(index, extra={**index.extra, CLOSED: ["post-000"]}))
        assert Predictor(left).scores(user) == pytest.approx(Predictor(index).scores(user)[1:])

    def test_closed_items_keep_the_rows_of_the_others(self, served: tuple[ItemIndex, UserVectors]) -> None:
        index, _ = served
        assert index.quality is not None
        left = open_items(replace(index, extra={**index.extra, CLOSED: ["post-000"]}))
        assert left.quality is not None
        assert left.quality.tolist() == index.quality[1:].tolist()


def test_seeing_posts_alone_is_no_reason_to_call_others_similar(served: tuple[ItemIndex, UserVectors]) -> None:
    directions = np.eye(2, dtype=np.float32)[np.arange(POSTS) % 2]
    predictor = Predictor(replace(served[0], embeddings=directions))
    passed_over_the_first = np.array([0, 0, 0, -1, 0, 0], dtype=np.float32)
    request = RankRequest(request_id="r", user_id="visitor", item_kind=ItemKind.POST, limit=10)

    def reasons(content: list[float]) -> set[ReasonCode]:
        user = UserProfile(vector=passed_over_the_first, content=np.array(content, dtype=np.float32))
        answer = predictor.rank(request, user=user, at=START + timedelta(days=DAYS + 20))
        return {reason.code for item in answer.items for reason in item.reasons}

    assert ReasonCode.SIMILAR_TO_READ in reasons([0.0, 1.0])
    assert ReasonCode.SIMILAR_TO_READ not in reasons([0.0, 0.0]), "who acted on nothing has read nothing"


class TestReplay:
    def test_it_prefers_the_model_that_knows_good_items(self, community: Community) -> None:
        configs = {name.value: CONFIG.reduced_to(name) for name in (Variant.AFFINITY, Variant.RESPONSE)}
        replayed = replay(community.interactions, configs=configs, items=community.items, kind=ItemKind.POST, seed=0)
        assert replayed is not None
        assert len(replayed.user_ids) == USERS
        assert replayed.mean_response("response") > replayed.mean_response("affinity") + 0.05

    def test_closed_items_are_on_no_page(self, community: Community) -> None:
        closed = community.items.frame.with_columns(pl.lit(START).cast(pl.Datetime("us", "UTC")).alias("closed_at"))
        configs = {"response": CONFIG.reduced_to(Variant.RESPONSE)}
        items = Items(closed, community.items.embeddings)
        assert replay(community.interactions, configs=configs, items=items, kind=ItemKind.POST, seed=0) is None

    def test_its_terms_have_the_mean_response_as_their_mean(self) -> None:
        responses, impressions = np.array([3.0, 0.0, 1.0]), np.array([4.0, 0.0, 1.0])
        counted = Replay(("ada", "ben", "cleo"), {"model": responses}, {"model": impressions})
        assert counted.mean_response("model") == pytest.approx(0.8)
        assert counted.measured("model")["replayed response"].mean() == pytest.approx(0.8)

    def test_pages_without_a_shown_item_are_worth_nothing(self) -> None:
        empty = Replay(("ada",), {"model": np.zeros(1)}, {"model": np.zeros(1)})
        assert empty.measured("model")["replayed response"].tolist() == [0.0]

    def test_too_few_people_are_no_replay(self, community: Community) -> None:
        few = community.interactions.filter(pl.col("user_id") < "user-10")
        configs = {"affinity": CONFIG.reduced_to(Variant.AFFINITY)}
        assert replay(few, configs=configs, items=community.items, kind=ItemKind.POST, seed=0) is None


def test_impressions_are_no_interactions_of_the_other_models(community: Community) -> None:
    acts = community.interactions.filter(pl.col("weight") > 0)
    matrix, of_acts = (InteractionMatrix.build(frame) for frame in (community.interactions, acts))
    assert (matrix.item_ids, matrix.user_ids) == (of_acts.item_ids, of_acts.user_ids)
    assert (matrix.weights != of_acts.weights).nnz == 0
