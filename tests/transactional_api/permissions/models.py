"""``/models``: the platform's pipelines alone."""

from __future__ import annotations

from uuid import uuid4

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import Private, Row, told

PIPELINES = told(403, 403, 403, 403)


async def create_data(_town: Town, private: Private) -> None:
    private.things["change_id"] = str(uuid4())


ROWS = [
    Row("POST", "/models/changes/platform", PIPELINES),
    Row("POST", "/models/changes/{change_id}/platform", PIPELINES, lambda _: {"is_done": True}),
]
