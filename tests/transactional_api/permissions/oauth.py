"""``/oauth``, and logging in with other services, of which the tests' platform knows none."""

from __future__ import annotations

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, ANYONE_CREATES, OWNER, Private, Row, told

APP = {"name": "Street Calendar", "redirect_uris": ["https://calendar.example.org/callback"]}
NOBODYS = told(404, 404, 404, 404)
RETURNED = {"code": "x", "state": "x" * 20, "binding": "x" * 20}


async def create_data(_town: Town, private: Private) -> None:
    made = (await private.people[OWNER].post("/oauth/apps", APP)).json()
    private.things.update(app_id=made["id"], provider="local")


ROWS = [
    Row("POST", "/oauth/apps", ANYONE_CREATES, lambda _: APP),
    Row("GET", "/oauth/apps", ANYONE),
    Row("DELETE", "/oauth/apps/{app_id}", told(401, 404, 404, 204)),
    Row("GET", "/oauth/authorize", NOBODYS, query="?client_id=x&redirect_uri=https://example.org"),
    Row("POST", "/oauth/authorize", told(422, 422, 422, 422)),
    Row("POST", "/oauth/token", told(422, 422, 422, 422)),
    Row("GET", "/users/login/providers", told(200, 200, 200, 200)),
    Row("POST", "/users/login/{provider}/begin", NOBODYS),
    Row("POST", "/users/login/{provider}", NOBODYS, lambda _: RETURNED),
    Row("GET", "/users/links", ANYONE),
    Row("POST", "/users/links/{provider}", told(401, 404, 404, 404), lambda _: RETURNED),
    Row("DELETE", "/users/links/{provider}", told(401, 404, 404, 404)),
]
