"""``/posts``."""

from __future__ import annotations

from tests.transactional_api.permissions.rows import Row, told

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
]
