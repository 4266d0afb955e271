"""People whose address nobody confirmed move no ranking, rating or reputation: anybody can open many accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_events import hold
from tests.transactional_api.test_marketplace import offer
from tests.transactional_api.test_recommendations import CONNECTORS, feed, ids
from tests.transactional_api.test_reputation import count
from tests.transactional_api.test_reviews import review

MANY = 12


async def crowd(town: Town, number: int = MANY, **columns: Any) -> list[Person]:
    """Return people with new accounts."""
    return [await town.create_user(verified=False, **columns) for _ in range(number)]


async def test_their_likes_make_no_post_popular(town: Town, ada: Person) -> None:
    place = {"neighborhood": uuid4().hex, "city": uuid4().hex}
    connector = await ada.make_connector()
    liked, pushed = [(await ada.make_post(connector))["id"] for _ in range(2)]
    viewer, fan = await town.create_user(**place), await town.create_user(**place)
    assert (await fan.post(f"/posts/{liked}/like")).status_code < 300
    for person in await crowd(town, **place):
        assert (await person.post(f"/posts/{pushed}/like")).status_code < 300
    answer = await feed(viewer)
    assert ids(answer)[0] == liked
    reasons = {item["post"]["id"]: item["reasons"][0]["code"] for item in answer["items"]}
    assert reasons.get(pushed) in {None, "new"}


async def test_their_memberships_make_no_connector_popular(town: Town, ada: Person) -> None:
    place = {"neighborhood": uuid4().hex, "city": uuid4().hex}
    joined, pushed = [(await ada.make_connector())["id"] for _ in range(2)]
    viewer, fan = await town.create_user(**place), await town.create_user(**place)
    await fan.post(f"/connectors/{joined}/join")
    for person in await crowd(town, **place):
        await person.post(f"/connectors/{pushed}/join")
    answer = await feed(viewer, CONNECTORS)
    assert ids(answer, "connector")[0] == joined
    reasons = {item["connector"]["id"]: item["reasons"][0]["code"] for item in answer["items"]}
    assert reasons.get(pushed) in {None, "popular", "large"}, "its founder alone counts, who lives elsewhere"


async def test_their_answers_lift_no_event(town: Town, ada: Person, ben: Person) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = [await hold(ada, start_date=soon) for _ in range(2)]
    for person in await crowd(town):
        answer = await person.post(f"/events/{made[1]['id']}/rsvp", {"status": "attending", "guest_count": 3})
        assert answer.status_code == 200, answer.text
    confirmed = await town.create_user()
    await confirmed.post(f"/events/{made[0]['id']}/rsvp", {"status": "attending"})
    again = await feed(ben, "/recommendations/events", limit=50)
    order = [one for one in ids(again, "event") if one in {event["id"] for event in made}]
    assert order[0] == made[0]["id"]


async def test_their_views_of_an_item_do_not_count(town: Town, ada: Person, ben: Person) -> None:
    item = await offer(ada, await ada.make_connector())
    for person in [*await crowd(town, 3), ben]:
        await person.post(f"/marketplace/items/{item['id']}/view")
    assert (await ada.get(f"/marketplace/items/{item['id']}")).json()["view_count"] == 1


async def test_their_reviews_do_not_count_in_ratings(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    await review(ben, garden, rating=2)
    for person in await crowd(town, 3):
        await person.post(f"/connectors/{garden['id']}/join")
        await review(person, garden, rating=5)
    analytics = (await ada.get(f"/reviews/analytics/{garden['id']}")).json()
    assert (analytics["review_count"], analytics["mean_rating"]) == (1, 2.0)


async def test_their_likes_bring_no_reputation(town: Town, ada: Person, ben: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    for person in [*await crowd(town, 3), ben]:
        await person.post(f"/posts/{post['id']}/like")
    [change] = await count(town, ada)
    assert change["parts"] == {"likes_of_posts": 1}
