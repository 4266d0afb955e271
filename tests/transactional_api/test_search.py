"""One search: by any form of a word, by slips of the pen, and never what the viewer may not see."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.transactional_api.conftest import Statements
from tests.transactional_api.people import Person, Town
from transactional_api.search.service import DEPTH

EVENT = {"start_date": "2090-05-02T14:00:00Z", "description": "Bring a chair."}
ITEM = {"description": "Hardly used.", "price": "10.00", "currency": "USD", "category": "tools", "condition": "good"}


def made_up() -> str:
    """A word that no other test uses; letters alone, as words are made of."""
    return "".join(chr(ord("a") + digit) for digit in uuid4().bytes[:12] for digit in (digit % 26,))


async def found(person: Person, words: str, **params: Any) -> list[tuple[str, str]]:
    answer = await person.get("/search", q=words, **params)
    assert answer.status_code == 200, answer.text
    return [(one["kind"], one["id"]) for one in answer.json()["items"]]


@pytest.fixture
async def garden(ada: Person) -> dict[str, Any]:
    return await ada.make_connector()


async def furnish(town: Town, ada: Person, garden: dict[str, Any], word: str) -> dict[str, str]:
    """Make one of each kind with the word in it."""
    person = await town.settle(last_name=word)
    connector = await ada.make_connector(description=f"All about {word}.")
    post = await ada.make_post(garden, content=f"I have {word} to spare.")
    event = await ada.post("/events", {**EVENT, "title": f"{word} night", "connector_id": garden["id"]})
    item = await ada.post("/marketplace/items", {**ITEM, "title": f"A {word}", "connector_id": garden["id"]})
    assert (event.status_code, item.status_code) == (201, 201), (event.text, item.text)
    return {
        "user": str(person.id),
        "connector": connector["id"],
        "post": post["id"],
        "event": event.json()["id"],
        "item": item.json()["id"],
    }


async def test_one_search_finds_every_kind_and_counts_them(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    word = made_up()
    things = await furnish(town, ada, garden, word)
    answer = (await ben.get("/search", q=word)).json()
    assert {one["kind"]: one["id"] for one in answer["items"]} == things
    assert {one["kind"]: one["count"] for one in answer["facets"]} == dict.fromkeys(things, 1)
    narrow = (await ben.get("/search", q=word, kind="event", connector_id=garden["id"])).json()
    assert [one["id"] for one in narrow["items"]] == [things["event"]]
    counts = {one["kind"]: one["count"] for one in narrow["facets"]}
    assert counts == {"user": 0, "connector": 0, "post": 1, "event": 1, "item": 1}


async def test_words_match_in_any_form_and_in_spite_of_slips(ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    mark = made_up()
    post = await ada.make_post(garden, title=f"Tomatoes {mark}", content="The seedlings are growing.")
    for words in (f"{mark} tomato", f"{mark} seedling grow", f"{mark[:-2]}{mark[-1]}"):
        assert ("post", post["id"]) in await found(ben, words), words
    assert await found(ben, f"{mark} -tomatoes", kind="event") == []


async def test_who_has_the_very_words_comes_before_who_is_spelt_alike(
    ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    mark = made_up()
    alike = await ada.make_post(garden, content=f"{mark}xq here")
    same = await ada.make_post(garden, content=f"{mark} here")
    assert await found(ben, mark) == [("post", same["id"]), ("post", alike["id"])]


async def test_what_one_may_not_see_is_neither_found_nor_counted(town: Town, ada: Person) -> None:
    word = made_up()
    private = await ada.make_connector(is_public=False, description=f"All about {word}.")
    await ada.make_post(private, content=f"{word}!")
    stranger, blocked = await town.settle(), await town.settle()
    await town.admit(blocked, private)
    await town.block(ada, blocked)
    for person, kinds in ((stranger, []), (blocked, ["connector"]), (ada, ["connector", "post"])):
        answer = (await person.get("/search", q=word)).json()
        assert sorted(one["kind"] for one in answer["items"]) == kinds
        assert sorted(one["kind"] for one in answer["facets"] if one["count"]) == kinds


async def test_what_is_deleted_or_cancelled_is_not_found(town: Town, ada: Person, garden: dict[str, Any]) -> None:
    word = made_up()
    things = await furnish(town, ada, garden, word)
    await ada.delete(f"/posts/{things['post']}")
    await ada.delete(f"/events/{things['event']}")
    await ada.delete(f"/marketplace/items/{things['item']}")
    await town.write("UPDATE users SET is_active = false WHERE id = :id", id=things["user"])
    assert await found(ada, word) == [("connector", things["connector"])]


async def test_what_has_no_text_is_found_by_its_name(ada: Person) -> None:
    word = made_up()
    connector = await ada.make_connector(name=word)
    assert connector["description"] is None
    assert (await ada.get("/search", q=word)).json()["items"][0]["excerpt"] == ""


async def test_parts_follow_one_another(ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    word = made_up()
    made = [(await ada.make_post(garden, content=f"{word} {place}"))["id"] for place in range(5)]
    first = (await ben.get("/search", q=word, limit=3)).json()
    rest = (await ben.get("/search", q=word, limit=3, offset=first["next_offset"])).json()
    assert rest["next_offset"] is None
    assert sorted(one["id"] for one in first["items"] + rest["items"]) == sorted(made)


async def test_what_is_more_than_can_be_paged_to_is_counted(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    word = made_up()
    post = await ada.make_post(garden, content=word)
    await town.write(
        "INSERT INTO posts SELECT (jsonb_populate_record(post, jsonb_build_object('id', gen_random_uuid()))).*"
        " FROM posts post, generate_series(1, :more) WHERE post.id = :id",
        id=post["id"],
        more=DEPTH + 20,
    )
    answer = (await ben.get("/search", q=word, kind="post")).json()
    assert {one["kind"]: one["count"] for one in answer["facets"]}["post"] == DEPTH + 21


@pytest.mark.parametrize(
    "words", ["it's", 'a "phrase', "a & | ! b:*", "%%__\\", "<script>", "'); DROP TABLE posts;--", "ß 漢字"]
)
async def test_any_words_may_be_asked(ada: Person, words: str) -> None:
    assert (await ada.get("/search", q=words)).status_code == 200


async def test_a_search_takes_a_fixed_number_of_statements(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], statements: Statements
) -> None:
    word = made_up()
    await furnish(town, ada, garden, word)
    with statements() as sent:
        assert len(await found(ben, word)) == 5
    assert len(sent) <= 6
