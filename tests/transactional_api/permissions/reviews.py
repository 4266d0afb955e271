"""``/reviews``; the one in ``things`` is the owner's."""

from __future__ import annotations

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import OWNER, Private, Row, told

BODY = {"title": "A warm welcome", "content": "They lent me a spade.", "rating": 5}
SEEN = told(401, 404, 200, 200, blocked=404)
WRITERS = told(401, 404, 403, 200, blocked=404)
VOTES = told(401, 404, 200, 409, blocked=404)


async def create_data(_town: Town, private: Private) -> None:
    answer = await private.people[OWNER].post("/reviews", BODY | {"connector_id": private.connector["id"]})
    private.things["review_id"] = answer.json()["id"]


ROWS = [
    Row("POST", "/reviews", told(401, 404, 201, 409), lambda it: BODY | {"connector_id": it.connector["id"]}),
    Row("GET", "/reviews/connector/{connector_id}", told(401, 404, 200, 200)),
    Row("GET", "/reviews/analytics/{connector_id}", told(401, 404, 200, 200)),
    Row("GET", "/reviews/{review_id}", SEEN),
    Row("PUT", "/reviews/{review_id}", WRITERS, lambda _: BODY),
    Row("DELETE", "/reviews/{review_id}", told(401, 404, 403, 204, blocked=404)),
    # The owner wrote it, so not even they may hide it.
    Row("PUT", "/reviews/{review_id}/state", told(401, 404, 403, 403, blocked=404), lambda _: {"state": "hidden"}),
    Row("POST", "/reviews/{review_id}/helpful", VOTES),
    Row("DELETE", "/reviews/{review_id}/helpful", VOTES),
]
