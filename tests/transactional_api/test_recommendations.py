"""Personal feeds: the model's order, what must not be in them, and what happens without a model."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from neighborconnect.circuit_breaker import BreakerOpenError, CircuitBreaker
from neighborconnect.contracts.events import PredictionEvent
from neighborconnect.contracts.serving import RankRequest
from neighborconnect.contracts.topics import PREDICTIONS_TOPIC
from neighborconnect.service_auth import bearer
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town, feed_id

CONTENT, CONNECTORS = "/recommendations/content", "/recommendations/connectors"


async def feed(person: Person, path: str = CONTENT, **body: Any) -> dict[str, Any]:
    answer = await person.post(path, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, Any], kind: str = "post") -> list[str]:
    return [item[kind]["id"] for item in answer["items"]]


def codes(item: dict[str, Any]) -> list[str]:
    """Return the codes of the reasons of an item, the strongest first."""
    return [reason["code"] for reason in item["reasons"]]


async def prediction_of(town: Town, answer: dict[str, Any]) -> PredictionEvent:
    [row] = await town.rows(
        "SELECT id, payload FROM cdc_outbox WHERE topic = :topic AND payload->>'request_id' = :id",
        topic=PREDICTIONS_TOPIC,
        id=answer["request_id"],
    )
    return PredictionEvent(event_id=row.id, **row.payload)


async def recommendation_counts(town: Town) -> Counter[str]:
    """Feeds of posts served so far, by path."""
    token = bearer(town.app.state.settings.platform_token)
    text = (await town.http.get("/metrics", headers=token)).text
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "api_recommendations_total" and sample.labels["item_kind"] == "post":
                counts[sample.labels["path"]] += int(sample.value)
    return counts


@pytest.fixture
async def posts(ada: Person) -> list[str]:
    connector = await ada.make_connector()
    return [(await ada.make_post(connector))["id"] for _ in range(4)]


async def test_the_models_order_is_kept_with_its_reasons(town: Town, ranker: Ranker, ben: Person) -> None:
    authors = [await town.create_user() for _ in range(4)]
    posts = [(await author.make_post(await author.make_connector()))["id"] for author in authors]
    ranker.rank(posts[2], posts[0], posts[3])
    answer = await feed(ben, limit=2)
    assert ids(answer) == [posts[2], posts[0]]
    assert (answer["path"], answer["reason_code"], answer["model_version"]) == ("collaborative", None, "7")
    assert answer["features_age_ms"] == 1_800
    assert codes(answer["items"][0]) == ["neighbors_like_you"]
    assert answer["items"][0]["score"] > answer["items"][1]["score"]


async def test_every_answer_is_logged_as_a_prediction(
    town: Town, ranker: Ranker, ben: Person, posts: list[str]
) -> None:
    ranker.rank(*posts)
    answer = await feed(ben, limit=3)
    event = await prediction_of(town, answer)
    assert [str(item_id) for item_id in event.item_ids] == ids(answer)
    assert event.scores == [item["score"] for item in answer["items"]]
    assert (event.user_id, event.path, event.model_version) == (ben.id, "collaborative", "7")
    assert event.features == {"likes_7d": 3}
    assert ranker.asked[0]["request_id"] == answer["request_id"]


async def test_own_hidden_private_deleted_and_shown_posts_stay_out(
    ranker: Ranker, ada: Person, ben: Person, posts: list[str]
) -> None:
    own = (await ben.make_post(await ben.make_connector()))["id"]
    private = (await ada.make_post(await ada.make_connector(is_public=False)))["id"]
    hide = {
        "kind": "hide",
        "item_kind": "post",
        "item_id": posts[0],
        "request_id": feed_id(ben),
        "occurred_at": "2026-03-01T00:00:00Z",
    }
    await ben.post("/interactions", {"interactions": [hide]})
    await ada.delete(f"/posts/{posts[1]}")
    ranker.rank(own, private, *posts, str(uuid4()))
    answer = await feed(ben, exclude=[posts[2]])
    assert ids(answer)[0] == posts[3]
    assert not {own, private, posts[0], posts[1], posts[2]} & set(ids(answer))
    assert set(ranker.asked[0]["exclude"]) == {own, posts[0], posts[2]}


async def test_joined_and_own_connectors_stay_out(ranker: Ranker, ada: Person, ben: Person) -> None:
    joined, free = await ada.make_connector(), await ada.make_connector()
    own = await ben.make_connector()
    await ben.post(f"/connectors/{joined['id']}/join")
    ranker.rank(own["id"], joined["id"], free["id"])
    answer = await feed(ben, CONNECTORS)
    assert ids(answer, "connector")[0] == free["id"]
    assert not {own["id"], joined["id"]} & set(ids(answer, "connector"))
    assert set(ranker.asked[0]["exclude"]) == {own["id"], joined["id"]}


async def test_posts_of_a_private_connector_reach_its_members(
    town: Town, ranker: Ranker, ada: Person, ben: Person
) -> None:
    connector = await ada.make_connector(is_public=False)
    post = await ada.make_post(connector)
    await town.add_member(ben, connector)
    ranker.rank(post["id"])
    assert ids(await feed(ben, limit=1)) == [post["id"]]


async def test_a_short_answer_is_backfilled_and_items_name_their_path(
    town: Town, ranker: Ranker, posts: list[str]
) -> None:
    place = uuid4().hex
    viewer, fan = await town.create_user(neighborhood=place), await town.create_user(neighborhood=place)
    other = await town.create_user()
    liked = (await other.make_post(await other.make_connector()))["id"]
    await fan.post(f"/posts/{liked}/like")
    ranker.rank(posts[0])
    answer = await feed(viewer, limit=2)
    assert [(item["post"]["id"], item["path"]) for item in answer["items"]] == [
        (posts[0], "collaborative"),
        (liked, "popular_nearby"),
    ]
    assert answer["items"][0]["score"] > answer["items"][1]["score"]
    assert (answer["path"], answer["reason_code"]) == ("collaborative", "not_enough_items")


async def test_without_a_model_what_the_neighbours_like_comes_first(town: Town) -> None:
    authors = [await town.create_user() for _ in range(3)]
    posts = [(await author.make_post(await author.make_connector()))["id"] for author in authors]
    near, city = uuid4().hex, uuid4().hex
    viewer = await town.create_user(neighborhood=near, city=city)
    neighbour = await town.create_user(neighborhood=near, city=city)
    citizens = [await town.create_user(neighborhood="far", city=city) for _ in range(2)]
    strangers = [await town.create_user() for _ in range(3)]
    for person, post in [
        (neighbour, posts[0]),
        *[(c, posts[1]) for c in citizens],
        *[(s, posts[2]) for s in strangers],
    ]:
        await person.post(f"/posts/{post}/like")
    answer = await feed(viewer, limit=2)
    assert ids(answer) == posts[:2]
    assert [codes(item)[0] for item in answer["items"]] == ["popular_in_your_neighborhood", "popular_in_your_city"]
    assert (answer["path"], answer["model_version"]) == ("popular_nearby", None)
    # The breaker is the session's: other tests may just have opened it.
    assert answer["reason_code"] in {"service_unavailable", "breaker_open"}
    assert (await prediction_of(town, answer)).path == "popular_nearby"


async def test_without_a_model_the_connectors_of_neighbours_come_first(town: Town, ada: Person) -> None:
    place = uuid4().hex
    viewer, neighbour = await town.create_user(neighborhood=place), await town.create_user(neighborhood=place)
    connector = await ada.make_connector()
    await neighbour.post(f"/connectors/{connector['id']}/join")
    answer = await feed(viewer, CONNECTORS, limit=1)
    assert ids(answer, "connector") == [connector["id"]]


async def test_the_model_is_asked_with_the_interests_of_now(town: Town, ranker: Ranker, posts: list[str]) -> None:
    viewer = await town.create_user(interests=["books", "photography"])
    await feed(viewer, limit=1)
    profile = {"first_name": "Ada", "last_name": "Okafor", "interests": ["music"]}
    assert (await viewer.put("/users/profile", profile)).status_code == 200
    await feed(viewer, CONNECTORS, limit=1)
    assert [asked["interests"] for asked in ranker.asked] == [["books", "photography"], ["music"]]


async def test_without_consent_no_interests_reach_the_model(town: Town, ranker: Ranker) -> None:
    viewer = await town.create_user(interests=["books"], personalised=False)
    await feed(viewer, limit=1)
    assert ranker.asked == []


@pytest.mark.parametrize("path", [CONTENT, CONNECTORS])
async def test_without_a_model_stated_interests_fill_most_of_the_page(town: Town, path: str) -> None:
    stated = [f"Shared {uuid4().hex}", f"books {uuid4().hex}"]
    for number in range(8):
        writer = await town.create_user()
        await writer.make_post(await writer.make_connector(category=stated[number % 2]))
        await writer.make_post(await writer.make_connector(category="other"))
    place = uuid4().hex
    newcomer = await town.create_user(neighborhood=place, interests=[word.upper() for word in stated], verified=False)
    indifferent = await town.create_user(neighborhood=place)

    page = (await feed(newcomer, path, limit=12))["items"]

    of_interest = [item for item in page if codes(item)[0] == "of_your_interests"]
    assert len(of_interest) >= 8
    if path == CONNECTORS:
        assert {item["connector"]["category"] for item in of_interest} == set(stated)
    # Stated interests of one person change nobody else's page.
    assert not [item for item in (await feed(indifferent, path))["items"] if codes(item)[0] == "of_your_interests"]


async def test_the_weaker_path_of_the_model_passes_its_reason_on(ranker: Ranker, ben: Person, posts: list[str]) -> None:
    ranker.rank(*posts)
    ranker.reason_code = "no_user_vector"
    assert (await feed(ben, limit=2))["reason_code"] == "no_user_vector"


async def test_a_late_answer_is_not_waited_for(town: Town, ranker: Ranker, posts: list[str]) -> None:
    # A place of their own: what is popular elsewhere is remembered for a minute, and these posts are new.
    place = uuid4().hex
    viewer, neighbour = await town.create_user(neighborhood=place), await town.create_user(neighborhood=place)
    for post in posts[:2]:
        await neighbour.post(f"/posts/{post}/like")
    ranker.seconds = 4.0
    answer = await feed(viewer, limit=2)
    assert (answer["reason_code"], answer["path"]) == ("deadline_exceeded", "popular_nearby")
    assert len(answer["items"]) == 2


async def test_repeated_failures_open_the_breaker(ranker: Ranker, ben: Person, posts: list[str]) -> None:
    ranker.status = 503
    reasons = [(await feed(ben, limit=1))["reason_code"] for _ in range(5)]
    assert reasons == ["service_unavailable"] * 3 + ["breaker_open"] * 2
    assert len(ranker.asked) == 3


@pytest.mark.parametrize("item", [{"item_id": "x"}, {"item_id": "x", "score": 1.0, "reasons": [{"share": 2}]}], ids=str)
async def test_an_answer_that_is_none_is_not_used(ranker: Ranker, ben: Person, item: dict[str, Any]) -> None:
    ranker.items = [item]
    assert (await feed(ben, limit=1))["reason_code"] == "invalid_answer"


async def test_the_request_is_one_of_the_contract(ranker: Ranker, ben: Person) -> None:
    await feed(ben, limit=100)
    asked = RankRequest.model_validate(ranker.asked[0])
    assert (UUID(asked.user_id), asked.item_kind, asked.limit) == (ben.id, "post", 100)


async def test_the_metrics_count_each_path(town: Town, ranker: Ranker, ben: Person, posts: list[str]) -> None:
    ranker.rank(*posts)
    before = await recommendation_counts(town)
    sources = [(await feed(ben, limit=1))["path"]]
    ranker.status = 500
    sources.append((await feed(ben, limit=1))["path"])
    assert sources == ["collaborative", "popular_nearby"]
    assert await recommendation_counts(town) - before == Counter(sources)
    assert (await town.http.get("/metrics")).status_code == 401


@pytest.mark.parametrize("body", [{"limit": 0}, {"limit": 101}, {"exclude": ["x"]}, {"exclude": [str(uuid4())] * 501}])
async def test_a_feed_request_that_cannot_be_is_refused(ben: Person, body: dict[str, Any]) -> None:
    assert (await ben.post(CONTENT, body)).status_code == 422


class Clock:
    """Time that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: CircuitBreaker) -> None:
    with pytest.raises(RuntimeError), breaker.call():
        raise RuntimeError


def test_a_breaker_rests_then_lets_one_call_try() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=2, open_seconds=5, clock=clock)
    fail(breaker)
    fail(breaker)
    with pytest.raises(BreakerOpenError), breaker.call():
        pass
    clock.now = 5.0
    with breaker.call(), pytest.raises(BreakerOpenError), breaker.call():
        pass
    with breaker.call():
        pass


def test_a_breaker_that_fails_its_try_rests_again() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=1, open_seconds=5, clock=clock)
    fail(breaker)
    clock.now = 5.0
    fail(breaker)
    clock.now = 9.0
    with pytest.raises(BreakerOpenError), breaker.call():
        pass
