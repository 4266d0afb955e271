"""Stated interests match categories whatever their spelling: in lists, recommendations and matches alike."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from neighborconnect.feed.interests import category_key
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_offers import feed, publish, reasons

FULL_WIDTH = {code: code + 0xFEE0 for code in range(ord("a"), ord("z") + 1)}


@pytest.mark.parametrize(
    "respell", [str.upper, str.title, lambda word: word.translate(FULL_WIDTH)], ids=["upper", "title", "full width"]
)
async def test_an_interest_in_any_spelling_matches_all_kinds(
    town: Town, ada: Person, respell: Callable[[str], str]
) -> None:
    category = f"bücher{uuid4().hex[:8]}"
    reader = await town.create_user(interests=[respell(category)])
    connector = await ada.make_connector(category=category)
    discovered = (await reader.get("/connectors/discover")).json()["items"]
    assert [one["id"] for one in discovered] == [connector["id"]]
    for kind in ("event", "item"):
        made = await publish(ada, connector, kind)
        assert reasons(await feed(reader, kind), kind)[made] == "of_your_interests"
    matched = (await reader.post("/matching/communities", {})).json()["matches"]
    assert [one["connector"]["id"] for one in matched] == [connector["id"]]


async def test_an_interest_in_another_spelling_is_not_suggested(town: Town, ada: Person) -> None:
    word, other = f"b{uuid4().hex[:8]}", f"c{uuid4().hex[:8]}"
    reader = await town.create_user(interests=[word])
    peers = [await town.create_user(interests=[word.upper(), spelling]) for spelling in (other, other.upper())]
    connector = await ada.make_connector()
    for person in (reader, *peers):
        await town.add_member(person, connector)
    matches = (await reader.post("/matching/interests", {})).json()["matches"]
    assert [(one["interest"].lower(), one["score"]) for one in matches if word.upper() in one["interest"].upper()] == []
    assert [one["score"] for one in matches if one["interest"].lower() == other] == [2]


@pytest.mark.parametrize(
    "spellings",
    [
        ("BOOKS", "books", "\uff22ooks"),
        ("Straße", "STRASSE", "strasse"),
        ("ΟΔΟΣ", "οδος", "οδοσ"),
        ("İstanbul", "istanbul"),
        ("ISPARTA", "\u0131sparta", "isparta"),
        ("Ёлка", "ёлка"),
        ("Café", "cafe\u0301"),
    ],
)
async def test_sql_and_python_fold_alike(town: Town, spellings: tuple[str, ...]) -> None:
    rows = await town.rows(
        "SELECT search_fold(spelling) FROM unnest(CAST(:spellings AS text[])) AS spelling", spellings=list(spellings)
    )
    assert {row[0] for row in rows} == {category_key(spelling) for spelling in spellings}
    assert len(rows) == len(spellings)
    assert len({row[0] for row in rows}) == 1
