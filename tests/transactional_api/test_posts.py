"""Posts, likes and comments."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transactional_api.people import Person, Town


async def test_a_post_is_shown_with_its_author_and_connector(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector(name="Seed swap")
    made = await ada.make_post(connector, title="Tomatoes", content="Take some.\nPlease.")
    seen = (await ben.get(f"/posts/{made['id']}")).json()
    assert (seen["connector_name"], seen["author"]["id"], seen["content"]) == (
        "Seed swap",
        str(ada.id),
        "Take some.\nPlease.",
    )
    assert (await ben.get(f"/connectors/{connector['id']}")).json()["post_count"] == 1


async def test_only_who_belongs_may_post(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    answer = await ben.post("/posts", {"connector_id": connector["id"], "content": "Hello"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_deleted_post_is_gone_and_no_longer_counted(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    assert (await ada.delete(f"/posts/{post['id']}")).status_code == 204
    assert (await ben.get(f"/posts/{post['id']}")).status_code == 404
    assert (await ada.delete(f"/posts/{post['id']}")).status_code == 404
    assert (await ben.get(f"/posts/connector/{connector['id']}")).json()["items"] == []
    assert (await ada.get(f"/connectors/{connector['id']}")).json()["post_count"] == 0


async def test_a_moderator_may_edit_and_delete_what_others_wrote(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    await town.add_member(ben, connector, role="moderator")
    assert (await ben.put(f"/posts/{post['id']}", {"content": "Calmer words"})).json()["content"] == "Calmer words"
    assert (await ben.delete(f"/posts/{post['id']}")).status_code == 204


async def test_liking_twice_counts_once_and_is_shown_to_who_likes(ada: Person, ben: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    answers = [(await ben.post(f"/posts/{post['id']}/like")).json() for _ in range(2)]
    assert [one["like_count"] for one in answers] == [1, 1]
    assert (await ben.get(f"/posts/{post['id']}")).json()["liked"] is True
    assert (await ada.get(f"/posts/{post['id']}")).json()["liked"] is False


async def test_a_like_does_not_look_like_an_edit(ada: Person, ben: Person) -> None:
    post = await ada.make_post(await ada.make_connector())
    await ben.post(f"/posts/{post['id']}/like")
    assert (await ada.get(f"/posts/{post['id']}")).json()["updated_at"] == post["updated_at"]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=24))
async def test_like_count_is_exact_under_concurrency(town: Town, deeds: list[tuple[int, bool]]) -> None:
    author = await town.create_user()
    post = await author.make_post(await author.make_connector())
    people = [await town.create_user() for _ in range(4)]
    path = f"/posts/{post['id']}/like"
    answers = await asyncio.gather(
        *(people[number].request("POST" if liked else "DELETE", path) for number, liked in deeds)
    )
    assert Counter(answer.status_code for answer in answers) == {200: len(deeds)}
    [(likes,)] = await town.rows("SELECT count(*) FROM post_likes WHERE post_id = :id", id=post["id"])
    assert (await author.get(f"/posts/{post['id']}")).json()["like_count"] == likes


async def test_comments_are_counted_and_listed_oldest_first(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    await ben.post(f"/connectors/{connector['id']}/join")
    first = (await ben.post(f"/posts/{post['id']}/comments", {"content": "I will bring pots."})).json()
    reply = {"content": "Thank you!", "parent_id": first["id"]}
    second = (await ada.post(f"/posts/{post['id']}/comments", reply)).json()
    listed = (await ada.get(f"/posts/{post['id']}/comments")).json()["items"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert (second["parent_id"], second["author"]["id"]) == (first["id"], str(ada.id))
    assert (await ada.get(f"/posts/{post['id']}")).json()["comment_count"] == 2


async def test_a_reply_belongs_to_the_same_post(ada: Person) -> None:
    connector = await ada.make_connector()
    post, other = await ada.make_post(connector), await ada.make_post(connector)
    comment = (await ada.post(f"/posts/{other['id']}/comments", {"content": "Here"})).json()
    for parent_id in (comment["id"], str(uuid4())):
        answer = await ada.post(f"/posts/{post['id']}/comments", {"content": "There", "parent_id": parent_id})
        assert (answer.status_code, answer.json()["code"]) == (422, "parent_not_found")


async def test_posts_of_private_connector_are_hidden_from_outsiders(ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    post = await ada.make_post(connector)
    await ada.put(f"/connectors/{connector['id']}", {"name": "Us", "category": "x", "is_public": False})
    for path in (f"/posts/{post['id']}", f"/posts/connector/{connector['id']}", f"/posts/{post['id']}/comments"):
        assert (await ben.get(path)).status_code == 404
        assert (await ada.get(path)).status_code == 200
