"""``/users``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.transactional_api.permissions.rows import ANYONE, Private, Row, told

TOKEN = {"refresh_token": "x" * 40}


def registration(_: Private) -> dict[str, Any]:
    name = uuid4().hex
    return {
        "email": f"{name}@example.org",
        "username": name,
        "password": "a long pass phrase",
        "first_name": "Ada",
        "last_name": "Okafor",
    }


ROWS = [
    Row("POST", "/users/register", told(201, 201, 201, 201), registration),
    Row(
        "POST", "/users/login", told(401, 401, 401, 401), lambda _: {"email": f"{uuid4()}@example.org", "password": "x"}
    ),
    Row("POST", "/users/refresh", told(401, 401, 401, 401), lambda _: TOKEN),
    Row("POST", "/users/logout", told(204, 204, 204, 204), lambda _: TOKEN),
    Row("GET", "/users/profile", ANYONE),
    Row("PUT", "/users/profile", ANYONE, lambda _: {"first_name": "Ada", "last_name": "Okafor"}),
    Row("GET", "/users/search", ANYONE),
    Row("GET", "/users/{user_id}", told(401, 200, 200, 200, blocked=404)),
]
