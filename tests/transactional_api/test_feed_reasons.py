"""Recommended items: texts of reasons, scores, and posts of other connectors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.transactional_api.conftest import Statements
from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town

CONTENT, CONNECTORS = "/recommendations/content", "/recommendations/connectors"
EVENTS, MARKETPLACE = "/recommendations/events", "/recommendations/marketplace"


async def feed(person: Person, path: str = CONTENT, *, language: str = "", **body: Any) -> list[dict[str, Any]]:
    headers = {"Accept-Language": language} if language else {}
    answer = await person.post(path, body, **headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def item_of(person: Person, path: str, kind: str, item_id: str, **body: Any) -> dict[str, Any]:
    items = await feed(person, path, limit=100, **body)
    return next(item for item in items if item[kind]["id"] == item_id)


def texts(item: dict[str, Any]) -> dict[str, str]:
    return {reason["code"]: reason["text"] for reason in item["reasons"]}


def give(ranker: Ranker, item_id: str, *reasons: dict[str, Any]) -> None:
    """Let the model rank one item, for these reasons."""
    ranker.rank(item_id)
    ranker.items[0]["reasons"] = list(reasons)


async def liked_post(ben: Person, connector: dict[str, Any], author: Person, **body: Any) -> str:
    post = str((await author.make_post(connector, **body))["id"])
    assert (await ben.post(f"/posts/{post}/like")).is_success
    return post


async def test_texts_are_in_the_language_of_the_header(ranker: Ranker, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    liked = await liked_post(ben, connector, ada, title="Help with leeks, please")
    post = (await ada.make_post(connector))["id"]
    give(
        ranker,
        post,
        {"code": "because_you_liked", "share": 0.6, "item_id": liked},
        {"code": "category_you_like", "share": 0.3, "category": "gardening"},
    )
    [english] = await feed(ben, limit=1)
    [spanish] = await feed(ben, limit=1, language="es-MX, en;q=0.5")
    [other] = await feed(ben, limit=1, language="fi")

    assert english["reasons"] == other["reasons"] == [
        {"code": "because_you_liked", "text": "Because you liked “Help with leeks, please”", "share": 0.6},
        {"code": "category_you_like", "text": "Because you like gardening", "share": 0.3},
    ]  # fmt: skip
    assert english["reason"] == english["reasons"][0]["text"]
    assert spanish["reason"] == "Porque te gustó «Help with leeks, please»"
    assert ranker.asked[0]["liked"] == [liked]


async def test_a_title_is_named_only_to_those_who_may_see_it(
    town: Town, ranker: Ranker, ada: Person, ben: Person
) -> None:
    private = await ada.make_connector(is_public=False)
    await town.add_member(ben, private)
    liked = await liked_post(ben, private, ada, title="A secret")
    post = (await ada.make_post(await ada.make_connector()))["id"]
    give(ranker, post, {"code": "because_you_liked", "share": 1, "item_id": liked})
    assert (await feed(ben, limit=1))[0]["reason"] == "Because you liked “A secret”"

    await town.write(
        "DELETE FROM connector_members WHERE user_id = :id AND connector_id = :connector",
        id=ben.id,
        connector=UUID(private["id"]),
    )
    [item] = await feed(ben, limit=1)
    assert texts(item) == {"similar_to_read": "Similar to posts that you read"}
    assert "secret" not in str(item)


async def test_a_connector_is_named_to_its_members_only(town: Town, ranker: Ranker, ada: Person, ben: Person) -> None:
    mine = await ada.make_connector(name="Chapel Hill Allotment Club")
    await town.add_member(ben, mine)
    suggested = await ada.make_connector()
    give(ranker, suggested["id"], {"code": "similar_to_joined", "share": 1, "item_id": mine["id"]})
    [item] = await feed(ben, CONNECTORS, limit=1)
    assert item["reason"] == "Similar to Chapel Hill Allotment Club, where you are a member"
    assert ranker.asked[-1]["liked"] == [mine["id"]]
    [stranger] = await feed(await town.create_user(), CONNECTORS, limit=1)
    assert stranger["reason"] == "Similar to connectors that you joined"


async def test_a_post_without_a_title_is_named_by_its_beginning(ranker: Ranker, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    liked = await liked_post(ben, connector, ada, content="Leeks\n\nare " + "very " * 60 + "late")
    post = (await ada.make_post(connector))["id"]
    give(ranker, post, {"code": "because_you_liked", "share": 1, "item_id": liked})
    [item] = await feed(ben, limit=1)
    assert item["reason"].startswith("Because you liked “Leeks are very very")
    assert item["reason"].endswith("very…”")
    assert len(item["reason"]) < 110


async def test_codes_of_a_newer_model_are_left_out(ranker: Ranker, ada: Person, ben: Person) -> None:
    post = (await ada.make_post(await ada.make_connector()))["id"]
    give(ranker, post, {"code": "of_the_next_release", "share": 0.7}, {"code": "popular", "share": 0.3})
    assert texts((await feed(ben, limit=1))[0]) == {"popular": "Popular right now"}
    give(ranker, post, {"code": "of_the_next_release", "share": 0.7})
    assert texts((await feed(ben, limit=1))[0]) == {"new_for_you": "Something new for you"}
    give(ranker, post)
    assert texts((await feed(ben, limit=1))[0]) == {"new_for_you": "Something new for you"}


async def test_all_titles_of_a_page_take_one_statement(
    town: Town, ranker: Ranker, ada: Person, ben: Person, statements: Statements
) -> None:
    authors = [await town.create_user() for _ in range(6)]
    places = [await author.make_connector(category=uuid4().hex) for author in authors]
    made = [(await author.make_post(place))["id"] for author, place in zip(authors, places, strict=True)]
    connector = await ada.make_connector()
    liked = [await liked_post(ben, connector, ada) for _ in range(6)]
    ranker.rank(*made)
    await feed(ben, limit=6)
    with statements() as plain:
        await feed(ben, limit=6)
    for item, reference in zip(ranker.items, liked, strict=True):
        item["reasons"] = [{"code": "because_you_liked", "share": 1, "item_id": reference}]
    with statements() as with_titles:
        items = await feed(ben, limit=6)
    assert {item["reasons"][0]["code"] for item in items} == {"because_you_liked"}
    assert len(with_titles) == len(plain) + 1


async def test_only_a_new_post_names_its_connector_as_new(town: Town, ranker: Ranker, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector(name="Chapel Hill Allotment Club", category=uuid4().hex)
    await town.add_member(ben, connector)
    post = (await ada.make_post(connector))["id"]
    stranger = await town.create_user()
    # All other posts were shown, so that the page begins with this one.
    await town.write(
        "INSERT INTO item_exposures (user_id, item_kind, item_id, shown_at) "
        "SELECT person, 'post', id, now() FROM posts, unnest(CAST(:people AS uuid[])) AS person WHERE id <> :id",
        people=[ben.id, stranger.id],
        id=UUID(post),
    )
    mine = await item_of(ben, CONTENT, "post", post)
    assert mine["reason"] == "New in Chapel Hill Allotment Club, where you are a member"
    assert (await item_of(stranger, CONTENT, "post", post))["reason"] == "New in Chapel Hill Allotment Club"
    await town.write("UPDATE posts SET created_at = now() - interval '30 days' WHERE id = :id", id=UUID(post))
    mine, theirs = [await item_of(one, CONTENT, "post", post) for one in (ben, stranger)]
    assert mine["reason"] == "In Chapel Hill Allotment Club, where you are a member"
    assert theirs["reason"] == "From Chapel Hill Allotment Club"


async def test_popular_names_the_neighborhood(town: Town, ada: Person) -> None:
    place = f"Chapel Hill {uuid4().hex}"
    viewer, fan = await town.create_user(neighborhood=place), await town.create_user(neighborhood=place)
    post = (await ada.make_post(await ada.make_connector()))["id"]
    await fan.post(f"/posts/{post}/like")
    assert (await feed(viewer, limit=1))[0]["reason"] == f"Popular in {place}"


async def hold(host: Person, connector: dict[str, Any], **body: Any) -> str:
    start = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    answer = await host.post(
        "/events", {"title": "Seed swap", "start_date": start, "connector_id": connector["id"]} | body
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def attend(person: Person, event: str) -> None:
    assert (await person.post(f"/events/{event}/rsvp", {"status": "attending"})).is_success


async def test_people_whom_the_viewer_follows_are_going(town: Town, ada: Person) -> None:
    interest = uuid4().hex
    viewer = await town.create_user(interests=[interest])
    connector = await ada.make_connector(category=interest)
    open_event, hidden, unwatched = [
        await hold(ada, connector, hides_attendees=hides) for hides in (False, True, False)
    ]
    friends = [await town.create_user() for _ in range(3)]
    blocker, stranger = await town.create_user(), await town.create_user()
    for friend in (*friends, blocker):
        await viewer.post(f"/users/{friend.id}/follow")
    await attend(friends[0], open_event)
    await attend(friends[0], hidden)
    await attend(stranger, unwatched)

    name = friends[0].id.hex
    item = await item_of(viewer, EVENTS, "event", open_event)
    assert texts(item)["people_you_follow_going"] == f"{name}, whom you follow, is going"
    assert (await item_of(viewer, EVENTS, "event", open_event, language="es"))["reasons"][1]["text"] == (
        f"Va {name}, a quien sigues"
    )
    for friend in (*friends[1:], blocker):
        await attend(friend, open_event)
    await town.block(blocker, viewer)
    item = await item_of(viewer, EVENTS, "event", open_event)
    assert texts(item)["people_you_follow_going"] == "3 people you follow are going"
    # Attendees of this one are shown to its host alone.
    for event in (hidden, unwatched):
        assert "people_you_follow_going" not in texts(await item_of(viewer, EVENTS, "event", event))


async def test_free_places_are_counted_and_membership_is_named(town: Town, ada: Person, ben: Person) -> None:
    interest = uuid4().hex
    connector = await ada.make_connector(name="Chapel Hill Allotment Club", category=interest)
    await town.add_member(ben, connector)
    event = await hold(ada, connector, max_attendees=2)
    # Unverified people do not make an event popular.
    other = await town.create_user(verified=False)
    outsider = await town.create_user(interests=[interest.upper()])
    item = await item_of(ben, EVENTS, "event", event)
    assert item["reason"] == "In Chapel Hill Allotment Club, where you are a member"
    assert texts(await item_of(outsider, EVENTS, "event", event)) == {
        "of_your_interests": f"Because {interest} is one of your interests",
        "free_places": "2 places are left",
    }
    await attend(other, event)
    assert texts(await item_of(outsider, EVENTS, "event", event))["free_places"] == "1 place is left"


async def sell(seller: Person) -> str:
    connector = await seller.make_connector()
    body = {"title": "Barrow", "price": "5.00", "category": "garden", "connector_id": connector["id"]}
    answer = await seller.post("/marketplace/items", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("personalised", [True, False])
async def test_the_viewer_follows_the_seller(town: Town, personalised: bool) -> None:
    viewer = await town.create_user(personalised=personalised)
    seller, other = await town.create_user(), await town.create_user()
    await viewer.post(f"/users/{seller.id}/follow")
    followed, unknown = await sell(seller), await sell(other)
    item = await item_of(viewer, MARKETPLACE, "item", followed)
    assert item["reason"] == (
        f"You follow the seller, {seller.id.hex}" if personalised else "New in Dean Street Gardeners"
    )
    assert texts(await item_of(viewer, MARKETPLACE, "item", unknown)) == {"new": "New in Dean Street Gardeners"}


@pytest.mark.parametrize("path", [CONTENT, CONNECTORS])
async def test_scores_do_not_collapse(town: Town, ranker: Ranker, ben: Person, path: str) -> None:
    kind = "post" if path == CONTENT else "connector"
    authors = [await town.create_user() for _ in range(6)]
    connectors = [await author.make_connector(category=uuid4().hex) for author in authors]
    made = [
        (await author.make_post(one))["id"] if kind == "post" else one["id"]
        for author, one in zip(authors, connectors, strict=True)
    ]
    ranker.rank(*made)
    # Relevances as the model sends them: powers of the place between the lowest and the highest score.
    for place, item in enumerate(ranker.items):
        item["relevance"] = (1 - place / 6.5) ** 3
        item["score"] = item["relevance"]
    scores = [item["score"] for item in await feed(ben, path, limit=6)]
    assert scores == sorted(scores, reverse=True)
    assert all(0.05 < score <= 1 for score in scores)


async def test_a_page_has_posts_of_other_connectors(town: Town, ranker: Ranker, ben: Person) -> None:
    authors = [await town.create_user() for _ in range(14)]
    connectors = [await author.make_connector(category=uuid4().hex) for author in authors]
    for connector in connectors[:10]:
        await town.add_member(ben, connector)
    posts = [(await one.make_post(where))["id"] for one, where in zip(authors, connectors, strict=True)]
    ranker.rank(*posts)
    for place, item in enumerate(ranker.items):
        item["relevance"] = 0.9 if place < 10 else 0.01
    page = [item["post"]["id"] for item in await feed(ben, limit=10)]
    assert len(set(page) & set(posts[:10])) == 8
    assert set(page[4:10:5]).isdisjoint(posts[:10])
