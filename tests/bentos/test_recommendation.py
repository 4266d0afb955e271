"""From training to an answer, over MLflow, the object store, Feast and the bento itself."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pytest

from bentos.recommendation.people import UNKNOWN, PeopleReader
from feature_repo.feast_import import FeatureStore, PushMode
from feature_repo.online import OnlineReader
from feature_repo.schemas import VIEW_SCHEMAS, FeatureType
from feature_repo.store import build_store
from models.recommendation.release import refresh_snapshot, refresh_vectors, release
from models.recommendation.train import POPULARITY, TrainingResult, train
from neighborconnect.contracts import features as names
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings

_found = importlib.util.spec_from_file_location("worlds", Path(__file__).parents[1] / "models" / "worlds.py")
assert _found is not None
assert _found.loader is not None
worlds = importlib.util.module_from_spec(_found)
_found.loader.exec_module(worlds)


def ask(
    bento: httpx.Client, *, user_id: str, kind: str = "post", limit: int = 10, exclude: tuple[str, ...] = ()
) -> Any:
    body = {"request_id": "r", "user_id": user_id, "item_kind": kind, "limit": limit, "exclude": list(exclude)}
    return bento.post("/rank", json={"request": body})


def item_ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == httpx.codes.OK, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    return worlds.make_items(160)


@pytest.fixture(scope="module")
def interactions(items: pl.DataFrame) -> pl.DataFrame:
    return worlds.make_interactions(items, people=120, each=25, preference=10.0)


@pytest.fixture(scope="module")
def empty_answer(bento: httpx.Client) -> httpx.Response:
    """What the bento said before anything was released."""
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
    assert release(settings, result, store=store), result.reasons
    bento.post("/reload", json={}).raise_for_status()
    return result


def categories(items: pl.DataFrame, ids: list[str]) -> list[str]:
    known = dict(items.select("item_id", "category").iter_rows())
    return [known[item_id] for item_id in ids]


def test_without_a_champion_it_is_ready_and_says_that_it_has_none(
    bento: httpx.Client, empty_answer: httpx.Response
) -> None:
    assert bento.get("/readyz").is_success
    assert empty_answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


def test_a_known_neighbour_is_ranked_by_the_champion(
    bento: httpx.Client, champion: TrainingResult, items: pl.DataFrame
) -> None:
    answer = ask(bento, user_id="user-0000")

    assert answer.json()["path"] == "collaborative"
    assert answer.json()["model_version"] == champion.model_version
    assert categories(items, item_ids(answer)).count("gardening") >= 8
    assert all(item["reason"] for item in answer.json()["items"])


def test_what_is_excluded_does_not_come_back(bento: httpx.Client, champion: TrainingResult) -> None:
    first = item_ids(ask(bento, user_id="user-0000"))

    second = item_ids(ask(bento, user_id="user-0000", exclude=(*first, "no-such-item")))

    assert not set(first) & set(second)
    assert len(second) == 10


def test_a_stranger_gets_what_is_popular_and_the_answer_says_why(bento: httpx.Client, champion: TrainingResult) -> None:
    answer = ask(bento, user_id="stranger").json()

    assert (answer["path"], answer["reason_code"]) == ("popular", "no_user_vector")


def test_a_newcomers_last_hour_decides_what_comes_next(
    bento: httpx.Client, champion: TrainingResult, store: FeatureStore, items: pl.DataFrame
) -> None:
    liked = items.filter(pl.col("category") == "music")["item_id"][:2].to_list()
    empty: dict[FeatureType, Any] = {FeatureType.INT64: 0, FeatureType.STRING_LIST: []}
    row = {name: [empty[kind]] for name, kind in VIEW_SCHEMAS[names.USER_RECENT_ACTIVITY].features.items()}
    row |= {"user_id": ["newcomer"], "event_timestamp": [datetime.now(UTC)], "recent_post_ids": [liked]}
    store.push(names.RECENT_ACTIVITY_PUSH, pd.DataFrame(row), to=PushMode.ONLINE)

    answer = ask(bento, user_id="newcomer", exclude=tuple(liked))

    assert answer.json()["path"] == "content"
    assert categories(items, item_ids(answer)).count("music") >= 8


def test_a_new_post_and_a_new_neighbour_are_served_without_training(  # noqa: PLR0917 (fixtures)
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

    assert refresh_snapshot(settings, kind=ItemKind.POST, items=pl.concat([items, new]), interactions=interactions)
    assert refresh_vectors(settings, kind=ItemKind.POST, interactions=later, store=store) == 1
    bento.post("/reload", json={}).raise_for_status()
    answer = ask(bento, user_id="moved-in", limit=100)

    assert answer.json()["path"] == "collaborative"
    assert answer.json()["model_version"] == champion.model_version
    # About a quarter of the items are about gardening: the new one stands among the first half of all.
    assert "brand-new" in item_ids(answer)[:80]


def test_a_model_that_learnt_nothing_gives_way_to_popularity(
    settings: Settings, bento: httpx.Client, store: FeatureStore, items: pl.DataFrame
) -> None:
    indifferent = worlds.make_interactions(items, people=60, each=10, preference=1.0)

    result = train(settings, kind=ItemKind.CONNECTOR, interactions=indifferent, items=items)
    assert release(settings, result, store=store)
    bento.post("/reload", json={}).raise_for_status()
    answer = ask(bento, user_id="user-0000", kind="connector").json()

    assert result.served == POPULARITY
    assert (answer["path"], answer["reason_code"]) == ("popular", "popularity_champion")


async def test_an_unreachable_feature_store_costs_personality_and_not_the_answer(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"feast_redis_url": "redis://127.0.0.1:9/1"})
    people = PeopleReader(OnlineReader(build_store(nowhere)))

    profile = await people.read("user-0000", kind=ItemKind.POST, model_version="any")

    assert profile is UNKNOWN
    people.close()
