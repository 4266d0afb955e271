"""Following, blocking and muting."""

from __future__ import annotations

from tests.transactional_api.people import Person, Town


async def names(person: Person, path: str) -> list[str]:
    return [one["user_id"] for one in (await person.get(path)).json()["items"]]


async def test_following_shows_on_both_sides_once_and_is_told_once(town: Town, ada: Person, ben: Person) -> None:
    for _ in range(2):
        assert (await ben.post(f"/users/{ada.id}/follow")).status_code == 204
    assert await names(ada, f"/users/{ada.id}/followers") == [str(ben.id)]
    assert await names(ada, f"/users/{ben.id}/following") == [str(ada.id)]
    await ben.delete(f"/users/{ada.id}/follow")
    await ben.post(f"/users/{ada.id}/follow")
    await town.run_jobs()
    assert [one["kind"] for one in (await ada.get("/notifications")).json()["items"]] == ["user.followed"]


async def test_a_block_ends_both_follows_and_hides_both_people(ada: Person, ben: Person) -> None:
    await ben.post(f"/users/{ada.id}/follow")
    await ada.post(f"/users/{ben.id}/follow")
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    await ada.post(f"/users/{ben.id}/block")
    assert [await names(ada, f"/users/{ada.id}/{side}") for side in ("followers", "following")] == [[], []]
    assert [(await one.get(f"/users/{other.id}")).status_code for one, other in ((ada, ben), (ben, ada))] == [404, 404]
    assert (await ben.get(f"/posts/{post['id']}")).status_code == 404
    assert (await ben.get(f"/posts/connector/{connector['id']}")).json()["items"] == []
    assert await names(ada, "/users/blocks") == [str(ben.id)]
    assert await names(ben, "/users/blocks") == []

    await ada.delete(f"/users/{ben.id}/block")
    assert (await ben.get(f"/posts/{post['id']}")).status_code == 200


async def test_a_list_of_followers_leaves_out_whom_the_viewer_blocks(town: Town, ada: Person, ben: Person) -> None:
    third = await town.create_user()
    for person in (ben, third):
        await person.post(f"/users/{ada.id}/follow")
    await ben.post(f"/users/{third.id}/block")
    assert await names(ben, f"/users/{ada.id}/followers") == [str(ben.id)]
    assert await names(ada, f"/users/{ada.id}/followers") == [str(third.id), str(ben.id)]


async def test_muting_is_kept_and_taken_back(ada: Person, ben: Person) -> None:
    await ada.post(f"/users/{ben.id}/mute")
    assert (await names(ada, "/users/mutes"), await names(ben, "/users/mutes")) == ([str(ben.id)], [])
    await ada.delete(f"/users/{ben.id}/mute")
    assert await names(ada, "/users/mutes") == []
