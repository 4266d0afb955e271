"""``/moderation``: anyone reports what they see; the queue is the moderators', whom no connector makes."""

from __future__ import annotations

from uuid import uuid4

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, OWNER, Private, Row, told

MODERATORS = told(401, 403, 403, 403)
ABOUT_OWNER = told(401, 404, 404, 201)
RULE = {"rule": "Be kind"}


async def create_data(town: Town, private: Private) -> None:
    """A case about something of the owner's that is open, and one that is decided."""
    moderator, reporter = await town.create_user(role="moderator"), await town.create_user()
    await town.add_member(reporter, private.connector)
    ids = {}
    for name in ("open", "decided"):
        post = await private.people[OWNER].make_post(private.connector)
        body = {"subject_kind": "post", "subject_id": post["id"], "reason": "spam"}
        assert (await reporter.post("/moderation/reports", body)).status_code == 201
        [(ids[name],)] = await town.rows("SELECT id FROM moderation_cases WHERE subject_id = :id", id=post["id"])
    decided = await moderator.post(f"/moderation/cases/{ids['decided']}/decision", {"outcome": "hide", **RULE})
    private.things.update(case_id=ids["open"], decision_id=decided.json()["id"], appeal_id=ids["open"])


ROWS = [
    Row(
        "POST",
        "/moderation/reports",
        told(401, 404, 201, 409, blocked=404),
        lambda it: {"subject_kind": "post", "subject_id": it.post["id"], "reason": "spam"},
    ),
    Row("GET", "/moderation/reports", ANYONE),
    Row("GET", "/moderation/log", ANYONE),
    Row("GET", "/moderation/decisions", ANYONE),
    Row("POST", "/moderation/decisions/{decision_id}/appeal", ABOUT_OWNER, lambda _: {"statement": "It is no spam."}),
    Row(
        "POST",
        "/moderation/suspension/appeal",
        told(401, 401, 401, 401),
        lambda _: {"email": f"{uuid4()}@example.org", "password": "x", "statement": "It was not me."},
    ),
    Row("GET", "/moderation/cases", MODERATORS),
    Row("PUT", "/moderation/cases/{case_id}/assignee", MODERATORS),
    Row("DELETE", "/moderation/cases/{case_id}/assignee", MODERATORS),
    Row("POST", "/moderation/cases/{case_id}/decision", MODERATORS, lambda _: {"outcome": "keep", **RULE}),
    Row("GET", "/moderation/appeals", MODERATORS),
    Row("POST", "/moderation/appeals/{appeal_id}/decision", MODERATORS, lambda _: {"overturn": True}),
]
