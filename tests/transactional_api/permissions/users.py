"""``/users``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, ANYONE_EMPTY, OWNER, Private, Row, told

TOKEN = {"refresh_token": "x" * 40}
PROOF = {"token": "x" * 40}
PASSWORDS = {"current_password": "not this one", "password": "another long pass phrase"}
UNKNOWN_TOKEN = told(422, 422, 422, 422)


def registration(_: Private) -> dict[str, Any]:
    name = uuid4().hex
    return {
        "email": f"{name}@example.org",
        "username": name,
        "password": "a long pass phrase",
        "first_name": "Ada",
        "last_name": "Okafor",
    }


async def create_data(_town: Town, private: Private) -> None:
    private.things["session_id"] = private.people[OWNER].session_id


ROWS = [
    Row("POST", "/users/register", told(201, 201, 201, 201), registration),
    Row(
        "POST", "/users/login", told(401, 401, 401, 401), lambda _: {"email": f"{uuid4()}@example.org", "password": "x"}
    ),
    Row("POST", "/users/refresh", told(401, 401, 401, 401), lambda _: TOKEN),
    Row("POST", "/users/logout", told(204, 204, 204, 204), lambda _: TOKEN),
    Row(
        "POST",
        "/users/web-session",
        told(401, 401, 401, 401),
        lambda _: {"email": f"{uuid4()}@example.org", "password": "x"},
    ),
    Row("POST", "/users/web-session/exchange", told(401, 401, 401, 401), lambda _: TOKEN),
    # Of a cookie alone, which none of them has.
    Row("GET", "/users/web-session", told(401, 401, 401, 401)),
    Row("POST", "/users/web-session/renew", told(401, 401, 401, 401)),
    Row("DELETE", "/users/web-session", told(401, 401, 401, 401)),
    Row("GET", "/users/profile", ANYONE),
    Row("PUT", "/users/profile", ANYONE, lambda _: {"first_name": "Ada", "last_name": "Okafor"}),
    Row("PATCH", "/users/profile", ANYONE, lambda _: {"first_name": "Ada"}),
    Row("PUT", "/users/profile/home", ANYONE, lambda _: {"latitude": 40.6, "longitude": -73.9}),
    Row("DELETE", "/users/profile/home", ANYONE),
    Row("GET", "/users/search", ANYONE),
    Row("GET", "/users", ANYONE, query=f"?ids={uuid4()}"),
    Row("GET", "/users/by-username", told(401, 404, 404, 404), query=f"?username={uuid4().hex}"),
    Row("GET", "/users/username-availability", told(200, 200, 200, 200), query=f"?username={uuid4().hex}"),
    Row("POST", "/users/verify-email", UNKNOWN_TOKEN, lambda _: PROOF),
    Row("POST", "/users/verify-email/resend", ANYONE_EMPTY),
    Row(
        "POST",
        "/users/password/forgot",
        told(204, 204, 204, 204),
        lambda _: {"email": f"{uuid4()}@example.org"},
    ),
    Row("POST", "/users/undo", UNKNOWN_TOKEN, lambda _: PROOF),
    Row("POST", "/users/password/reset", UNKNOWN_TOKEN, lambda _: PROOF | {"password": "another long pass phrase"}),
    Row("PUT", "/users/password", told(401, 403, 403, 403), lambda _: PASSWORDS),
    Row("GET", "/users/second-factor", ANYONE),
    Row("POST", "/users/second-factor", told(401, 403, 403, 403), lambda _: {"password": "not this one"}),
    Row("POST", "/users/second-factor/confirm", told(401, 409, 409, 409), lambda _: {"code": "123456"}),
    Row("POST", "/users/second-factor/disable", told(401, 403, 403, 403), lambda _: {"password": "not this one"}),
    Row("GET", "/users/reputation/history", ANYONE),
    Row("GET", "/users/sessions", ANYONE),
    Row("DELETE", "/users/sessions", ANYONE_EMPTY),
    Row("DELETE", "/users/sessions/{session_id}", told(401, 404, 404, 204)),
    Row("GET", "/users/{user_id}", told(401, 200, 200, 200, blocked=404)),
]
