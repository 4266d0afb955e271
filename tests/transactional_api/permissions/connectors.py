"""``/connectors``."""

from __future__ import annotations

from tests.transactional_api.permissions.rows import ANYONE, ANYONE_CREATES, Row, told

BODY = {"name": "Ours", "category": "gardening", "is_public": False}

ROWS = [
    Row("POST", "/connectors", ANYONE_CREATES, lambda _: BODY),
    Row("GET", "/connectors", ANYONE),
    Row("GET", "/connectors/search", ANYONE, query="?q=garden"),
    Row("GET", "/connectors/{connector_id}", told(401, 404, 200, 200)),
    Row("PUT", "/connectors/{connector_id}", told(401, 404, 403, 200), lambda _: BODY),
    Row("POST", "/connectors/{connector_id}/join", told(401, 404, 200, 200)),
    Row("GET", "/connectors/{connector_id}/members", told(401, 404, 200, 200)),
    Row("DELETE", "/connectors/{connector_id}/leave", told(401, 404, 204, 409)),
]
