"""``/interactions``, ``/recommendations``, ``/analysis`` and ``/matching``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, MEMBER, OWNER, Private, Row, told


async def create_data(_town: Town, private: Private) -> None:
    answer = await private.people[OWNER].post("/recommendations/content", {})
    given = await private.people[OWNER].post("/recommendations/feedback", of_the_post(private))
    private.things.update(
        item_kind="post",
        item_id=uuid4(),
        request_id=answer.json()["request_id"],
        feedback_id=given.json()["feedback_id"],
    )


def of_the_post(private: Private) -> dict[str, Any]:
    return {"kind": "post", "id": private.post["id"], "signal": "more_like_this"}


def interaction(private: Private) -> dict[str, Any]:
    return {
        "interactions": [
            {
                "kind": "click",
                "item_kind": "post",
                "item_id": private.post["id"],
                "request_id": str(uuid4()),  # Taken or not, the report is answered.
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
    Row("GET", "/interactions/hides", ANYONE),
    Row("DELETE", "/interactions/hides/{item_kind}/{item_id}", told(401, 404, 404, 404)),
    *(
        Row("POST", f"/{part}/{what}", ANYONE, lambda _: {})
        for part, kinds in (
            ("recommendations", ("home", "content", "connectors", "events", "marketplace")),
            ("matching", ("users", "communities", "interests", "proximity")),
        )
        for what in kinds
    ),
    Row("POST", "/recommendations/feedback", told(401, 404, 200, 200, blocked=404), of_the_post),
    Row("GET", "/recommendations/feedback", ANYONE),
    Row("DELETE", "/recommendations/feedback/{feedback_id}", told(401, 404, 404, 204)),
    Row("GET", "/recommendations/preferences", ANYONE),
    Row("PATCH", "/recommendations/preferences", ANYONE, lambda _: {"near": 1}),
    Row("POST", "/recommendations/preferences/preview", ANYONE, lambda _: {}),
    Row("POST", "/recommendations/preferences/reset", ANYONE),
    Row("DELETE", "/recommendations/preferences/reset", told(401, 204, 204, 204)),
    Row("GET", "/recommendations/{request_id}", told(401, 404, 404, 200)),
    # For admins of the platform, whom no connector makes.
    Row("POST", "/recommendations/{request_id}/replay", told(401, 403, 403, 403), lambda _: {}),
    Row("POST", "/matching/mutual", told(401, 404, 403, 200), shared_out),
    *(
        Row("POST", f"/analysis/{what}", ANYONE, lambda _: {"text": "A lovely day."})
        for what in ("sentiment", "moderate", "topics", "spam-detection")
    ),
]
