"""Whatever fits the description, and much that does not, is answered without a server error."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transactional_api.people import Town
from transactional_api.app import assemble

SCHEMA = schemathesis.openapi.from_dict(assemble().openapi())
# A stream does not end; `test_notification_channels.py` reads it.
ENDLESS = {"GET /api/v1/notifications/stream"}
OPERATIONS = [one for one in (found.ok() for found in SCHEMA.get_all_operations()) if one.label not in ENDLESS]
EXAMPLES = 5
SENT = ("method", "url", "params", "json", "files", "data")
# What any route may answer besides what it declares: it cannot be routed.
ANYWHERE = {404, 405}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_request_ends_in_a_server_error(town: Town, operation: Any, data: st.DataObject) -> None:
    person = await town.settle()
    asked = data.draw(operation.as_strategy()).as_transport_kwargs(base_url="http://api.test")
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
