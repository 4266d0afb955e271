"""``/interactions``, ``/recommendations``, ``/analysis`` and ``/matching``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.transactional_api.permissions.rows import ANYONE, MEMBER, OWNER, Private, Row, told


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


def shared_out(private: Private) -> dict[str, Any]:
    owner, member = (str(private.people[one].id) for one in (OWNER, MEMBER))
    sides = {"offers": [{"user_id": owner}], "seekers": [{"user_id": member}]}
    return {"connector_id": private.connector["id"], **sides}


ROWS = [
    Row("POST", "/interactions", told(401, 202, 202, 202), interaction),
    *(
        Row("POST", f"/{part}/{what}", ANYONE, lambda _: {})
        for part, kinds in (
            ("recommendations", ("content", "connectors", "events", "marketplace")),
            ("matching", ("users", "communities", "interests", "proximity")),
        )
        for what in kinds
    ),
    Row("POST", "/matching/mutual", told(401, 404, 403, 200), shared_out),
    *(
        Row("POST", f"/analysis/{what}", ANYONE, lambda _: {"text": "A lovely day."})
        for what in ("sentiment", "moderate", "topics", "spam-detection")
    ),
]
