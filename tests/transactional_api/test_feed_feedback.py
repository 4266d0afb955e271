"""Feedback acts on the next page, with and without a model, and is listed and undone."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.transactional_api.fake_recommendation_service import Ranker
from tests.transactional_api.people import Person, Town

FEEDBACK, HIDES = "/recommendations/feedback", "/interactions/hides"
FEEDS = {"post": "content", "connector": "connectors", "event": "events", "item": "marketplace"}
MORE, LESS, MUTE = "more_like_this", "less_like_this", "mute"


async def give(person: Person, kind: str, subject: Any, signal: str) -> dict[str, Any]:
    answer = await person.post(FEEDBACK, body(kind, subject, signal))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def body(kind: str, subject: Any, signal: str) -> dict[str, Any]:
    return {"kind": kind, "category" if kind == "category" else "id": str(subject), "signal": signal}


async def feed(person: Person, kind: str = "post", language: str = "en", **request: Any) -> dict[str, Any]:
    path = f"/recommendations/{FEEDS[kind]}"
    answer = await person.post(path, request, **{"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, Any], kind: str = "post") -> list[str]:
    return [item[kind]["id"] for item in answer["items"]]


async def items_of(author: Person, category: str) -> dict[str, str]:
    """One item of each kind that a feed serves, in one connector."""
    connector = await author.make_connector(category=category)
    of = {"connector_id": connector["id"]}
    event = await author.post("/events", {**of, "title": "Seed swap", "start_date": "2099-05-02T14:00:00Z"})
    item = await author.post("/marketplace/items", {**of, "title": "A spade", "category": "tools", "price": "5.00"})
    post = await author.make_post(connector)
    return {"post": post["id"], "connector": connector["id"], "event": event.json()["id"], "item": item.json()["id"]}


async def write(town: Town, *, count: int, category: str) -> list[str]:
    """Posts of as many people, each in an own connector."""
    people = [await town.create_user() for _ in range(count)]
    return [(await one.make_post(await one.make_connector(category=category)))["id"] for one in people]


@pytest.mark.parametrize("has_model", [True, False], ids=["model", "rules"])
@pytest.mark.parametrize("muted", ["category", "connector", "author"])
async def test_muted_things_do_not_come(
    town: Town, ranker: Ranker, ben: Person, muted: str, *, has_model: bool
) -> None:
    author, category = await town.create_user(), f"Café {uuid4().hex}"
    mine = await items_of(author, category)
    subject = {"category": category.upper(), "connector": mine["connector"], "author": author.id}[muted]
    # A mute of an author leaves connectors in.
    kinds = [kind for kind in FEEDS if (muted, kind) != ("author", "connector")]
    ranker.status = 200 if has_model else 503

    async def served() -> list[str]:
        found = []
        for kind in kinds:
            ranker.rank(mine[kind])
            ranker.status = 200 if has_model else 503
            found += [kind for one in ids(await feed(ben, kind, limit=100), kind) if one == mine[kind]]
        return found

    if has_model:
        assert await served() == kinds
    given = await give(ben, muted, subject, MUTE)
    assert await served() == []
    assert {"code": "muted", "text": "Without what you muted"} in (await feed(ben))["notes"]
    if has_model:
        sent = ranker.asked[-1]["muted"]
        expected = {
            "category": {"connectors": [], "categories": [given["category"]]},
            "connector": {"connectors": [mine["connector"]], "categories": []},
            "author": {"connectors": [], "categories": []},
        }
        assert sent == expected[muted]
    assert (await ben.delete(f"{FEEDBACK}/{given['feedback_id']}")).status_code == 204
    assert (await feed(ben))["notes"] == []
    if has_model:
        assert await served() == kinds


@pytest.mark.parametrize("has_model", [True, False], ids=["model", "rules"])
async def test_three_less_like_this_halve_a_subject(
    town: Town, ranker: Ranker, ben: Person, *, has_model: bool
) -> None:
    city, subjects = uuid4().hex, [uuid4().hex for _ in range(4)]
    posts = {subject: await write(town, count=28, category=subject) for subject in subjects}
    if has_model:
        ranker.rank(*(one for turn in zip(*posts.values(), strict=True) for one in turn))
    else:
        ranker.status = 503
        # Popular in the viewer's city, all alike.
        fan = await town.create_user(city=city)
        await town.write("UPDATE users SET city = :city WHERE id = :id", city=city, id=ben.id)
        await town.write(
            "INSERT INTO post_likes (post_id, user_id) SELECT unnest(CAST(:posts AS uuid[])), :fan",
            posts=[UUID(one) for of_subject in posts.values() for one in of_subject],
            fan=fan.id,
        )

    first = set(ids(await feed(ben, limit=50)))
    subject = max(subjects, key=lambda one: len(first & set(posts[one])))

    async def share() -> int:
        return len(set(ids(await feed(ben, limit=50))) & set(posts[subject]))

    before = await share()
    assert before >= 8
    for post in posts[subject][-3:]:
        await give(ben, "post", post, LESS)
    assert await share() <= before / 2
    (note,) = (await feed(ben, language="es"))["notes"]
    assert note == {
        "code": "less_of_category",
        "text": f"Menos de «{subject}», porque ocultaste elementos de ese tema",
    }
    # Other tests share the town, and its popular posts.
    liked = [UUID(one) for of_subject in posts.values() for one in of_subject]
    await town.write("DELETE FROM post_likes WHERE post_id = ANY(:posts)", posts=liked)


async def test_more_like_this_raises_a_subject(town: Town, ranker: Ranker, ben: Person) -> None:
    subject = uuid4().hex
    liked, like_it = await write(town, count=2, category=subject)
    [other] = await write(town, count=1, category=uuid4().hex)
    ranker.rank(other, like_it)
    assert ids(await feed(ben, limit=2)) == [other, like_it]
    given = await give(ben, "post", liked, MORE)
    answer = await feed(ben, limit=2)
    assert ids(answer) == [like_it, other]
    assert answer["notes"] == [{"code": "more_of_category", "text": f"More of {subject}, because you asked for it"}]
    assert -1.0 <= ranker.asked[-1]["hidden"]["categories"][subject] < -0.9
    assert all(0 <= item["score"] <= 1 for item in answer["items"])
    await ben.delete(f"{FEEDBACK}/{given['feedback_id']}")
    assert ids(await feed(ben, limit=2)) == [other, like_it]


async def test_less_like_this_is_a_hide_and_the_latest_counts(town: Town, ranker: Ranker, ben: Person) -> None:
    [post] = await write(town, count=1, category=uuid4().hex)
    ranker.rank(post)
    await give(ben, "post", post, MORE)
    given = await give(ben, "post", post, LESS)
    assert await give(ben, "post", post, LESS) == given
    listed = (await ben.get(FEEDBACK)).json()
    assert listed == {"items": [given], "next_cursor": None}
    assert [one["item_id"] for one in (await ben.get(HIDES)).json()["items"]] == [post]
    assert post not in ids(await feed(ben, limit=100))
    kinds = await town.rows(
        "SELECT payload->>'kind' AS kind FROM cdc_outbox WHERE key = :key AND payload->>'item_id' = :post ORDER BY id",
        key=str(ben.id),
        post=post,
    )
    assert [row.kind for row in kinds] == ["hide"]

    more = await give(ben, "post", post, MORE)
    assert (await ben.get(FEEDBACK)).json()["items"] == [more]
    assert (await ben.get(HIDES)).json()["items"] == []
    assert post in ids(await feed(ben, limit=100))


async def test_feedback_is_paged_undone_and_ones_own(town: Town, ada: Person, ben: Person) -> None:
    category = uuid4().hex
    mine = await items_of(ada, category)
    given = [await give(ben, kind, mine[kind], LESS if kind == "event" else MORE) for kind in FEEDS]
    given += [await give(ben, "category", category, MUTE), await give(ben, "author", ada.id, MUTE)]
    assert await give(ben, "author", ada.id, MUTE) == given[-1]
    seen, cursor = [], None
    while True:
        page = (await ben.get(FEEDBACK, limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == given[::-1]
    name = (await ben.get(f"/connectors/{mine['connector']}")).json()["name"]
    content = (await ben.get(f"/posts/{mine['post']}")).json()["content"]
    assert [one["title"] for one in given] == [content, name, "Seed swap", "A spade", category, ada.id.hex]
    await town.write("UPDATE connectors SET is_public = false WHERE id = :id", id=UUID(mine["connector"]))
    listed = (await ben.get(FEEDBACK)).json()["items"]
    assert [one["title"] for one in listed[::-1]] == [*[None] * 4, category, ada.id.hex]
    for one in given:
        path = f"{FEEDBACK}/{one['feedback_id']}"
        assert (await ada.delete(path)).status_code == 404
        assert [(await ben.delete(path)).status_code for _ in range(2)] == [204, 404]
    assert (await ben.get(FEEDBACK)).json()["items"] == (await ben.get(HIDES)).json()["items"] == []


async def test_what_nobody_shows_gets_no_feedback(town: Town, ada: Person, ben: Person) -> None:
    category = uuid4().hex
    mine = await items_of(ada, category)
    await town.write("UPDATE connectors SET is_public = false WHERE id = :id", id=UUID(mine["connector"]))
    stranger = await town.create_user()
    await town.block(stranger, ben)
    for kind, subject, signal in (
        *((kind, item_id, signal) for kind, item_id in mine.items() for signal in (MORE, LESS)),
        ("connector", mine["connector"], MUTE),
        ("category", category, MUTE),
        ("author", stranger.id, MUTE),
        ("author", ben.id, MUTE),
        ("post", uuid4(), MORE),
    ):
        assert (await ben.post(FEEDBACK, body(kind, subject, signal))).status_code == 404, (kind, signal)
    assert (await ben.get(FEEDBACK)).json()["items"] == []


@pytest.mark.parametrize(
    "sent",
    [
        body("post", UUID(int=1), MUTE),
        body("author", UUID(int=1), LESS),
        body("category", "tools", MORE),
        body("category", "tools", MUTE) | {"id": str(UUID(int=1))},
        {"kind": "post", "signal": LESS},
        {"kind": "category", "id": str(UUID(int=1)), "signal": MUTE},
    ],
)
async def test_feedback_that_does_not_fit_is_invalid(ben: Person, sent: dict[str, Any]) -> None:
    assert (await ben.post(FEEDBACK, sent)).status_code == 422
