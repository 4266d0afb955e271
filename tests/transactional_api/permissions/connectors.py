"""``/connectors``; ``user_id`` is a further member, who has also asked to join."""

from __future__ import annotations

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, ANYONE_CREATES, ANYONE_EMPTY, Private, Row, told

BODY = {"name": "Ours", "category": "gardening", "is_public": False}
# A moderator's or admin's business: the owner is one.
TENDED = told(401, 404, 403, 204)
MAX_IDS = told(401, 404, 403, 200)


async def create_data(town: Town, private: Private) -> None:
    other = await town.create_user()
    await town.add_member(other, private.connector)
    await town.ask_to_join(other, private.connector)
    private.things["user_id"] = other.id


ROWS = [
    Row("POST", "/connectors", ANYONE_CREATES, lambda _: BODY),
    Row("GET", "/connectors", ANYONE),
    Row("GET", "/connectors/search", ANYONE, query="?q=garden"),
    Row("GET", "/connectors/discover", ANYONE),
    Row("GET", "/connectors/categories", ANYONE),
    Row("GET", "/connectors/invitations", ANYONE),
    Row("DELETE", "/connectors/invitations/{connector_id}", ANYONE_EMPTY),
    Row("GET", "/connectors/{connector_id}", told(401, 404, 200, 200)),
    Row("PUT", "/connectors/{connector_id}", told(401, 404, 403, 200), lambda _: BODY),
    Row("PATCH", "/connectors/{connector_id}", told(401, 404, 403, 200), lambda _: {"rules": "Be kind."}),
    Row("DELETE", "/connectors/{connector_id}", TENDED),
    Row("POST", "/connectors/{connector_id}/join", told(401, 404, 200, 200)),
    Row("DELETE", "/connectors/{connector_id}/leave", told(401, 404, 204, 409)),
    Row("GET", "/connectors/{connector_id}/live-status", told(401, 404, 200, 200)),
    Row("GET", "/connectors/{connector_id}/members", told(401, 404, 200, 200)),
    Row("PUT", "/connectors/{connector_id}/members/{user_id}", TENDED, lambda _: {"role": "moderator"}),
    Row("DELETE", "/connectors/{connector_id}/members/{user_id}", TENDED),
    Row("GET", "/connectors/{connector_id}/requests", MAX_IDS),
    Row("PUT", "/connectors/{connector_id}/requests/{user_id}", TENDED, lambda _: {"decision": "accept"}),
    Row("GET", "/connectors/{connector_id}/invitations", MAX_IDS),
    Row("POST", "/connectors/{connector_id}/invitations", TENDED, lambda it: {"user_id": str(it.things["user_id"])}),
    Row("DELETE", "/connectors/{connector_id}/invitations/{user_id}", TENDED),
    Row("GET", "/connectors/{connector_id}/bans", MAX_IDS),
    Row("PUT", "/connectors/{connector_id}/bans/{user_id}", TENDED, lambda _: {"reason": "Spam", "days": 7}),
    Row("DELETE", "/connectors/{connector_id}/bans/{user_id}", TENDED),
]
