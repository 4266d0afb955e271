"""Search in scripts without spaces, and case beyond ASCII, whatever the locale of the database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from local_stack.servers.postgres import LOCALE
from tests.transactional_api.people import Person, Town
from transactional_api.community.search.scripts import with_runs
from transactional_api.community.search.syntax import parse

ROOT = Path(__file__).parents[2]


async def found(person: Person, words: str, connector: dict[str, Any]) -> list[str]:
    answer = await person.get("/search", q=words, connector_id=connector["id"])
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


WRITTEN = [
    ("今天下午我们去公园玩", ("公园", "下午", "玩", "今天下午我们去公园玩"), ("花园", "公家")),
    ("明日は公園で花見をします", ("花見", "公園", "花", "します"), ("花火", "公務")),
    ("スマートフォンを落としました", ("ﾌｫﾝ", "スマート", "落とし"), ("テレビ",)),
    ("ตลาดนัดวันเสาร์", ("ตลาดนัด", "เสาร์", "ตลาด"), ("ตลาดน้ำ", "วันอาทิตย์")),
    ("ຕະຫຼາດນັດວັນເສົາ", ("ຕະຫຼາດ", "ວັນເສົາ"), ("ວັນອາທິດ",)),
    ("ផ្សារថ្ងៃសៅរ៍", ("ផ្សារ", "ថ្ងៃ"), ("សាលា",)),
    ("စနေနေ့ဈေး", ("ဈေး", "စနေ"), ("ကျောင်း",)),
    ("토요일에 공원에서 만나요", ("공원", "토요일"), ("학교",)),
    ("iPhone手机丢了", ("手机", "iphone", "iPhone手机"), ("手表",)),
]


@pytest.mark.parametrize(("written", "inside", "outside"), WRITTEN, ids=[row[0][:4] for row in WRITTEN])
async def test_a_word_inside_a_text_without_spaces_is_found(
    ada: Person, written: str, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    connector = await ada.make_connector()
    post = (await ada.make_post(connector, content=written))["id"]
    for word in inside:
        assert post in await found(ada, word, connector), word
    for word in outside:
        assert post not in await found(ada, word, connector), word


async def test_phrases_and_exclusions_in_scripts_without_spaces(ada: Person) -> None:
    connector = await ada.make_connector()
    park = (await ada.make_post(connector, content="周末公园野餐"))["id"]
    garden = (await ada.make_post(connector, content="周末花园种树"))["id"]
    assert set(await found(ada, "周末", connector)) == {park, garden}
    assert await found(ada, "周末 -花园", connector) == [park]
    assert await found(ada, '"公园野餐"', connector) == [park]


async def test_a_sentence_finds_what_has_most_of_it(ada: Person) -> None:
    connector = await ada.make_connector()
    post = (await ada.make_post(connector, content="今天下午我们去公园玩"))["id"]
    assert post in await found(ada, "今天下午去公园玩吗", connector)


CASES = [
    ("Hauptstraße", ("HAUPTSTRASSE", "hauptstraße", "HAUPTSTRAẞE")),
    ("İstanbul kahvesi", ("istanbul", "İSTANBUL")),
    ("ΟΔΟΣ Ερμού", ("οδος", "οδός", "\u0395\u03a1\u039c\u039f\u03a5")),
    ("Вечер в Саду", ("ВЕЧЕР", "саду")),
    ("ÉCOLE du soir", ("école", "Ecole")),
]


@pytest.mark.parametrize(("name", "asked"), CASES, ids=[row[0] for row in CASES])
async def test_case_folds_beyond_ascii(town: Town, ada: Person, name: str, asked: tuple[str, ...]) -> None:
    connector = await ada.make_connector()
    post = (await ada.make_post(connector, content=f"{name}."))["id"]
    for words in asked:
        assert post in await found(ada, words, connector), words


@pytest.mark.parametrize(("name", "asked"), [(row[0], row[1][0]) for row in CASES], ids=[row[0] for row in CASES])
async def test_names_of_connectors_items_and_people_fold_too(town: Town, ada: Person, name: str, asked: str) -> None:
    mark = uuid4().hex[:8]
    asked = {"οδος": "οδοσ"}.get(asked, asked)
    connector = await ada.make_connector(name=f"{mark} {name}")
    answer = await ada.get("/connectors/search", q=f"{mark} {asked}")
    assert answer.status_code == 200, answer.text
    assert [one["id"] for one in answer.json()["items"]] == [connector["id"]]
    person = await town.create_user(last_name=f"{mark} {name}")
    listed = (await ada.get("/users/search", q=f"{mark} {asked}")).json()
    assert [one["id"] for one in listed["items"]] == [str(person.id)]


@pytest.mark.parametrize("words", ["100%", "a_b", "\\", "\uff05"])
async def test_no_character_is_a_wildcard(ada: Person, words: str) -> None:
    mark = uuid4().hex[:8]
    await ada.make_connector(name=f"{mark} plain")
    exact = await ada.make_connector(name=f"{mark} {words}")
    answer = (await ada.get("/connectors/search", q=f"{mark} {words}")).json()
    assert [one["id"] for one in answer["items"]] == [exact["id"]]


async def test_old_documents_are_segmented_by_the_migration(town: Town, ada: Person) -> None:
    """The batches of migration 0038, run again on a document as it was before."""
    from transactional_api.core.db.migrations.versions import __path__ as versions  # noqa: PLC0415

    source = (Path(next(iter(versions))) / "0038_search_any_script.py").read_text(encoding="utf-8")
    module: dict[str, Any] = {}
    exec(compile(source, "0038", "exec"), module)  # noqa: S102 (the name of a migration begins with a digit)
    connector = await ada.make_connector()
    post = (await ada.make_post(connector, content="今天下午我们去公园玩"))["id"]
    await town.write(
        "UPDATE search_documents SET words = to_tsvector('public.search_simple', '今天下午我们去公园玩')"
        " WHERE subject_id = :id",
        id=post,
    )
    assert post not in await found(ada, "公园", connector)
    kind, title, body = module["SOURCES"]["posts"]
    refill = module["REFILL"].format(table="posts", kind=kind, title=module["_text"](title), body=module["_text"](body))
    async with town.app.state.engine.begin() as connection:
        last: Any = await connection.execute(
            text("SELECT created_at - interval '1 second' AS created_at, id FROM posts WHERE id = :id"), {"id": post}
        )
        row = last.one()
        await connection.execute(text(refill), {"created_at": row.created_at, "id": row.id, "most": 5_000})
    assert post in await found(ada, "公园", connector)


def test_short_runs_are_words_and_long_ones_sentences() -> None:
    split = with_runs(parse("café公园 今天下午我们去公园 or 花 ตลาดนัด"))
    assert split.phrases == ("公园", "ตลาดนัด")
    assert split.words == (("café",), ("今天下午我们去公园", "花"))


@pytest.mark.parametrize("source", ["transactional_api", "pipelines", "feature_repo"])
def test_no_statement_folds_case_by_the_locale_of_the_database(source: str) -> None:
    by_locale = re.compile(
        r"\.i?(?:like|startswith|contains)\(.*autoescape|\.ilike\(|\.icontains\(|\.istartswith\(|\.iendswith\("
        r"|func\.(?:lower|upper|initcap)\("
    )
    in_sql = re.compile(r"\b(?:lower|upper|initcap)\s*\((?![^)]*COLLATE)|(?<!\")\bI?LIKE\b", re.IGNORECASE)
    faults = []
    for path in (ROOT / source).rglob("*.py"):
        if "versions" in path.parts:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            sql_line = re.search(r"\b(?:SELECT|FROM|WHERE|UNION|CASE|WHEN)\b", line) is not None
            folds = in_sql.search(line) is not None and "COLLATE" not in line
            if by_locale.search(line) or (sql_line and folds and ".lower()" not in line):
                faults.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert faults == []


def test_compose_and_the_embedded_stack_share_one_locale() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    arguments = re.search(r"POSTGRES_INITDB_ARGS: (.*)", compose)
    assert arguments is not None
    assert set(LOCALE) <= set(arguments[1].split())


async def test_folding_does_not_depend_on_the_locale_of_the_database(town: Town) -> None:
    """A database as homes of before have it: another provider, the same answers."""
    [here] = await town.rows(
        "SELECT datlocprovider, search_fold('STRASSE İI ΟΔΟΣ ВЕЧЕР') AS folded FROM pg_database"
        " WHERE datname = current_database()"
    )
    assert here.folded == "strasse ii οδοσ вечер"
    provider = here.datlocprovider
    assert (provider.decode() if isinstance(provider, bytes) else provider) == "b"
    [other] = await town.rows("SELECT lower('ΟΔΟΣ ВЕЧЕР' COLLATE \"pg_c_utf8\") AS folded")
    assert other.folded == "οδοσ вечер"
