"""Excerpts end after a word, never inside a character, and say that they were cut."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from tests.transactional_api.people import Person
from transactional_api.core.excerpts import ELLIPSIS, excerpt

FAMILY = "👩‍👩‍👧‍👦"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 5, "short"),
        ("", 5, ""),
        ("the seedlings are ready", 15, "the seedlings…"),
        ("the seedlings are ready", 14, "the seedlings…"),
        ("the seedlings are ready", 13, "the…"),
        ("ready, set, go and run", 12, "ready, set…"),
        ("one line\nand another line", 14, "one line\nand…"),
        ("Donaudampfschifffahrtsgesellschaft", 10, "Donaudamp…"),
        ("a Donaudampfschifffahrtsgesellschaft", 12, "a…"),
        ("種をまく季節になりました", 6, "種をまく季…"),
        ("กำลังปลูกต้นไม้ใหม่", 4, "กำ…"),
        (FAMILY * 3, 7, "…"),
        (FAMILY * 3, 8, FAMILY + "…"),
        ("e\u0301" * 5, 4, "e\u0301…"),
        ("🇳🇱🇧🇪🇩🇪", 5, "🇳🇱🇧🇪…"),
    ],
)
def test_cuts(text: str, limit: int, expected: str) -> None:
    assert excerpt(text, limit) == expected


@given(st.text(), st.integers(min_value=2, max_value=60))
def test_every_excerpt_is_a_beginning_of_whole_characters(text: str, limit: int) -> None:
    cut = excerpt(text, limit)
    assert len(cut) <= limit
    if cut != text:
        kept = cut.removesuffix(ELLIPSIS)
        assert text.startswith(kept)
        assert len(kept) in {0, *(cluster.end() for cluster in regex.finditer(r"\X", text))}


async def test_search_cuts_titles_and_excerpts_between_words(ada: Person) -> None:
    garden = await ada.make_connector(is_public=False)
    words = "marrowfat peas " + "interplanting radishes underneath beanstalks " * 12
    await ada.make_post(garden, content=words)
    (found,) = (await ada.get("/search", q="marrowfat", connector_id=garden["id"])).json()["items"]
    for text, longest in ((found["title"], 80), (found["excerpt"], 200)):
        kept = text.removesuffix(ELLIPSIS)
        assert text.endswith(ELLIPSIS)
        assert len(text) <= longest
        assert words.startswith(f"{kept} ")


async def test_search_shows_a_short_text_whole_and_keeps_a_title(ada: Person) -> None:
    garden = await ada.make_connector(is_public=False)
    title = "marrowfat " + "peas " * 30
    await ada.make_post(garden, title=title.strip(), content="Ready.")
    (found,) = (await ada.get("/search", q="marrowfat", connector_id=garden["id"])).json()["items"]
    assert (found["title"], found["excerpt"]) == (title.strip(), "Ready.")
