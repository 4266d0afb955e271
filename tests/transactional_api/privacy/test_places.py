"""Where data lies, and for how long: one registry that the database is held against."""

from __future__ import annotations

from neighborconnect.contracts.privacy import DATABASE, PLACES, Fate
from tests.transactional_api.people import Person, Town
from transactional_api.db.base import Base
from transactional_api.db.meanings import MEANINGS
from transactional_api.housekeeping import CLOCKS, turn_clocks
from transactional_api.privacy import forgetting


def test_the_registry_has_every_column_that_names_a_person() -> None:
    keys = {
        (table.name, key.parent.name)
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "users"
    }
    known = {(place.name, place.person) for place in DATABASE}
    others = {("meanings", "subject_id"), ("search_documents", "subject_id")}
    assert known == keys | others | {("users", "id"), ("audit_log", "actor_id")}
    assert len({place.label for place in PLACES}) == len(PLACES)


def test_steps_and_fates_agree_with_the_columns() -> None:
    for place in DATABASE:
        table = MEANINGS if place.name == MEANINGS.name else Base.metadata.tables[place.name]
        column = table.columns[place.person]
        if place.fate is Fate.UNLINKED:
            assert column.nullable, place.label
        if place.fate is Fate.BLANKED and place.name != "users":
            assert f"{place.name}.{place.person}" in forgetting.STEPS, place.label


async def test_everybody_can_see_where_data_lies_and_for_how_long(ada: Person) -> None:
    said = (await ada.get("/privacy/places")).json()
    assert len(said["places"]) == len(PLACES)
    assert {clock["data"] for clock in said["clocks"]} == {clock.data for clock in CLOCKS}


async def test_clocks_end_what_is_old_and_nothing_else(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    old, new, standing = [await ada.make_post(connector) for _ in range(3)]
    for post in (old, new):
        await ada.delete(f"/posts/{post['id']}")
    ages = {old["id"]: 91, new["id"]: 1, standing["id"]: 1_000}
    for post_id, days in ages.items():
        await town.write(
            "UPDATE posts SET updated_at = now() - make_interval(days => :days) WHERE id = :id", days=days, id=post_id
        )
    ended = await turn_clocks(town.app.state.engine)
    words = {
        str(row.id): row.content
        for row in await town.rows("SELECT id, content FROM posts WHERE author_id = :id", id=ada.id)
    }
    assert (words[old["id"]], bool(words[new["id"]]), bool(words[standing["id"]])) == ("", True, True)
    assert ended["words of posts that were deleted"] >= 1
