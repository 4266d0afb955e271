"""Reviews of connectors: one a person, votes that count once, and what they say together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transactional_api.people import Person, Town

BODY = {"title": "A warm welcome", "content": "They lent me a spade.", "rating": 5}


async def review(person: Person, connector: dict[str, Any], **changes: Any) -> dict[str, Any]:
    answer = await person.post("/reviews", BODY | {"connector_id": connector["id"]} | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_member_reviews_once_even_when_they_ask_twice_at_once(ben: Person, garden: dict[str, Any]) -> None:
    body = BODY | {"connector_id": garden["id"]}
    answers = await asyncio.gather(*(ben.post("/reviews", body) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_who_is_not_a_member_may_read_but_not_review(town: Town, garden: dict[str, Any]) -> None:
    outsider = await town.create_user()
    assert (await outsider.post("/reviews", BODY | {"connector_id": garden["id"]})).status_code == 403
    assert (await outsider.get(f"/reviews/connector/{garden['id']}")).status_code == 200


async def test_after_deleting_a_review_another_may_be_written(ben: Person, garden: dict[str, Any]) -> None:
    first = await review(ben, garden)
    assert (await ben.delete(f"/reviews/{first['id']}")).status_code == 204
    assert (await ben.get(f"/reviews/{first['id']}")).status_code == 404
    second = await review(ben, garden, rating=2)
    listed = (await ben.get(f"/reviews/connector/{garden['id']}")).json()["items"]
    assert [one["id"] for one in listed] == [second["id"]]


async def test_helpful_votes_count_once_a_person_and_can_be_taken_back(
    town: Town, ben: Person, garden: dict[str, Any]
) -> None:
    made = await review(ben, garden)
    people = [await town.create_user() for _ in range(5)]
    path = f"/reviews/{made['id']}/helpful"
    await asyncio.gather(*(person.post(path) for person in people for _ in range(2)))
    taken = [(await people[0].delete(path)).json() for _ in range(2)]
    assert [(one["viewer_voted_helpful"], one["helpful_count"]) for one in taken] == [(False, 4)] * 2
    seen = (await people[1].get(f"/reviews/{made['id']}")).json()
    assert (seen["viewer_voted_helpful"], seen["helpful_count"]) == (True, 4)
    assert (await ben.post(path)).json()["code"] == "own_review"


async def test_hidden_review_is_visible_to_author_and_moderators(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    made = await review(ben, garden, rating=1)
    assert (await ada.put(f"/reviews/{made['id']}/state", {"state": "hidden"})).json()["state"] == "hidden"
    outsider, moderator = await town.create_user(), await town.create_user(role="moderator")
    seen = [(await one.get(f"/reviews/{made['id']}")).status_code for one in (ada, ben, moderator, outsider)]
    assert seen == [200, 200, 200, 404]
    assert (await outsider.get(f"/reviews/connector/{garden['id']}")).json()["items"] == []
    assert (await ada.get(f"/reviews/analytics/{garden['id']}")).json()["review_count"] == 0
    await town.run_jobs()
    assert [one["kind"] for one in (await ben.get("/notifications")).json()["items"]] == ["review.hidden"]
    assert (await moderator.put(f"/reviews/{made['id']}/state", {"state": "visible"})).status_code == 200
    assert (await outsider.get(f"/reviews/{made['id']}")).status_code == 200


async def test_analytics_count_average_and_follow_the_months(town: Town, ada: Person, garden: dict[str, Any]) -> None:
    empty = (await ada.get(f"/reviews/analytics/{garden['id']}")).json()
    assert (empty["review_count"], empty["mean_rating"], empty["trend"]) == (0, None, [])
    for rating in (1, 4, 4):
        person = await town.create_user()
        await town.add_member(person, garden)
        await review(person, garden, rating=rating)
    await town.write(
        "UPDATE reviews SET created_at = '2026-01-31 23:59:59+00' WHERE connector_id = :id AND rating = 1",
        id=garden["id"],
    )
    await town.write(
        "UPDATE reviews SET created_at = '2026-02-01 00:00:00+00' WHERE connector_id = :id AND rating = 4",
        id=garden["id"],
    )
    seen = (await ada.get(f"/reviews/analytics/{garden['id']}")).json()
    assert (seen["review_count"], seen["mean_rating"]) == (3, 3.0)
    assert seen["distribution"] == {"1": 1, "2": 0, "3": 0, "4": 2, "5": 0}
    assert seen["trend"] == [
        {"month": "2026-01", "review_count": 1, "mean_rating": 1.0},
        {"month": "2026-02", "review_count": 2, "mean_rating": 4.0},
    ]
    [(overall,)] = await town.rows(
        "SELECT avg(r.rating)::float FROM reviews r JOIN users u ON u.id = r.reviewer_id "
        "WHERE r.is_active AND r.state = 'visible' AND u.verified"
    )
    assert seen["bayesian_rating"] == pytest.approx((5 * overall + 9) / 8, abs=0.006)
