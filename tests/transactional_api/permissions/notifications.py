"""``/notifications``: everybody has their own, and reaches no other."""

from __future__ import annotations

from tests.transactional_api.permissions.rows import ANYONE, Row

ROWS = [
    Row("GET", "/notifications", ANYONE),
    Row("GET", "/notifications/unread", ANYONE),
    Row("POST", "/notifications/mark-read", ANYONE, lambda _: {}),
    Row("GET", "/notifications/preferences", ANYONE),
    Row("PUT", "/notifications/preferences", ANYONE, lambda _: {"preferences": []}),
]
