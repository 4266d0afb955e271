"""Feeds of events and marketplace items: the model's order, what must not be in them, and the rules without a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from models.recommendation.masks import mask_users
from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.policy import ranking_policy
from pipelines.transforms.activity import activity_events
from tests.pipelines.transforms.lake_rows import change, lake_tables
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_recommendations import codes, feed, ids, prediction_of
from transactional_api.core.compiled_queries import VIEWER_PLACEHOLDER
from transactional_api.intelligence.recommendations.masking import mask_among

LATER = timedelta(days=40)
POINT = {"latitude": 40.6501, "longitude": -73.9496}
FAR = {"latitude": 40.9501, "longitude": -73.9496}


@dataclass(frozen=True)
class Kind:
    """One kind of item, as the API names it."""

    kind: ItemKind
    path: str
    create: str
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        return self.kind.value

    async def make(self, author: Person, connector: dict[str, Any] | None = None, **fields: Any) -> str:
        """Publish one; in a connector and category of its own by default, because a short page has caps for both."""
        place = connector or await author.make_connector(category=uuid4().hex)
        body = {"title": "Hat", "connector_id": place["id"]} | self.fields | fields
        answer = await author.post(self.create, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


EVENT = Kind(
    ItemKind.EVENT,
    "/recommendations/events",
    "/events",
    {"start_date": (datetime.now(UTC) + LATER).isoformat()},
)
ITEM = Kind(ItemKind.ITEM, "/recommendations/marketplace", "/marketplace/items", {"price": "5.00", "category": "hats"})
both = pytest.mark.parametrize("of", [EVENT, ITEM], ids=["events", "items"])


async def make(town: Town, of: Kind, *, count: int, **fields: Any) -> list[str]:
    """Publish items of as many people."""
    return [await of.make(await town.create_user(), **fields) for _ in range(count)]


@both
async def test_the_models_order_is_served_and_logged(town: Town, ranker: Ranker, ben: Person, of: Kind) -> None:
    first, second, third = await make(town, of, count=3)
    ranker.rank(third, first, second)

    answer = await feed(ben, of.path, limit=3)

    assert ids(answer, of.name) == [third, first, second]
    assert (answer["path"], answer["reason_code"], answer["model_version"]) == ("collaborative", None, "7")
    assert {item["path"] for item in answer["items"]} == {"collaborative"}
    assert codes(answer["items"][0]) == ["neighbors_like_you"]
    assert ranker.asked[0]["item_kind"] == of.name
    event = await prediction_of(town, answer)
    assert (event.item_kind, event.path, event.model_version) == (of.kind, "collaborative", "7")
    assert [str(item_id) for item_id in event.item_ids] == [third, first, second]


@both
async def test_without_a_champion_the_rules_rank_and_say_so(town: Town, ranker: Ranker, of: Kind) -> None:
    category = uuid4().hex
    viewer = await town.create_user(interests=[category])
    host = await town.create_user()
    wanted = await of.make(host, await host.make_connector(category=category))
    await make(town, of, count=2)
    ranker.status = 503

    answer = await feed(viewer, of.path, limit=2)

    assert ids(answer, of.name)[0] == wanted
    assert codes(answer["items"][0])[0] == "of_your_interests"
    assert (answer["path"], answer["reason_code"]) == ("popular_nearby", "service_unavailable")
    assert answer["model_version"] is None


@both
async def test_rules_rank_where_the_model_knows_popularity_only(town: Town, ranker: Ranker, of: Kind) -> None:
    viewer = await town.create_user()
    host = await town.create_user()
    connector = await host.make_connector()
    await town.add_member(viewer, connector)
    own, [popular] = await of.make(host, connector), await make(town, of, count=1)
    ranker.rank(popular)
    ranker.path, ranker.reason_code = "popular", "popularity_champion"

    answer = await feed(viewer, of.path, limit=1)

    assert ids(answer, of.name) == [own]
    assert (answer["path"], answer["reason_code"]) == ("popular_nearby", "popularity_champion")
    assert (answer["model_version"], codes(answer["items"][0])[0]) == (None, "in_your_connectors")


@both
async def test_a_kind_without_a_champion_does_not_stop_posts(
    town: Town, ranker: Ranker, ada: Person, ben: Person, of: Kind
) -> None:
    post = (await ada.make_post(await ada.make_connector()))["id"]
    ranker.status = 503
    for _ in range(6):
        await feed(ben, of.path, limit=1)
    ranker.rank(post)

    answer = await feed(ben, limit=1)

    assert (ids(answer), answer["path"]) == ([post], "collaborative")


async def test_without_consent_nobody_is_ranked_by_the_model(town: Town, ranker: Ranker, ben: Person) -> None:
    await ben.put("/privacy/consents/personalization", {"granted": False})

    answer = await feed(ben, EVENT.path)

    assert (answer["path"], answer["reason_code"], ranker.asked) == ("popular_nearby", "no_consent", [])


async def test_closed_answered_and_own_events_are_not_served(
    town: Town, ranker: Ranker, ada: Person, ben: Person
) -> None:
    free = await EVENT.make(ada)
    full, canceled, attended, declined = await make(town, EVENT, count=4, max_attendees=1)
    private = await EVENT.make(ada, await ada.make_connector(is_public=False))
    over, own = await EVENT.make(ada), await EVENT.make(ben)
    await town.write(
        "UPDATE events SET start_date = now() - interval '3 days', end_date = now() - interval '2 days' WHERE id = :id",
        id=UUID(over),
    )
    await town.write("UPDATE events SET is_active = false WHERE id = :id", id=UUID(canceled))
    await (await town.create_user()).post(f"/events/{full}/rsvp", {"status": "attending"})
    await ben.post(f"/events/{attended}/rsvp", {"status": "attending"})
    await ben.post(f"/events/{declined}/rsvp", {"status": "declined"})
    ranker.rank(full, canceled, attended, declined, private, over, own, free)

    answer = await feed(ben, EVENT.path, limit=50)

    assert ids(answer, "event")[0] == free
    assert not {full, canceled, attended, declined, private, over, own} & set(ids(answer, "event"))
    assert set(ranker.asked[0]["exclude"]) == {attended, declined, own}


async def test_sold_bought_and_own_items_are_not_served(town: Town, ranker: Ranker, ada: Person, ben: Person) -> None:
    sold, bought, withdrawn, free = [await ITEM.make(ada) for _ in range(4)]
    own = await ITEM.make(ben)
    await (await town.create_user()).post(f"/marketplace/items/{sold}/buy")
    assert (await ben.post(f"/marketplace/items/{bought}/buy")).is_success
    await ada.delete(f"/marketplace/items/{withdrawn}")
    ranker.rank(sold, bought, withdrawn, own, free)

    answer = await feed(ben, ITEM.path, limit=50)

    assert ids(answer, "item")[0] == free
    assert not {sold, bought, withdrawn, own} & set(ids(answer, "item"))
    assert set(ranker.asked[0]["exclude"]) == {bought, own}


@both
async def test_muted_and_blocked_people_are_not_recommended(town: Town, ranker: Ranker, ben: Person, of: Kind) -> None:
    muted, blocked, other = [await town.create_user() for _ in range(3)]
    made = [await of.make(author) for author in (muted, blocked, other)]
    await ben.post(f"/users/{muted.id}/mute")
    await town.block(ben, blocked)
    ranker.rank(*made)

    served = ids(await feed(ben, of.path, limit=50), of.name)

    assert served[0] == made[2]
    assert not set(made[:2]) & set(served)


@both
async def test_a_followed_host_or_seller_comes_before_the_next(
    town: Town, ranker: Ranker, ben: Person, of: Kind
) -> None:
    followed, other = await town.create_user(), await town.create_user()
    second, first = await of.make(followed), await of.make(other)
    ranker.rank(first, second)
    assert ids(await feed(ben, of.path, limit=2), of.name) == [first, second]

    await ben.post(f"/users/{followed.id}/follow")

    assert ids(await feed(ben, of.path, limit=2), of.name) == [second, first]


@both
async def test_what_is_near_the_home_comes_before_the_next(town: Town, ranker: Ranker, ben: Person, of: Kind) -> None:
    far, near = [await of.make(await town.create_user(), point=point) for point in (FAR, POINT)]
    ranker.rank(far, near)
    assert ids(await feed(ben, of.path, limit=2), of.name) == [far, near]

    assert (await ben.put("/users/profile/home", POINT)).is_success

    assert ids(await feed(ben, of.path, limit=2), of.name) == [near, far]


async def test_an_event_of_the_next_days_comes_before_a_later_one(town: Town, ranker: Ranker, ben: Person) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later, soon = [
        await EVENT.make(await town.create_user(), start_date=at) for at in (EVENT.fields["start_date"], tomorrow)
    ]
    ranker.rank(later, soon)

    assert ids(await feed(ben, EVENT.path, limit=2), "event") == [soon, later]


def test_a_prior_is_at_most_one_and_grows_with_what_holds() -> None:
    priors = ranking_policy().priors
    nothing = priors.factor(starts_in_days=None, distance_km=None, is_followed=False)
    near = priors.factor(starts_in_days=None, distance_km=priors.near_km, is_followed=False)
    all_of_them = priors.factor(starts_in_days=0.0, distance_km=0.0, is_followed=True)

    assert 0 < nothing < near < all_of_them == pytest.approx(1.0)


@both
async def test_what_the_index_lacks_is_offered_beside_a_full_answer(
    town: Town, ranker: Ranker, ben: Person, of: Kind
) -> None:
    known = await make(town, of, count=2)
    connector = await (await town.create_user()).make_connector()
    await town.add_member(ben, connector)
    author = await town.create_user()
    await town.add_member(author, connector)
    new = await of.make(author, connector)
    ranker.rank(*known)
    # The model is not sure of the last one.
    ranker.items[1] |= {"score": 0.1, "relevance": 0.1}

    assert ids(await feed(ben, of.path, limit=2), of.name) == [known[0], new]


async def test_the_masks_of_serving_are_those_of_evaluation(town: Town, ada: Person, ben: Person) -> None:
    attended, waited, declined, plain = await make(town, EVENT, count=4)
    hosted, sells = await EVENT.make(ben), await ITEM.make(ben)
    bought, looked_at = await make(town, ITEM, count=2)
    for event, status in ((attended, "attending"), (waited, "maybe"), (declined, "declined")):
        assert (await ben.post(f"/events/{event}/rsvp", {"status": status})).is_success
    assert (await ben.post(f"/marketplace/items/{bought}/buy")).is_success
    await ben.post(f"/marketplace/items/{looked_at}/view")

    expected = {
        ItemKind.EVENT: {attended: "answered", waited: "answered"},
        ItemKind.ITEM: {bought: "bought"},
    }
    online_only = {ItemKind.EVENT: {hosted: "own", declined: "declined"}, ItemKind.ITEM: {sells: "own"}}
    every = {
        ItemKind.EVENT: (attended, waited, declined, plain, hosted),
        ItemKind.ITEM: (bought, looked_at, sells),
    }
    acts = await lake_of(town, ben)
    for kind, excluded in expected.items():
        async with town.app.state.psycopg_pool.autocommit() as session:
            viewer = replace(VIEWER_PLACEHOLDER, id=ben.id)
            online = await mask_among(session, viewer=viewer, item_kind=kind, ids=[UUID(one) for one in every[kind]])
        offline = mask_users(acts, kind=kind, at=datetime.now(UTC))[str(ben.id)]
        assert offline.excluded == excluded
        assert {str(one): reason for one, reason in online.excluded.items()} == excluded | online_only[kind]


async def lake_of(town: Town, person: Person) -> Any:
    """Return the acts of a person with events and items, as the lake has them."""
    columns = {
        "events": "created_by",
        "event_attendees": "user_id",
        "marketplace_items": "seller_id",
        "marketplace_purchases": "buyer_id",
        "marketplace_item_views": "user_id",
    }
    tables = {}
    for table, column in columns.items():
        rows = await town.rows(f"SELECT * FROM {table} WHERE {column} = :id", id=person.id)
        tables[table] = [change(table, **{name: _plain(value) for name, value in row._mapping.items()}) for row in rows]
    return activity_events(**lake_tables(**tables))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else None if isinstance(value, list) else value
