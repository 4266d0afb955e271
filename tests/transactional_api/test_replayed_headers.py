"""Idempotent replays: every write that declares a response header returns it again."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi.routing import APIRoute

from tests.transactional_api.people import Person, Town
from transactional_api.app import ROUTERS

OF_EACH_REQUEST = {"x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
CONNECTOR = {"name": "Dean Street Gardeners", "category": "gardening"}
ITEM = {"title": "Spade", "price": "5.00", "category": "tools"}
REVIEW = {"title": "Kind", "content": "Very", "rating": 5}


def writes_with_headers(document: dict[str, Any]) -> dict[str, set[str]]:
    """Return the declared headers of a successful write by operation id."""
    return {
        operation["operationId"]: headers
        for operations in document["paths"].values()
        for method, operation in operations.items()
        if method != "get"
        and (headers := {name for code in operation["responses"] for name in _headers(operation, code)})
    }


def _headers(operation: dict[str, Any], code: str) -> dict[str, Any]:
    return dict(operation["responses"][code].get("headers", {})) if code.startswith("2") else {}


class TestReplayedHeaders:
    def test_every_write_that_sets_a_header_declares_it(self, town: Town) -> None:
        declared = writes_with_headers(town.app.openapi())
        routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
        setting: dict[str, set[str]] = {}
        for route in routes:
            source = inspect.getsource(inspect.unwrap(route.endpoint))
            names = {name for name, sign in {"ETag": "set_etag(", "Location": '"Location"'}.items() if sign in source}
            if names and "GET" not in route.methods:
                setting[str(route.operation_id)] = names
        assert setting
        assert declared == setting

    async def test_a_replay_returns_every_declared_header(self, town: Town, ada: Person, ben: Person) -> None:
        connector = await ada.make_connector()
        post = await ada.make_post(connector)
        await town.add_member(ben, connector)
        of_it = {"connector_id": connector["id"]}
        event_body = {"title": "Swap", "start_date": (datetime.now(UTC) + timedelta(days=3)).isoformat()}
        event = (await ada.post("/events", event_body | of_it)).json()
        review = (await ben.post("/reviews", REVIEW | of_it)).json()
        items = [(await ada.post("/marketplace/items", ITEM | of_it)).json() for _ in range(3)]
        purchases = [(await ben.post(f"/marketplace/items/{item['id']}/buy")).json() for item in items[1:]]
        item, bought = f"/marketplace/items/{items[0]['id']}", "/marketplace/purchases/{}/{}"
        writes: dict[str, tuple[Person, str, str, Any]] = {
            "replaceProfile": (ada, "PUT", "/users/profile", {"first_name": "Ada", "last_name": "Okafor"}),
            "replaceConnector": (ada, "PUT", f"/connectors/{connector['id']}", CONNECTOR),
            "changeProfile": (ada, "PATCH", "/users/profile", {"city": "Lyon"}),
            "changeConnector": (ada, "PATCH", f"/connectors/{connector['id']}", {"rules": "Be kind."}),
            "changeEvent": (ada, "PATCH", f"/events/{event['id']}", {"location": "Hall"}),
            "changeItem": (ada, "PATCH", item, {"condition": "good"}),
            "replacePost": (ada, "PUT", f"/posts/{post['id']}", {"content": "The compost is ready, too."}),
            "replaceEvent": (ada, "PUT", f"/events/{event['id']}", event_body),
            "replaceItem": (ada, "PUT", item, ITEM),
            "reserveItem": (ben, "PUT", f"{item}/reservation", None),
            "buyItem": (ben, "POST", f"{item}/buy", {"expected_price": "5.00"}),
            "completePurchase": (ada, "POST", bought.format(purchases[0]["id"], "complete"), None),
            "cancelPurchase": (ben, "POST", bought.format(purchases[1]["id"], "cancel"), None),
            "replaceReview": (ben, "PUT", f"/reviews/{review['id']}", REVIEW),
        }
        declared = writes_with_headers(town.app.openapi())
        assert set(writes) == set(declared), "a write that returns a header needs a request here"
        for name, (person, method, path, body) in writes.items():
            key = {"Idempotency-Key": uuid4().hex}
            first, second = [await person.request(method, path, json=body, headers=key) for _ in range(2)]
            assert first.is_success, (name, first.text)
            assert (second.status_code, second.content) == (first.status_code, first.content), name
            own, replayed = (
                {header: value for header, value in answer.headers.items() if header not in OF_EACH_REQUEST}
                for answer in (first, second)
            )
            assert {header.lower() for header in declared[name]} <= set(own), name
            assert replayed == own | {"idempotent-replayed": "true"}, name
