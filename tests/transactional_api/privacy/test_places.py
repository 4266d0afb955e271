"""Where data lies, and for how long: one registry that the database is held against."""

from __future__ import annotations

from neighborconnect.contracts.privacy import DATA_INVENTORY, DATABASE_LOCATIONS, ErasureAction
from tests.transactional_api.people import Person, Town
from transactional_api.core.db.base import Base
from transactional_api.core.db.embeddings import EMBEDDINGS
from transactional_api.governance.privacy import erasure_job
from transactional_api.governance.privacy.retention import RETENTION_POLICIES, purge


def test_the_registry_has_every_column_that_names_a_person() -> None:
    keys = {
        (table.name, key.parent.name)
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name == "users"
    }
    known = {(location.name, location.subject_key) for location in DATABASE_LOCATIONS}
    others = {("embeddings", "subject_id"), ("search_documents", "subject_id"), ("retired_usernames", "name_hash")}
    assert known == keys | others | {("users", "id"), ("audit_log", "actor_id")}
    assert len({location.label for location in DATA_INVENTORY}) == len(DATA_INVENTORY)


def test_steps_and_fates_agree_with_the_columns() -> None:
    for location in DATABASE_LOCATIONS:
        table = EMBEDDINGS if location.name == EMBEDDINGS.name else Base.metadata.tables[location.name]
        column = table.columns[location.subject_key]
        if location.action is ErasureAction.UNLINKED:
            assert column.nullable, location.label
        if location.action is ErasureAction.REDACTED and location.name != "users":
            assert f"{location.name}.{location.subject_key}" in erasure_job.STEPS, location.label


async def test_users_can_read_the_data_inventory(ada: Person) -> None:
    inventory = (await ada.get("/privacy/data-inventory")).json()
    assert len(inventory["locations"]) == len(DATA_INVENTORY)
    assert {policy["data"] for policy in inventory["retention_policies"]} == {
        policy.data for policy in RETENTION_POLICIES
    }


async def test_retention_purges_old_data_only(town: Town, ada: Person) -> None:
    connector = await ada.make_connector()
    old, new, standing = [await ada.make_post(connector) for _ in range(3)]
    for post in (old, new):
        await ada.delete(f"/posts/{post['id']}")
    ages = {old["id"]: 91, new["id"]: 1, standing["id"]: 1_000}
    for post_id, days in ages.items():
        await town.write(
            "UPDATE posts SET updated_at = now() - make_interval(days => :days) WHERE id = :id", days=days, id=post_id
        )
    ended = await purge(town.app.state.engine)
    words = {
        str(row.id): row.content
        for row in await town.rows("SELECT id, content FROM posts WHERE author_id = :id", id=ada.id)
    }
    assert (words[old["id"]], bool(words[new["id"]]), bool(words[standing["id"]])) == ("", True, True)
    assert ended["text of deleted posts"] >= 1
