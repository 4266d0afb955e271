"""An upload is read by its owner and by readers of what shows it, for as long as they may see that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_moderation import cases, decide

ITEM = {"title": "Wheelbarrow", "price": "25.00", "category": "garden"}


async def status(reader: Person, upload: dict[str, Any]) -> int:
    return (await reader.get(f"/media/{upload['id']}")).status_code


@pytest.fixture
async def private(town: Town, ada: Person, ben: Person) -> dict[str, Any]:
    """A private connector of Ada's that Ben is in."""
    made = await ada.make_connector(is_public=False)
    await town.add_member(ben, made)
    return made


@pytest.fixture
async def upload(town: Town, ada: Person) -> dict[str, Any]:
    return await town.keep_upload(ada, jpeg())


async def show(kind: str, ada: Person, place: dict[str, Any], upload: dict[str, Any]) -> str:
    """Show an upload in a connector, and return the path of what shows it."""
    path, body = {
        "post": ("/posts", {"content": "Ripe", "media_ids": [upload["id"]]}),
        "item": ("/marketplace/items", {**ITEM, "media_ids": [upload["id"]]}),
        "story": ("/stories", {"title": "Ripe", "media_id": upload["id"]}),
        "reel": ("/reels", {"title": "Ripe", "media_id": upload["id"]}),
    }[kind]
    answer = await ada.post(path, {"connector_id": place["id"], **body})
    assert answer.status_code == 201, answer.text
    return f"{path}/{answer.json()['id']}"


async def test_an_upload_that_nothing_shows_is_its_owners_alone(
    ada: Person, ben: Person, upload: dict[str, Any]
) -> None:
    assert (await status(ada, upload), await status(ben, upload)) == (200, 404)


@pytest.mark.parametrize("kind", ["post", "item", "story", "reel"])
async def test_only_current_members_see_an_upload(
    town: Town, ada: Person, ben: Person, private: dict[str, Any], kind: str
) -> None:
    upload = await town.keep_upload(ada, video() if kind == "reel" else jpeg())
    shown = await show(kind, ada, private, upload)
    stranger, member = [await town.create_user() for _ in range(2)]
    await town.add_member(member, private)
    assert [await status(one, upload) for one in (ada, ben, member, stranger)] == [200, 200, 200, 404]
    answer = await ada.put(f"/connectors/{private['id']}/bans/{ben.id}", {"reason": "Spam"})
    assert answer.status_code == 204, answer.text
    assert [await status(one, upload) for one in (member, ben)] == [200, 404]
    assert (await ada.delete(shown)).status_code == 204
    assert [await status(one, upload) for one in (ada, member, ben, stranger)] == [200, 404, 404, 404]


@pytest.mark.parametrize("kind", ["post", "item", "story"])
async def test_public_upload_is_hidden_from_banned_and_blocked_people(  # noqa: PLR0917 (fixtures)
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], upload: dict[str, Any], kind: str
) -> None:
    await show(kind, ada, garden, upload)
    blocked, stranger = [await town.create_user() for _ in range(2)]
    assert [await status(one, upload) for one in (ben, blocked, stranger)] == [200, 200, 200]
    await town.block(ada, blocked)
    await ada.put(f"/connectors/{garden['id']}/bans/{ben.id}", {"reason": "Spam"})
    assert [await status(one, upload) for one in (ben, blocked, stranger)] == [404, 404, 200]


async def test_a_block_of_the_author_hides_an_upload_of_another_person(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any], upload: dict[str, Any]
) -> None:
    reader = await town.create_user()
    post = await ben.make_post(garden)
    edit = {"content": "With a picture", "media_ids": [upload["id"]]}
    assert (await ada.put(f"/posts/{post['id']}", edit)).status_code == 200
    assert await status(reader, upload) == 200
    await town.block(reader, ben)
    assert await status(reader, upload) == 404


@pytest.mark.parametrize("table", ["posts", "marketplace_items", "media_captions"])
async def test_an_upload_in_hidden_content_is_visible_to_its_owner(  # noqa: PLR0917 (fixtures)
    town: Town, ada: Person, ben: Person, private: dict[str, Any], upload: dict[str, Any], table: str
) -> None:
    kind = {"posts": "post", "marketplace_items": "item", "media_captions": "story"}[table]
    shown = await show(kind, ada, private, upload)
    assert await status(ben, upload) == 200
    await town.write(f"UPDATE {table} SET is_active = false WHERE id = :id", id=shown.rpartition("/")[2])
    assert (await status(ada, upload), await status(ben, upload)) == (200, 404)


