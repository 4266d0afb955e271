"""``/users/…``: ties with the owner."""

from __future__ import annotations

from tests.transactional_api.permissions.rows import ANYONE, ANYONE_EMPTY, Row, told

# With oneself there is no tie; who is blocked does not see the owner.
TIE = told(401, 204, 204, 422, blocked=404)

ROWS = [
    Row("GET", "/users/blocks", ANYONE),
    Row("GET", "/users/mutes", ANYONE),
    Row("GET", "/users/{user_id}/followers", told(401, 200, 200, 200, blocked=404)),
    Row("GET", "/users/{user_id}/following", told(401, 200, 200, 200, blocked=404)),
    Row("POST", "/users/{user_id}/follow", TIE),
    Row("DELETE", "/users/{user_id}/follow", told(401, 204, 204, 422)),
    # A blocked person may block back.
    Row("POST", "/users/{user_id}/block", told(401, 204, 204, 422)),
    Row("DELETE", "/users/{user_id}/block", ANYONE_EMPTY),
    Row("POST", "/users/{user_id}/mute", TIE),
    Row("DELETE", "/users/{user_id}/mute", ANYONE_EMPTY),
]
