"""From training to an answer, over MLflow, the object store, Feast and the bento itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pytest

from bentos.recommendation.user_reader import UNKNOWN_USER, UserReader
from feature_repo.online import OnlineReader
from feature_repo.schemas import VIEW_SCHEMAS, FeatureType
from feature_repo.store import build_store
from feature_repo.vendor_patches import FeatureStore, PushMode
from models.lifecycle import Action
from models.recommendation.described_items import KindData
from models.recommendation.item_qualities import ItemQualities
from models.recommendation.promotion import (
    promote,
    publish_item_index,
    refresh_all_vectors,
    refresh_item_index,
    refresh_vectors,
)
from models.recommendation.recommender_tracker import RecommenderTracker
from models.recommendation.serving_artifact import ItemIndexStore
from models.recommendation.train import PERSONAL, POPULARITY, TrainingResult, train
from models.registry import RegisteredVersion
from neighborconnect.contracts import features as names
from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.models import REGISTERED_MODEL
from neighborconnect.settings import Settings
from tests.bentos.reloading import reload_champion
from tests.models import sample_interactions

SERVED_SECONDS = 30
"""Time within which a rollback is served."""


def ask(
    bento: httpx.Client,
    *,
    user_id: str,
    kind: str = "post",
    limit: int = 10,
    exclude: tuple[str, ...] = (),
    interests: tuple[str, ...] = (),
    **more: Any,
) -> Any:
    body: dict[str, Any] = {"request_id": "r", "user_id": user_id, "item_kind": kind, "limit": limit}
    body |= {"exclude": list(exclude), "interests": list(interests)} | more
    return bento.post("/rank", json={"request": body})


def item_ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == httpx.codes.OK, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    return sample_interactions.make_items(160)


@pytest.fixture(scope="module")
def interactions(items: pl.DataFrame) -> pl.DataFrame:
    return sample_interactions.make_interactions(items, people=120, each=25, preference=10.0, theme_preference=10.0)


@pytest.fixture(scope="module")
def empty_answer(bento: httpx.Client) -> httpx.Response:
    """The response of the service before the first promotion."""
    answer: httpx.Response = ask(bento, user_id="user-0000")
    return answer


@pytest.fixture(scope="module")
def champion(  # noqa: PLR0917 (fixtures)
    settings: Settings,
    store: FeatureStore,
    bento: httpx.Client,
    empty_answer: httpx.Response,
    items: pl.DataFrame,
    interactions: pl.DataFrame,
) -> TrainingResult:
    result = train(settings, kind=ItemKind.POST, interactions=interactions, items=items, data_version="test@0")
    assert promote(settings, result, store=store), result.reasons
    reload_champion(bento)
    return result


def categories(items: pl.DataFrame, ids: list[str]) -> list[str]:
    known = dict(items.select("item_id", "category").iter_rows())
    return [known[item_id] for item_id in ids]


def test_without_a_champion_it_is_ready_and_reports_none(bento: httpx.Client, empty_answer: httpx.Response) -> None:
    assert bento.get("/readyz").is_success
    assert empty_answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


def test_a_known_neighbour_is_ranked_by_the_champion(
    bento: httpx.Client, champion: TrainingResult, items: pl.DataFrame
) -> None:
    answer = ask(bento, user_id="user-0000")

    assert answer.json()["path"] == "collaborative"
    assert answer.json()["model_version"] == champion.model_version
    # As many as re-ranking leaves one category of a page of ten.
    assert categories(items, item_ids(answer)).count("gardening") == 6
    assert all(item["reasons"] for item in answer.json()["items"])


def test_fields_of_a_newer_api_are_ignored(bento: httpx.Client, champion: TrainingResult) -> None:
    newer: dict[str, Any] = {"of_the_next_release": True, "hidden": {"categories": {}, "hosts": {"user-0001": 1.0}}}

    assert ask(bento, user_id="user-0000", **newer).is_success


def test_what_is_excluded_does_not_come_back(bento: httpx.Client, champion: TrainingResult) -> None:
    first = item_ids(ask(bento, user_id="user-0000"))

    second = item_ids(ask(bento, user_id="user-0000", exclude=(*first, "no-such-item")))

    assert not set(first) & set(second)
    assert len(second) == 10


def test_a_stranger_gets_what_is_popular_and_the_answer_says_why(bento: httpx.Client, champion: TrainingResult) -> None:
    answer = ask(bento, user_id="stranger").json()

    assert (answer["path"], answer["reason_code"]) == ("popular", "no_user_vector")


def test_a_stranger_with_stated_interests_gets_those_first(
    bento: httpx.Client, champion: TrainingResult, items: pl.DataFrame
) -> None:
    answer = ask(bento, user_id="stranger", interests=("Music", "cooking"), limit=20)

    shown = categories(items, item_ids(answer))
    assert set(shown) == {"music", "cooking"}
    assert answer.json()["path"] == "content"
    assert answer.json()["features"]["stated_interests"] == ["Music", "cooking"]


def test_a_newcomers_last_hour_decides_what_comes_next(
    bento: httpx.Client, champion: TrainingResult, store: FeatureStore, items: pl.DataFrame
) -> None:
    liked = items.filter(pl.col("category") == "music")["item_id"][:2].to_list()
    empty: dict[FeatureType, Any] = {FeatureType.INT64: 0, FeatureType.FLOAT32: 0.0, FeatureType.STRING_LIST: []}
    row = {name: [empty[kind]] for name, kind in VIEW_SCHEMAS[names.USER_RECENT_ACTIVITY].features.items()}
    row |= {"user_id": ["newcomer"], "event_timestamp": [datetime.now(UTC)], "recent_post_ids": [liked]}
    store.push(names.RECENT_ACTIVITY_PUSH, pd.DataFrame(row), to=PushMode.ONLINE)

    answer = ask(bento, user_id="newcomer", exclude=tuple(liked))

    assert answer.json()["path"] == "content"
    assert categories(items, item_ids(answer)).count("music") == 6
    assert 0 <= answer.json()["features_age_ms"] < 600_000
    assert ask(bento, user_id="stranger").json()["features_age_ms"] is None


def test_new_posts_and_new_users_are_served_without_training(  # noqa: PLR0917 (fixtures)
    settings: Settings,
    bento: httpx.Client,
    champion: TrainingResult,
    store: FeatureStore,
    items: pl.DataFrame,
    interactions: pl.DataFrame,
) -> None:
    text = items.filter(pl.col("category") == "gardening")["text"][0]
    new = pl.DataFrame({"item_id": ["brand-new"], "category": ["gardening"], "text": [text]})
    later = interactions.filter(pl.col("user_id") == "user-0000").with_columns(pl.lit("moved-in").alias("user_id"))

    assert refresh_item_index(settings, kind=ItemKind.POST, items=pl.concat([items, new]), interactions=interactions)
    pushed = refresh_vectors(
        settings, kind=ItemKind.POST, interactions=later, items=items, store=store, at=datetime.now(UTC)
    )
    assert pushed == 1
    reload_champion(bento)
    answer = ask(bento, user_id="moved-in", limit=100)

    assert answer.json()["path"] == "collaborative"
    assert answer.json()["model_version"] == champion.model_version
    # About a quarter of the items are about gardening: the new one stands among the first half of all.
    assert "brand-new" in item_ids(answer)[:80]


def test_an_earlier_version_is_served_again_with_current_items(  # noqa: PLR0917 (fixtures)
    settings: Settings,
    bento: httpx.Client,
    champion: TrainingResult,
    store: FeatureStore,
    items: pl.DataFrame,
    interactions: pl.DataFrame,
) -> None:
    later = train(settings, kind=ItemKind.POST, interactions=interactions, items=items, data_version="test@1", seed=1)
    publish_item_index(settings, later)
    RecommenderTracker(settings, kind=ItemKind.POST).promote(later.registry_version)
    reload_champion(bento)
    assert ask(bento, user_id="user-0000").json()["model_version"] == later.model_version
    earlier = RegisteredVersion(
        REGISTERED_MODEL[ItemKind.POST], registry_version=champion.registry_version, run_id=champion.run_id
    )
    added = pl.DataFrame({"item_id": ["added-later"], "category": ["gardening"], "text": [items["text"][0]]})

    assert refresh_item_index(
        settings,
        kind=ItemKind.POST,
        items=pl.concat([items, added]),
        interactions=interactions,
        version=earlier,
    )
    pushed = refresh_vectors(
        settings,
        kind=ItemKind.POST,
        interactions=interactions,
        items=items,
        store=store,
        at=datetime.now(UTC),
        version=earlier,
    )
    RecommenderTracker(settings, kind=ItemKind.POST).promote(earlier.registry_version, action=Action.ROLLBACK)
    # Nobody asks the service to reload: it follows the alias on its own.
    deadline = time.monotonic() + SERVED_SECONDS
    while (answer := ask(bento, user_id="user-0000", limit=100).json())["model_version"] != champion.model_version:
        assert time.monotonic() < deadline, "the rollback is not served"
        time.sleep(0.2)

    assert pushed == interactions["user_id"].n_unique()
    assert (answer["path"], answer["model_version"]) == ("collaborative", champion.model_version)
    assert bento.post("/reload", json={}).json()["post"]["items"] == len(items) + 1


def test_a_model_that_learnt_nothing_gives_way_to_popularity(
    settings: Settings, bento: httpx.Client, store: FeatureStore, items: pl.DataFrame
) -> None:
    indifferent = sample_interactions.make_interactions(items, people=60, each=10, preference=1.0)

    result = train(settings, kind=ItemKind.CONNECTOR, interactions=indifferent, items=items)
    assert promote(settings, result, store=store)
    reload_champion(bento)
    answer = ask(bento, user_id="user-0000", kind="connector").json()

    assert result.served == POPULARITY
    assert (answer["path"], answer["reason_code"]) == ("popular", "popularity_champion")


def test_only_open_events_are_served_and_no_kind_has_to_be(
    settings: Settings, bento: httpx.Client, store: FeatureStore, items: pl.DataFrame, interactions: pl.DataFrame
) -> None:
    assert ask(bento, user_id="user-0000", kind="item").status_code == httpx.codes.SERVICE_UNAVAILABLE
    begun = pl.col("item_id") < "item-0080"
    times = {"closed_at": pl.when(begun).then(sample_interactions.END), "is_open": ~begun}
    events = items.with_columns(**times)

    result = train(settings, kind=ItemKind.EVENT, interactions=interactions, items=events)
    assert promote(settings, result, store=store), result.reasons
    reload_champion(bento)
    answer = ask(bento, user_id="user-0000", kind="event", interests=("gardening",), limit=20)

    assert result.model_version.startswith("event-")
    assert result.served == PERSONAL, result.reasons
    assert all(item_id >= "item-0080" for item_id in item_ids(answer))
    # More than by chance: a quarter of the items are about gardening.
    assert categories(items, item_ids(answer)).count("gardening") > 5
    # All events may be over; the service then responds without items.
    assert refresh_item_index(settings, kind=ItemKind.EVENT, items=events.clear(), interactions=interactions)
    reload_champion(bento)
    assert item_ids(ask(bento, user_id="user-0000", kind="event")) == []


def test_one_fit_serves_the_vectors_and_qualities_of_all_kinds(
    settings: Settings,
    bento: httpx.Client,
    champion: TrainingResult,
    store: FeatureStore,
    items: pl.DataFrame,
) -> None:
    interactions = sample_interactions.make_interactions(items, people=120, each=25, preference=30.0)
    chosen = interactions.select("user_id", "item_id").unique()
    people = chosen.select("user_id").unique()
    seen = people.join(items.select("item_id"), how="cross").join(chosen, on=["user_id", "item_id"], how="anti")
    ignored = seen.with_columns(
        occurred_at=pl.lit(sample_interactions.END).cast(interactions.schema["occurred_at"])
        - pl.duration(hours=pl.int_range(pl.len()) % 600),
        weight=pl.lit(0.0, interactions.schema["weight"]),
    )
    of_posts = KindData(pl.concat([interactions, ignored], how="diagonal"), items)
    renamed = pl.concat_str(pl.lit("event-"), "item_id").alias("item_id")
    # Users from 0060 on did nothing with events: their tastes are known from posts.
    guests = of_posts.interactions.lazy().filter(pl.col("user_id") < "user-0060").with_columns(renamed)
    of_events = KindData(guests, items.with_columns(renamed))
    result = train(
        settings,
        kind=ItemKind.EVENT,
        interactions=of_events.interactions,
        items=of_events.items,
        others={ItemKind.POST: of_posts},
    )
    assert promote(settings, result, store=store), result.reasons

    data = {ItemKind.POST: of_posts, ItemKind.EVENT: of_events}
    pushed = refresh_all_vectors(settings, data=data, store=store, at=datetime.now(UTC))

    assert pushed == {ItemKind.POST: len(people), ItemKind.EVENT: len(people)}
    published = ItemQualities(settings).read_newest(since=sample_interactions.END)
    assert published is not None
    assert len(published.quality) == 2 * len(items), "of all kinds, though posts have a champion with factors"
    assert refresh_item_index(settings, kind=ItemKind.EVENT, items=of_events.items, interactions=of_events.interactions)
    index = ItemIndexStore(settings).read_newest(ItemKind.EVENT, model_version=result.model_version)
    assert index is not None
    assert index.quality is not None
    assert index.quality == pytest.approx(published.quality_of(index.item_ids))
    reload_champion(bento)
    for user_id in ("user-0000", "user-0100"):
        answer = ask(bento, user_id=user_id, kind="event")
        assert (answer.json()["path"], answer.json()["model_version"]) == ("collaborative", result.model_version)
        assert categories(items.with_columns(renamed), item_ids(answer)).count("gardening") > 5, "by their posts"


def test_without_any_act_popularity_is_the_champion(
    settings: Settings, bento: httpx.Client, store: FeatureStore, interactions: pl.DataFrame
) -> None:
    result = train(
        settings, kind=ItemKind.ITEM, interactions=interactions.clear(), items=sample_interactions.make_items(0)
    )
    assert promote(settings, result, store=store)
    reload_champion(bento)
    answer = ask(bento, user_id="user-0000", kind="item").json()

    assert (answer["items"], answer["path"], answer["reason_code"]) == ([], "popular", "popularity_champion")


async def test_an_unreachable_feature_store_costs_only_personalization(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"feast_redis_url": "redis://127.0.0.1:9/1"})
    users = UserReader(OnlineReader(build_store(nowhere)))

    profile = await users.read("user-0000", kind=ItemKind.POST, model_version="any")

    assert profile is UNKNOWN_USER
    users.close()