async def test_the_history_of_a_post_shows_its_former_pictures(
    ada: Person, ben: Person, private: dict[str, Any], upload: dict[str, Any]
) -> None:
    shown = await show("post", ada, private, upload)
    assert (await ada.put(shown, {"content": "Without"})).json()["media_ids"] == []
    assert await status(ben, upload) == 200
    assert (await ada.delete(shown)).status_code == 204
    assert await status(ben, upload) == 404


async def test_an_upload_is_visible_if_any_of_its_references_is(
    town: Town, ada: Person, private: dict[str, Any], garden: dict[str, Any], upload: dict[str, Any]
) -> None:
    stranger = await town.create_user()
    await show("post", ada, private, upload)
    assert await status(stranger, upload) == 404
    await show("story", ada, private, upload)
    public = await show("story", ada, garden, upload)
    assert await status(stranger, upload) == 200
    await town.write("UPDATE media_documents SET expires_at = now() WHERE id = :id", id=public.rpartition("/")[2])
    assert await status(stranger, upload) == 404


async def test_members_see_the_upload_of_a_message_until_its_deletion(
    town: Town, ada: Person, ben: Person, upload: dict[str, Any]
) -> None:
    stranger, third = [await town.create_user() for _ in range(2)]
    body = {"kind": "group", "title": "Helpers", "member_ids": [str(ben.id), str(third.id)]}
    talk = f"/chat/conversations/{(await ada.post('/chat/conversations', body)).json()['id']}"
    sent = (await ada.post(f"{talk}/messages", {"content": "Look", "media_ids": [upload["id"]]})).json()
    assert [await status(one, upload) for one in (ada, ben, third, stranger)] == [200, 200, 200, 404]
    assert (await ada.delete(f"{talk}/members/{third.id}")).status_code == 204
    assert [await status(one, upload) for one in (ben, third)] == [200, 404]
    assert (await ada.delete(f"{talk}/messages/{sent['id']}")).is_success
    assert [await status(one, upload) for one in (ada, ben)] == [200, 404]


async def test_after_a_block_a_message_shows_its_upload_no_more(
    town: Town, ada: Person, ben: Person, upload: dict[str, Any]
) -> None:
    talk = (await ada.post("/chat/conversations", {"kind": "direct", "user_id": str(ben.id)})).json()
    await ada.post(f"/chat/conversations/{talk['id']}/messages", {"content": "Look", "media_ids": [upload["id"]]})
    assert await status(ben, upload) == 200
    await town.block(ben, ada)
    assert await status(ben, upload) == 404


async def test_members_and_invited_people_see_the_connector_picture(
    town: Town, ada: Person, ben: Person, upload: dict[str, Any]
) -> None:
    made = await ada.make_connector(is_public=False, media_id=upload["id"])
    stranger, invited = [await town.create_user() for _ in range(2)]
    await town.add_member(ben, made)
    row = "INSERT INTO connector_invitations (connector_id, user_id, invited_by) VALUES (:at, :invited, :ada)"
    await town.write(row, at=made["id"], invited=invited.id, ada=ada.id)
    assert [await status(one, upload) for one in (ben, invited, stranger)] == [200, 200, 404]
    assert (await ada.delete(f"/connectors/{made['id']}/members/{ben.id}")).status_code == 204
    assert await status(ben, upload) == 404


async def test_a_moderator_sees_a_reported_upload_while_it_is_open(
    ada: Person, ben: Person, mod: Person, private: dict[str, Any], upload: dict[str, Any]
) -> None:
    await show("post", ada, private, upload)
    assert await status(mod, upload) == 404
    body = {"subject_kind": "upload", "subject_id": upload["id"], "reason": "privacy"}
    assert (await ben.post("/moderation/reports", body)).status_code == 201
    assert await status(mod, upload) == 200
    (case,) = [one for one in (await cases(mod)).values() if one["subject_id"] == upload["id"]]
    await decide(mod, case["id"], "keep")
    assert await status(mod, upload) == 404


async def test_a_profile_picture_is_hidden_from_blocked_people(
    town: Town, ada: Person, ben: Person, upload: dict[str, Any]
) -> None:
    blocked = await town.create_user()
    await town.block(ada, blocked)
    assert (await ada.put("/users/profile/avatar", {"media_id": upload["id"]})).status_code == 200
    assert [await status(one, upload) for one in (ben, blocked)] == [200, 404]
    assert (await ada.delete("/users/profile/avatar")).status_code == 200
    assert await status(ben, upload) == 404
