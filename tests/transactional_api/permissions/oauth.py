"""``/oauth``, and logging in with other services, of which the tests' platform knows none."""

from __future__ import annotations

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, ANYONE_CREATES, OWNER, Private, Row, told

APP = {"name": "Street Calendar", "redirect_uris": ["https://calendar.example.org/callback"]}
WEBHOOK = {"url": "http://127.0.0.1:9/webhooks", "event_types": ["post.created"]}
NOBODYS = told(404, 404, 404, 404)
RETURNED = {"code": "x", "state": "x" * 20, "binding": "x" * 20}


async def create_data(_town: Town, private: Private) -> None:
    made = (await private.people[OWNER].post("/oauth/apps", APP)).json()
    hook = (await private.people[OWNER].post(f"/oauth/apps/{made['id']}/webhooks", WEBHOOK)).json()
    private.things.update(app_id=made["id"], webhook_id=hook["id"], provider="local")


ROWS = [
    Row("POST", "/oauth/apps", ANYONE_CREATES, lambda _: APP),
    Row("GET", "/oauth/apps", ANYONE),
    Row("POST", "/oauth/apps/{app_id}/webhooks", told(401, 404, 404, 201), lambda _: WEBHOOK),
    Row("GET", "/oauth/apps/{app_id}/webhooks", told(401, 404, 404, 200)),
    Row("GET", "/oauth/apps/{app_id}/webhooks/{webhook_id}", told(401, 404, 404, 200)),
    Row("PUT", "/oauth/apps/{app_id}/webhooks/{webhook_id}", told(401, 404, 404, 200), lambda _: WEBHOOK),
    Row("POST", "/oauth/apps/{app_id}/webhooks/{webhook_id}/secret", told(401, 404, 404, 200)),
    Row("POST", "/oauth/apps/{app_id}/webhooks/{webhook_id}/test", told(401, 404, 404, 202)),
    Row("GET", "/oauth/apps/{app_id}/webhooks/{webhook_id}/deliveries", told(401, 404, 404, 200)),
    Row("DELETE", "/oauth/apps/{app_id}/webhooks/{webhook_id}", told(401, 404, 404, 204)),
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
