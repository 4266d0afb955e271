"""One search: by any form of a word, by slips of the pen, and never what the viewer may not see."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.transactional_api.conftest import Statements
from tests.transactional_api.people import Person, Town
from transactional_api.community.search import terms, vocabulary
from transactional_api.community.search.service import DEPTH
from transactional_api.community.search.spelling import edits
from transactional_api.community.search.syntax import MAX_PIECES, Syntax, parse
from transactional_api.community.search.terms import Share, at_least

EVENT = {"start_date": "2090-05-02T14:00:00Z", "description": "Bring a chair."}
ITEM = {"description": "Hardly used.", "price": "10.00", "currency": "USD", "category": "tools", "condition": "good"}


def made_up() -> str:
    """A word that no other test uses; letters alone, as words are made of."""
    return "".join(chr(ord("a") + digit) for digit in uuid4().bytes[:12] for digit in (digit % 26,))


async def found(person: Person, words: str, **params: Any) -> list[tuple[str, str]]:
    answer = await person.get("/search", q=words, **params)
    assert answer.status_code == 200, answer.text
    return [(one["kind"], one["id"]) for one in answer.json()["items"]]


async def count_words(town: Town) -> None:
    """Count what was written into the vocabulary, as the job does every minute."""
    while await vocabulary.count_all(town.app.state.context):
        pass


async def documents_with(town: Town, word: str) -> int | None:
    async with town.app.state.context.transaction() as session:
        counted: int | None = await session.scalar(
            text("SELECT documents FROM search_words WHERE word = :word"), {"word": word}
        )
        return counted


@pytest.fixture
async def garden(ada: Person) -> dict[str, Any]:
    return await ada.make_connector()


async def create_data(town: Town, ada: Person, garden: dict[str, Any], word: str) -> dict[str, str]:
    """Make one of each kind with the word in it."""
    person = await town.create_user(last_name=word)
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
    things = await create_data(town, ada, garden, word)
    answer = (await ben.get("/search", q=word)).json()
    assert {one["kind"]: one["id"] for one in answer["items"]} == things
    assert {one["kind"]: one["count"] for one in answer["facets"]} == dict.fromkeys(things, 1)
    narrow = (await ben.get("/search", q=word, kind="event", connector_id=garden["id"])).json()
    assert [one["id"] for one in narrow["items"]] == [things["event"]]
    counts = {one["kind"]: one["count"] for one in narrow["facets"]}
    assert counts == {"user": 0, "connector": 0, "post": 1, "event": 1, "item": 1}


async def test_words_match_inflected_and_misspelled(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    mark = made_up()
    post = await ada.make_post(garden, title=f"Tomatoes {mark}", content="The seedlings are growing.")
    for words in (mark, f"{mark} tomato", f"{mark} seedling grow"):
        assert ("post", post["id"]) in await found(ben, words), f"{words}, before its words are counted"
    await count_words(town)
    for words in (f"{mark} tomato", f"{mark} seedling grow", f"{mark[:-2]}{mark[-1]}"):
        assert ("post", post["id"]) in await found(ben, words), words
    assert await found(ben, f"{mark} -tomatoes", kind="event") == []


# A word whose stem is at edit distance one: its own stem is no correction of it.
@pytest.mark.parametrize("ending", ["k", "ks", "ky"])
async def test_who_has_the_very_words_comes_before_who_is_spelt_alike(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], ending: str
) -> None:
    mark = made_up() + ending
    alike = await ada.make_post(garden, content=f"{mark}xq here")
    same = await ada.make_post(garden, content=f"{mark} here")
    await count_words(town)
    assert await found(ben, mark) == [("post", same["id"]), ("post", alike["id"])]


async def test_what_one_may_not_see_is_neither_found_nor_counted(town: Town, ada: Person) -> None:
    word = made_up()
    private = await ada.make_connector(is_public=False, description=f"All about {word}.")
    await ada.make_post(private, content=f"{word}!")
    stranger, blocked = await town.create_user(), await town.create_user()
    await town.add_member(blocked, private)
    await town.block(ada, blocked)
    await count_words(town)
    for words in (word, f"{word[:4]}{word[5:]}"):
        for person, kinds in ((stranger, []), (blocked, ["connector"]), (ada, ["connector", "post"])):
            answer = (await person.get("/search", q=words)).json()
            assert sorted(one["kind"] for one in answer["items"]) == kinds
            assert sorted(one["kind"] for one in answer["facets"] if one["count"]) == kinds


async def test_what_is_deleted_or_cancelled_is_not_found(town: Town, ada: Person, garden: dict[str, Any]) -> None:
    word = made_up()
    things = await create_data(town, ada, garden, word)
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


async def test_pages_follow_one_another(ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    word = made_up()
    made = [(await ada.make_post(garden, content=f"{word} {place}"))["id"] for place in range(5)]
    first = (await ben.get("/search", q=word, limit=3)).json()
    rest = (await ben.get("/search", q=word, limit=3, cursor=first["next_cursor"])).json()
    assert rest["next_cursor"] is None
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
    await create_data(town, ada, garden, word)
    with statements() as sent:
        assert len(await found(ben, word)) == 5
    assert len(sent) <= 6


async def test_most_of_the_words_are_enough(town: Town, ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    cat = await ada.make_post(garden, title="Lost: grey cat", content="Lost: grey cat, last seen by Park Street.")
    bench = await ada.make_post(garden, content="There is a new bench in the park.")
    # Frequent words weigh little, as in every town that has written something.
    await town.write(
        "INSERT INTO posts (connector_id, author_id, content)"
        " SELECT connector_id, author_id, 'The market is near the hall.' FROM posts, generate_series(1, 500)"
        " WHERE id = :id",
        id=bench["id"],
    )
    await count_words(town)
    for words in ("lost cat near the park", "lost cta near the prak"):
        hits = await found(ben, words, connector_id=garden["id"])
        assert hits[:1] == [("post", cat["id"])], words
        assert ("post", bench["id"]) not in hits


async def test_phrases_alternatives_and_exclusions(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    mark = made_up()
    first = await ada.make_post(garden, content=f"{mark} to be or not to be")
    second = await ada.make_post(garden, content=f"{mark} to not be, or be")
    for _ in range(2):
        both = {("post", first["id"]), ("post", second["id"])}
        assert set(await found(ben, mark)) == both
        assert await found(ben, f'{mark} "or not to be"') == [("post", first["id"])]
        assert await found(ben, f'{mark} -"or not to be"') == [("post", second["id"])]
        assert set(await found(ben, f"{mark}nowhere or {mark}")) == both
        assert await found(ben, f"-{mark}") == []
        await count_words(town)


async def test_other_languages_are_stemmed_and_accents_are_optional(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    mark = made_up()
    german = await ada.make_post(
        garden, content=f"Wir verschenken zwei alte Fahrräder aus unserem Keller an Nachbarn, die sie abholen. {mark}"
    )
    french = await ada.make_post(
        garden, content=f"Nous cherchons des bénévoles pour préparer la fête des voisins de samedi prochain. {mark}"
    )
    await count_words(town)
    for words, post in (("fahrrad keller", german), ("fahrrader", german), ("benevole", french), ("fête", french)):
        assert (await found(ben, f"{mark} {words}"))[:1] == [("post", post["id"])], words
    async with town.app.state.context.transaction() as session:
        query = text("SELECT language FROM search_documents WHERE kind = 'post' AND subject_id = :id")
        languages = [await session.scalar(query, {"id": post["id"]}) for post in (german, french)]
    assert languages == ["german", "french"]


async def test_a_word_leaves_the_vocabulary_with_its_last_document(
    town: Town, ada: Person, garden: dict[str, Any]
) -> None:
    word, other = made_up(), made_up()
    post = await ada.make_post(garden, content=f"{word} {word}")
    again = await ada.make_post(garden, content=word)
    await count_words(town)
    assert await documents_with(town, word) == 2
    await ada.put(f"/posts/{post['id']}", {"content": other})
    await count_words(town)
    assert (await documents_with(town, word), await documents_with(town, other)) == (1, 1)
    await ada.delete(f"/posts/{again['id']}")
    await count_words(town)
    assert (await documents_with(town, word), await documents_with(town, other)) == (None, 1)
    assert await found(ada, word) == []


async def test_a_rebuild_finds_what_was_written_without_triggers(
    town: Town, ada: Person, garden: dict[str, Any]
) -> None:
    word = made_up()
    post = await ada.make_post(garden, content=f"{word} to spare")
    await count_words(town)
    await town.write("DELETE FROM search_documents WHERE subject_id = :id", id=post["id"])
    await count_words(town)
    assert await found(ada, word) == []
    async with town.app.state.context.transaction() as session:
        await vocabulary.rebuild(session)
    assert await found(ada, word) == [("post", post["id"])]
    assert await documents_with(town, word) == 1


async def test_of_too_many_candidates_the_newest_are_scored(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    word = made_up()
    post = await ada.make_post(garden, content=word)
    await town.write(
        "INSERT INTO posts SELECT (jsonb_populate_record(post, jsonb_build_object('id', gen_random_uuid()))).*"
        " FROM posts post, generate_series(1, 2500) WHERE post.id = :id",
        id=post["id"],
    )
    await count_words(town)
    # A frequent word everywhere is one of the newest buckets.
    monkeypatch.setattr(terms, "CANDIDATES", 10)
    async with town.app.state.context.transaction() as session:
        plan = await terms.plan(session, parse(word))
    assert plan.first_bucket > 0
    hits = {subject_id for _, subject_id in await found(ben, word, kind="post")}
    rows = await town.rows(
        "SELECT subject_id::text, bucket FROM search_documents d JOIN posts p ON p.id = d.subject_id"
        " WHERE p.connector_id = :id",
        id=garden["id"],
    )
    buckets: dict[str, int] = dict(row._tuple() for row in rows)
    assert len(buckets) == 2_501
    assert min(buckets.values()) < plan.first_bucket, "some match and are too old"
    assert hits
    assert min(buckets[one] for one in hits) >= plan.first_bucket
    await town.write("DELETE FROM posts WHERE connector_id = :id", id=garden["id"])


@pytest.mark.parametrize(
    "words",
    [
        "-",
        '""',
        "or or or",
        "a " * 100,
        "!!! ???",
        "x" * 200,
        "- -a",
        '"',
        "ab or",
        "й" * 199,
        "1 2 3 4 5 6 7 8 9 0",
        "the of and to in",
        "www.example.org/a?b=c",
        "cat-dog-bird " * 15,
        "' | '",
        "\\ \\'",
        "🙂 🙂",
    ],
)
async def test_odd_and_long_searches_take_as_few_statements(ada: Person, statements: Statements, words: str) -> None:
    with statements() as sent:
        answer = await ada.get("/search", q=words[:200].ljust(2, "?"))
    assert answer.status_code == 200, answer.text
    assert len(sent) <= 6


def test_a_condition_is_true_of_those_that_weigh_enough() -> None:
    shares = [Share("a", 3, 0.01), Share("b", 2, 0.1), Share("c", 1, 0.5)]
    assert at_least(shares, 3)[0] == "a | b & (c)"
    assert at_least(shares, 3)[1] == pytest.approx(0.01 + 0.99 * 0.1 * 0.5)
    assert at_least(shares, 6)[0] == "a & (b & (c))"
    assert at_least(shares, 7) == ("", 0.0)


def test_syntax() -> None:
    assert parse('lost cat or dog -"free to a good home" "grey cat" -wanted') == Syntax(
        (("lost",), ("cat", "dog")), ("grey cat",), ("free to a good home", "wanted")
    )
    assert parse("or") == Syntax((("or",),), (), ())
    assert len(parse("ab " * 500).words) == MAX_PIECES


def test_edits_have_distance_one() -> None:
    near = edits("park")
    assert {"prak", "pak", "parks", "bark"} <= near
    assert "park" not in near
    assert "пак" in edits("парк")


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("The seedlings are ready, come and take some home with you.", "english"),
        ("Die Setzlinge sind fertig, kommt vorbei und nehmt welche mit.", "german"),
        ("苗の準備ができました。どうぞ取りに来てください、お待ちしています。", "simple"),
        ("OK!", None),
    ],
)
def test_the_language_of_a_text(written: str, language: str | None) -> None:
    assert vocabulary.language_of(written) == language
