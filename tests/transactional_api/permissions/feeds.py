"""``/interactions``, ``/recommendations``, ``/analysis`` and ``/matching``."""

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
    *(
        Row("POST", f"/{part}/{what}", ANYONE, lambda _: {})
        for part, kinds in (
            ("recommendations", ("content", "connectors", "events", "marketplace")),
            ("matching", ("users", "communities", "interests", "proximity")),
        )
        for what in kinds
    ),
    *(
        Row("POST", f"/analysis/{what}", ANYONE, lambda _: {"text": "A lovely day."})
        for what in ("sentiment", "moderate", "topics", "spam-detection")
    ),
]
