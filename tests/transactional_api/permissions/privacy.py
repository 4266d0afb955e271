"""``/privacy``: everybody's own, and the platform's report."""

from __future__ import annotations

from uuid import uuid4

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, OWNER, Private, Row, told

OWNERS = told(401, 404, 404, 200)


async def create_data(_town: Town, private: Private) -> None:
    answer = await private.people[OWNER].post("/privacy/exports")
    private.things.update(export_id=answer.json()["id"], purpose="research", code="x" * 40, erasure_id=str(uuid4()))


ROWS = [
    Row("GET", "/privacy/data-inventory", ANYONE),
    Row("GET", "/privacy/consents", ANYONE),
    Row("GET", "/privacy/consents/history", ANYONE),
    Row("PUT", "/privacy/consents/{purpose}", ANYONE, lambda _: {"granted": True}),
    Row("POST", "/privacy/exports", told(401, 202, 202, 409)),
    Row("GET", "/privacy/exports", ANYONE),
    Row("GET", "/privacy/exports/{export_id}", OWNERS),
    Row(
        "POST",
        "/privacy/erasures",
        told(401, 403, 403, 403),
        lambda _: {"password": "not this one", "keep_words": False},
    ),
    Row("GET", "/privacy/receipts/{code}", told(404, 404, 404, 404)),
    Row("GET", "/privacy/receipt-keys", told(200, 200, 200, 200)),
    Row("GET", "/privacy/platform/exports", told(403, 403, 403, 403)),
    Row("GET", "/privacy/platform/erasures", told(403, 403, 403, 403)),
    Row("POST", "/privacy/exports/{export_id}/platform", told(403, 403, 403, 403)),
    Row("POST", "/privacy/erasures/{erasure_id}/platform", told(403, 403, 403, 403), lambda _: {"lines": []}),
]
