"""``/chat``: the owner and one further person are in the conversation, nobody else knows of it."""

from __future__ import annotations

from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, OWNER, Private, Row, told

AT = "/chat/conversations/{conversation_id}"
INSIDE = told(401, 404, 404, 200)
INSIDE_EMPTY = told(401, 404, 404, 204)
WORDS = {"content": "Are you coming?"}


async def create_data(town: Town, private: Private) -> None:
    owner, other, further = private.people[OWNER], await town.create_user(), await town.create_user()
    group = {"kind": "group", "title": "Seed swap", "member_ids": [str(other.id)]}
    begun = (await owner.post("/chat/conversations", group)).json()
    sent = (await owner.post(f"/chat/conversations/{begun['id']}/messages", WORDS)).json()
    private.things.update(
        conversation_id=begun["id"], message_id=sent["id"], user_id=str(other.id), further=str(further.id)
    )


ROWS = [
    Row(
        "POST",
        "/chat/conversations",
        told(401, 201, 201, 201),
        lambda it: {"kind": "direct", "user_id": it.things["further"]},
    ),
    Row("GET", "/chat/conversations", ANYONE),
    Row("GET", AT, INSIDE),
    Row("GET", AT + "/messages", INSIDE),
    Row("GET", AT + "/events", INSIDE),
    Row("GET", AT + "/messages/search", INSIDE, query="?q=coming"),
    Row("GET", "/chat/settings", ANYONE),
    Row("PUT", "/chat/settings", ANYONE, lambda _: {"read_receipts": True}),
    Row("POST", AT + "/messages", told(401, 404, 404, 201), lambda _: WORDS),
    Row("PUT", AT + "/messages/{message_id}", INSIDE, lambda _: WORDS),
    Row("DELETE", AT + "/messages/{message_id}", INSIDE_EMPTY),
    Row("PUT", AT + "/messages/{message_id}/reaction", INSIDE, lambda _: {"kind": "helpful"}),
    Row("DELETE", AT + "/messages/{message_id}/reaction", INSIDE_EMPTY),
    Row("PUT", AT + "/read", INSIDE_EMPTY, lambda _: {"event_id": 1}),
    Row("POST", AT + "/members", INSIDE_EMPTY, lambda it: {"user_id": it.things["further"]}),
    Row("DELETE", AT + "/members/{user_id}", INSIDE_EMPTY),
]
