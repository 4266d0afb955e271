"""Objects show the people in them: one short form everywhere, and none across a block."""

from __future__ import annotations

import json
from typing import Any

from tests.transactional_api.people import Person, Town
from transactional_api.openapi import PATH

SCHEMAS = json.loads(PATH.read_text(encoding="utf-8"))["components"]["schemas"]

EMBEDDED = {
    "PostOut": {"author"},
    "CommentOut": {"author"},
    "EventOut": {"host"},
    "AttendeeOut": {"user"},
    "ItemOut": {"seller"},
    "PurchaseOut": {"buyer", "seller"},
    "SellerOut": {"seller"},
    "SellerReviewOut": {"author"},
    "ReviewOut": {"author"},
    "MessageOut": {"author"},
    "ChatEventOut": {"user"},
    "Participant": {"user"},
    "NotificationOut": {"actor"},
    "NotificationGroup": {"actors"},
    "StoryOut": {"author"},
    "ReelOut": {"author"},
    "MemberOut": {"user"},
    "JoinRequestOut": {"user"},
    "InvitationOut": {"user"},
    "ReceivedInvitation": {"inviter"},
    "BanOut": {"user"},
    "RelatedUser": {"user"},
    "PostLiker": {"user"},
    "PostReactor": {"user"},
    "QuotedMessage": {"author"},
}


def short(person: Person, name: str) -> dict[str, Any]:
    """Return the short form of a person without a picture."""
    return {"id": str(person.id), "username": person.id.hex, "display_name": f"{name} Okafor", "avatar_url": None}


def test_every_role_is_the_same_schema() -> None:
    for name, roles in EMBEDDED.items():
        fields = SCHEMAS[name]["properties"]
        for role in roles:
            assert "#/components/schemas/Person" in json.dumps(fields[role]), f"{name}.{role}"
            assert role in SCHEMAS[name]["required"]
    people = {name for name, schema in SCHEMAS.items() if '/Person"' in json.dumps(schema)}
    assert people == EMBEDDED.keys()


async def test_objects_show_their_people(ada: Person, ben: Person, garden: dict[str, Any], town: Town) -> None:
    of_ada, of_ben = short(ada, "Ada"), short(ben, "Ben")
    item = {"connector_id": garden["id"], "title": "Rake", "price": "5.00", "category": "tools"}
    sold = (await ada.post("/marketplace/items", item)).json()
    assert sold["seller"] == of_ada
    purchase = (await ben.post(f"/marketplace/items/{sold['id']}/buy")).json()
    assert (purchase["seller"], purchase["buyer"]) == (of_ada, of_ben)

    talk = (await ada.post("/chat/conversations", {"kind": "direct", "user_id": str(ben.id)})).json()
    assert sorted((one["user"] for one in talk["members"]), key=lambda user: user["display_name"]) == [of_ada, of_ben]
    path = f"/chat/conversations/{talk['id']}"
    sent = [await ben.post(f"{path}/messages", {"content": "Hello", "client_id": "c1"}) for _ in range(2)]
    message = sent[0].json()
    edited = await ben.put(f"{path}/messages/{message['id']}", {"content": "Hi"})
    listed = (await ada.get(f"{path}/messages")).json()["items"]
    assert [one["author"] for one in (message, sent[1].json(), edited.json(), *listed)] == [of_ben] * 4
    events = (await ada.get(f"{path}/events")).json()["items"]
    assert [event["user"] for event in events] == [of_ada, of_ben, of_ben, of_ben]

    await town.run_jobs()
    notices = (await ada.get("/notifications")).json()["items"]
    assert {notice["kind"] for notice in notices if notice["actor"] == of_ben} >= {"item.bought", "message.created"}

    await town.block(ben, ada)
    seen = (await ada.get("/marketplace/purchases/" + purchase["id"])).json()
    assert (seen["seller"], seen["buyer"]) == (of_ada, None)
    members = (await ada.get(path)).json()["members"]
    assert sorted((member["user"] for member in members), key=str) == sorted([of_ada, None], key=str)
    events = (await ada.get(f"{path}/events")).json()["items"]
    assert [event["user"] for event in events] == [of_ada, None, None, None]
