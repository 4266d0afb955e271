"""Requests that fit the OpenAPI document, and many that do not, are answered without a server error."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transactional_api.people import Person, Town
from transactional_api.openapi import PATH

SCHEMA = schemathesis.openapi.from_dict(json.loads(PATH.read_text(encoding="utf-8")))
# A stream does not end; `test_notification_channels.py` reads it.
ENDLESS = {"GET /api/v1/notifications/stream"}
OPERATIONS = [one for one in (found.ok() for found in SCHEMA.get_all_operations()) if one.label not in ENDLESS]
EXAMPLES = 5
# Statuses that any route may answer without declaring them: the request cannot be routed.
ANYWHERE = {404, 405}


@pytest.fixture(scope="module")
async def existing(town: Town) -> tuple[Person, dict[str, str]]:
    """A person, and the ids of what that person owns, by their names in paths."""
    person, other = await town.create_user(), await town.create_user()
    connector = await person.make_connector()
    post = await person.make_post(connector)
    of_connector = {"connector_id": connector["id"]}
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "comment_id": (f"/posts/{post['id']}/comments", {"content": "Here"}),
        "event_id": ("/events", of_connector | {"title": "Seed swap", "start_date": "2090-05-02T16:00:00+02:00"}),
        "item_id": ("/marketplace/items", of_connector | {"title": "Barrow", "price": "25.00", "category": "garden"}),
        "conversation_id": ("/chat/conversations", {"kind": "direct", "user_id": str(other.id)}),
    }
    ids = {"user_id": str(other.id), "connector_id": connector["id"], "post_id": post["id"]}
    for name, (path, body) in bodies.items():
        answer = await person.post(path, body)
        assert answer.is_success, answer.text
        ids[name] = answer.json()["id"]
    return person, ids


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_request_ends_in_a_server_error(
    town: Town, existing: tuple[Person, dict[str, str]], operation: Any, data: st.DataObject
) -> None:
    person, (owner, ids) = await town.create_user(), existing
    case = data.draw(operation.as_strategy())
    known = ids.keys() & case.path_parameters.keys()
    if known and data.draw(st.booleans(), label="ids that exist"):
        case.path_parameters.update({name: ids[name] for name in known})
        # Anything that the owner deletes would be missing in every later request.
        person = person if operation.method.upper() == "DELETE" else owner
    asked = case.as_transport_kwargs(base_url="http://api.test")
    headers = {**dict(asked.get("headers") or {}), "Authorization": f"Bearer {person.token}"}
    words = {
        name: asked[name]
        for name in ("method", "url", "params", "json", "files", "data")
        if asked.get(name) is not None
    }
    try:
        request = town.http.build_request(**words, headers=headers)
    except (UnicodeError, ValueError, TypeError, httpx.InvalidURL):
        return  # No client could put this on the wire.
    answer = await town.http.send(request)
    declared = {int(status) for status in operation.definition.raw["responses"]}
    assert answer.status_code in declared | ANYWHERE, answer.text
