"""``/experiments``: admins of the platform look after them, everybody has a variant."""

from __future__ import annotations

from uuid import uuid4

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, Private, Row, told

BODY = {"variants": [{"name": "control", "weight": 1}, {"name": "new", "weight": 1}]}
ADMINS = told(401, 403, 403, 403)


async def create_data(town: Town, private: Private) -> None:
    key = f"try-{uuid4().hex}"
    admin = await town.create_user(role="admin")
    assert (await admin.post(f"/experiments/{key}", BODY)).status_code == 201
    private.things["experiment"] = key


ROWS = [
    Row("GET", "/experiments", ADMINS),
    Row("POST", "/experiments/{experiment}", ADMINS, lambda _: BODY),
    Row("PUT", "/experiments/{experiment}", ADMINS, lambda _: BODY),
    Row("POST", "/experiments/{experiment}/stop", ADMINS, lambda _: {"reason": "enough"}),
    Row("GET", "/experiments/platform", told(403, 403, 403, 403)),
    Row("PUT", "/experiments/{experiment}/readout/platform", told(403, 403, 403, 403), lambda _: {"readout": {}}),
    Row("GET", "/experiments/{experiment}/assignment", ANYONE),
    Row("POST", "/experiments/{experiment}/exposures", ANYONE),
]
