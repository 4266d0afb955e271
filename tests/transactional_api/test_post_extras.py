"""Versions, pins, reactions, tags, mentions, likes of comments, and the plain feeds of posts."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.transactional_api.people import Person, Town, somewhere
from transactional_api.community.posts.engagement import MAX_PINNED
from transactional_api.community.posts.hashtags import extract_hashtags
from transactional_api.identity.users.usernames import mentions_in


async def ids(person: Person, path: str, **params: Any) -> list[str]:
    answer = await person.get(path, **params)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


async def test_what_a_post_said_before_is_kept(ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    post = await ben.make_post(garden, content="First", title="One")
    assert post["edited"] is False
    for words in ("Second", "Second", "Third"):
        edited = (await ben.put(f"/posts/{post['id']}", {"content": words})).json()
    assert (edited["content"], edited["title"], edited["edited"]) == ("Third", None, True)
    versions = (await ada.get(f"/posts/{post['id']}/history")).json()["items"]
    assert [(one["content"], one["title"]) for one in versions] == [("Second", None), ("First", "One")]


async def test_edits_at_the_same_time_lose_no_version(ben: Person, garden: dict[str, Any]) -> None:
    post = await ben.make_post(garden, content="0")
    await asyncio.gather(*(ben.put(f"/posts/{post['id']}", {"content": str(n)}) for n in range(1, 6)))
    versions = (await ben.get(f"/posts/{post['id']}/history")).json()["items"]
    now = (await ben.get(f"/posts/{post['id']}")).json()["content"]
    assert sorted([now, *(one["content"] for one in versions)]) == [str(n) for n in range(6)]


async def test_pinned_posts_come_first_and_are_few(ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    posts = [await ben.make_post(garden) for _ in range(MAX_PINNED + 2)]
    answers = await asyncio.gather(*(ada.request("PUT", f"/posts/{one['id']}/pin") for one in posts))
    assert sorted(answer.status_code for answer in answers) == [204] * MAX_PINNED + [409] * 2
    path = f"/posts/connector/{garden['id']}/pinned"
    pinned = await ids(ben, path)
    assert len(pinned) == MAX_PINNED
    assert (await ben.get(f"/posts/{pinned[0]}")).json()["pinned"] is True
    assert (await ada.request("PUT", f"/posts/{pinned[0]}/pin")).status_code == 204
    await ada.delete(f"/posts/{pinned[0]}/pin")
    await ada.delete(f"/posts/{pinned[1]}")
    assert await ids(ben, path) == pinned[2:]


async def test_everyone_has_one_reaction(town: Town, ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    post = await ben.make_post(garden)
    path = f"/posts/{post['id']}/reaction"
    for kind in ("love", "helpful"):
        await ada.put(path, {"kind": kind})
    await (await town.create_user()).put(path, {"kind": "helpful"})
    assert (await ben.get(path + "s")).json() == {"counts": {"helpful": 2}, "viewer_reaction": None}
    assert (await ada.delete(path)).json() == {"counts": {"helpful": 1}, "viewer_reaction": None}
    assert (await ada.put(path, {"kind": "furious"})).status_code == 422


async def test_like_and_reaction_of_a_user_are_independent(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    path = f"/posts/{(await ada.make_post(garden))['id']}"
    await ben.post(f"{path}/like")
    for kind in ("love", "care"):
        assert (await ben.put(f"{path}/reaction", {"kind": kind})).is_success
    await town.run_jobs()
    assert sorted(one["kind"] for one in (await ada.get("/notifications")).json()["items"]) == [
        "post.liked",
        "post.reacted",
    ]
    assert (await ben.delete(f"{path}/like")).json()["like_count"] == 0
    assert (await ben.get(f"{path}/reactions")).json() == {"counts": {"care": 1}, "viewer_reaction": "care"}
    await ben.post(f"{path}/like")
    await ben.delete(f"{path}/reaction")
    shown = (await ben.get(path)).json()
    assert (shown["liked"], shown["like_count"]) == (True, 1)


async def test_setting_the_same_reaction_again_writes_nothing(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    versions = []
    for kind in ("love", "love", "care"):
        await ben.put(f"/posts/{post['id']}/reaction", {"kind": kind})
        [(version,)] = await town.rows("SELECT xmin::text FROM post_reactions WHERE post_id = :id", id=post["id"])
        versions.append(version)
    assert versions[0] == versions[1] != versions[2]


async def test_a_comment_like_is_removed_under_its_own_post_only(
    ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    post, other = await ada.make_post(garden), await ada.make_post(garden)
    at = f"/posts/{post['id']}/comments"
    comment = (await ada.post(at, {"content": "Yes"})).json()["id"]
    await ben.put(f"{at}/{comment}/like")
    assert (await ben.delete(f"/posts/{other['id']}/comments/{comment}/like")).status_code == 404
    assert (await ben.get(at)).json()["items"][0]["like_count"] == 1


async def test_tags_follow_the_words(ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    tag = f"bees{uuid4().hex[:10]}"
    post = await ada.make_post(garden, content=f"Look: #{tag.upper()}!")
    assert await ids(ben, f"/posts/tag/{tag}") == [post["id"]]
    await ada.put(f"/posts/{post['id']}", {"content": "Look!", "title": "Bees"})
    assert await ids(ben, f"/posts/tag/{tag}") == []


def test_what_is_a_tag_and_what_a_mention() -> None:
    assert extract_hashtags("#Bees and #bees, #café_2 at #1 in a#b http://x/#top &#39;") == ["bees", "café_2"]
    assert mentions_in("@Ada.Okafor, @ben. ada@example.org @@x @") == ["ada.okafor", "ben"]


async def test_who_is_mentioned_hears_of_it_if_they_may_see_it(town: Town, ada: Person, ben: Person) -> None:
    outsider, blocker, cara = [await town.create_user() for _ in range(3)]
    private = await ada.make_connector(is_public=False)
    for person in (ben, blocker):
        await town.add_member(person, private)
    await town.block(blocker, ada)
    words = " ".join(f"@{person.id.hex}" for person in (ben, outsider, blocker, ada, cara))
    post = await ada.make_post(private, content=f"Hello {words} @nobody.at.all")
    await ada.post(f"/posts/{post['id']}/comments", {"content": f"Once more, @{ben.id.hex}"})
    await town.run_jobs()

    async def told(person: Person) -> list[str]:
        return [one["kind"] for one in (await person.get("/notifications")).json()["items"]]

    assert [await told(one) for one in (ben, outsider, blocker, ada, cara)] == [["mentioned"], [], [], [], []]


async def test_comments_are_liked_replaced_and_deleted(ada: Person, ben: Person, garden: dict[str, Any]) -> None:
    post = await ada.make_post(garden)
    at = f"/posts/{post['id']}/comments"
    made = (await ben.post(at, {"content": "Yes"})).json()
    reply = (await ada.post(at, {"content": "Good", "parent_id": made["id"]})).json()
    answers = await asyncio.gather(*(ada.put(f"{at}/{made['id']}/like") for _ in range(3)))
    assert {answer.json()["like_count"] for answer in answers} == {1}
    assert (await ada.get(at)).json()["items"][0]["liked"] is True
    assert (await ada.delete(f"{at}/{made['id']}/like")).json()["like_count"] == 0
    assert (await ben.put(f"{at}/{made['id']}", {"content": "No"})).json()["content"] == "No"
    assert (await ada.put(f"{at}/{made['id']}", {"content": "Mine"})).status_code == 403
    assert (await ada.delete(f"{at}/{made['id']}")).status_code == 204
    assert await ids(ben, at) == [reply["id"]]
    assert (await ben.get(f"/posts/{post['id']}")).json()["comment_count"] == 1
    other = await ada.make_post(garden)
    assert (await ada.delete(f"/posts/{other['id']}/comments/{reply['id']}")).status_code == 404


async def test_feeds_contain_followed_joined_and_nearby_posts(town: Town, ada: Person) -> None:
    reader, cara = await town.create_user(), await town.create_user()
    here = somewhere()
    near, joined, other = [await ada.make_connector(point=point) for point in (here, None, None)]
    await reader.post(f"/connectors/{joined['id']}/join")
    await cara.post(f"/connectors/{other['id']}/join")
    await reader.post(f"/users/{cara.id}/follow")
    posts = [await ada.make_post(near), await ada.make_post(joined), await cara.make_post(other)]
    got = {kind: await ids(reader, f"/posts/feed/{kind}", **here) for kind in ("nearby", "connectors", "following")}
    assert got == {kind: [post["id"]] for kind, post in zip(got, posts, strict=True)}
    assert (await reader.get("/posts/feed/nearby")).status_code == 422
    await reader.post(f"/users/{cara.id}/mute")
    assert await ids(reader, "/posts/feed/following") == []


async def test_a_feed_neither_repeats_nor_skips_when_new_posts_arrive(town: Town, ada: Person, ben: Person) -> None:
    garden = await ada.make_connector()
    await ben.post(f"/connectors/{garden['id']}/join")
    made = [(await ada.make_post(garden))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await ben.get("/posts/feed/connectors", limit=2, **cursor)).json()
        seen += [one["id"] for one in page["items"]]
        await ada.make_post(garden)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == made[::-1]
