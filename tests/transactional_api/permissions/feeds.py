"""``/interactions`` and ``/recommendations``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.transactional_api.permissions.rows import ANYONE, Private, Row, told


def interaction(private: Private) -> dict[str, Any]:
    return {
        "interactions": [
            {
                "kind": "click",
                "item_kind": "post",
                "item_id": private.post["id"],
                "request_id": str(uuid4()),
                "occurred_at": datetime.now(UTC).isoformat(),
            }
        ]
    }


ROWS = [
    Row("POST", "/interactions", told(401, 202, 202, 202), interaction),
    Row("POST", "/recommendations/content", ANYONE, lambda _: {}),
    Row("POST", "/recommendations/connectors", ANYONE, lambda _: {}),
]
