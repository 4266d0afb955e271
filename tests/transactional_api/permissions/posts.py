"""``/posts``."""

from __future__ import annotations

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, OWNER, Private, Row, told


async def create_data(_town: Town, private: Private) -> None:
    path = f"/posts/{private.post['id']}/comments"
    made = await private.people[OWNER].post(path, {"content": "Here"})
    private.things.update(comment_id=made.json()["id"], kind="following", tag="bees")


COMMENT = "/posts/{post_id}/comments/{comment_id}"
SEEN = told(401, 404, 200, 200, blocked=404)
TENDED = told(401, 404, 403, 204, blocked=404)
ROWS = [
    Row(
        "POST", "/posts", told(401, 404, 201, 201), lambda it: {"connector_id": it.connector["id"], "content": "Hello"}
    ),
    Row("GET", "/posts/connector/{connector_id}", told(401, 404, 200, 200)),
    Row("GET", "/posts/{post_id}", told(401, 404, 200, 200, blocked=404)),
    Row("PUT", "/posts/{post_id}", told(401, 404, 403, 200, blocked=404), lambda _: {"content": "Other words"}),
    Row("DELETE", "/posts/{post_id}", told(401, 404, 403, 204, blocked=404)),
    Row("POST", "/posts/{post_id}/like", told(401, 404, 200, 200, blocked=404)),
    Row("DELETE", "/posts/{post_id}/like", told(401, 404, 200, 200, blocked=404)),
    Row("POST", "/posts/{post_id}/comments", told(401, 404, 201, 201, blocked=404), lambda _: {"content": "Hello"}),
    Row("GET", "/posts/{post_id}/comments", told(401, 404, 200, 200, blocked=404)),
    Row("GET", "/posts/connector/{connector_id}/pinned", told(401, 404, 200, 200)),
    Row("GET", "/posts/feed/{kind}", ANYONE),
    Row("GET", "/posts/tag/{tag}", ANYONE),
    Row("GET", "/posts", ANYONE),
    Row("GET", "/posts/liked", ANYONE),
    Row("GET", "/posts/bookmarks", ANYONE),
    Row("PUT", "/posts/{post_id}/bookmark", told(401, 404, 204, 204, blocked=404)),
    Row("DELETE", "/posts/{post_id}/bookmark", told(401, 404, 204, 204, blocked=404)),
    Row("GET", "/posts/{post_id}/likes", SEEN),
    Row("GET", "/posts/{post_id}/reactions/users", SEEN),
    Row("GET", "/posts/{post_id}/history", SEEN),
    Row("PUT", "/posts/{post_id}/pin", TENDED),
    Row("DELETE", "/posts/{post_id}/pin", TENDED),
    Row("GET", "/posts/{post_id}/reactions", SEEN),
    Row("PUT", "/posts/{post_id}/reaction", SEEN, lambda _: {"kind": "love"}),
    Row("DELETE", "/posts/{post_id}/reaction", SEEN),
    Row("PUT", COMMENT, told(401, 404, 403, 200, blocked=404), lambda _: {"content": "There"}),
    Row("DELETE", COMMENT, TENDED),
    Row("PUT", COMMENT + "/like", SEEN),
    Row("DELETE", COMMENT + "/like", SEEN),
]
