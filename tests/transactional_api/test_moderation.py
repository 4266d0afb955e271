"""From a report to a decision to an appeal: one case a thing, decided once, by somebody whom it does not concern."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from tests.transactional_api.people import Person, Town
from transactional_api.core.security import passwords

ITEM = {
    "title": "A spade",
    "description": "Old.",
    "price": "1.00",
    "currency": "USD",
    "category": "tools",
    "condition": "good",
}
EVENT = {"title": "Seed swap", "description": "Bring seeds.", "start_date": "2090-05-02T14:00:00Z"}


class Court(NamedTuple):
    """Everybody who takes part, and the connector that it is about."""

    town: Town
    owner: Person
    reporter: Person
    mod: Person
    other_mod: Person
    garden: dict[str, Any]


@pytest.fixture
async def court(town: Town, ada: Person, ben: Person, garden: dict[str, Any]) -> Court:
    return Court(town, ada, ben, await town.create_user(role="moderator"), await town.create_user(role="admin"), garden)


async def give_password(town: Town, person: Person) -> dict[str, str]:
    """Let somebody log in, and return what with."""
    password = "a long pass phrase"
    hashed = await passwords.hash_password(password)
    await town.write("UPDATE users SET password_hash = :hashed WHERE id = :id", hashed=hashed, id=person.id)
    return {"email": f"{person.id}@example.org", "password": password}


async def report(town: Town, person: Person, kind: str, subject_id: str, **more: Any) -> str:
    """Report something and return the case."""
    body = {"subject_kind": kind, "subject_id": subject_id, "reason": "spam", **more}
    answer = await person.post("/moderation/reports", body)
    assert answer.status_code == 201, answer.text
    [(case_id,)] = await town.rows(
        "SELECT id FROM moderation_cases WHERE subject_id = :id AND state = 'open'", id=subject_id
    )
    return str(case_id)


async def decide(mod: Person, case: str, outcome: str, **more: Any) -> dict[str, Any]:
    body = {"outcome": outcome, "rule": "Be kind", **more}
    answer = await mod.post(f"/moderation/cases/{case}/decision", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def cases(mod: Person) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    cursor: dict[str, str] = {}
    while True:
        page = (await mod.get("/moderation/cases", limit=100, **cursor)).json()
        found |= {one["id"]: one for one in page["items"]}
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_reports_of_one_thing_are_one_case_with_a_first_look(
    town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden, content="Buy cheap pills now, you idiot")
    people = [await town.create_user() for _ in range(4)]
    reasons = ["spam", "spam", "fraud", "harassment"]
    body = {"subject_kind": "post", "subject_id": post["id"]}
    await asyncio.gather(
        *(
            person.post("/moderation/reports", body | {"reason": reason})
            for person, reason in zip(people, reasons, strict=True)
            for _ in range(2)
        )
    )
    case_id = await report(town, ben, "post", post["id"])
    await town.run_jobs()
    case = (await cases(mod))[case_id]
    assert (case["report_count"], case["reasons"]) == (5, {"fraud": 1, "harassment": 1, "spam": 3})
    assert case["content_snapshot"] == "Buy cheap pills now, you idiot"
    assert case["triage"]["source"] == "rules"
    assert [one["subject_id"] for one in (await ben.get("/moderation/reports")).json()["items"]] == [post["id"]]


async def make(kind: str, owner: Person, other: Person, garden: dict[str, Any]) -> tuple[str, str | None]:
    """Make one of a kind; return its id and where it is read."""
    if kind == "user":
        return str(owner.id), None
    if kind == "connector":
        made = await owner.make_connector()
        return made["id"], f"/connectors/{made['id']}"
    if kind == "post":
        made = await owner.make_post(garden)
        return made["id"], f"/posts/{made['id']}"
    if kind == "comment":
        post = await other.make_post(garden)
        made = (await owner.post(f"/posts/{post['id']}/comments", {"content": "Yes"})).json()
        return made["id"], f"/posts/{post['id']}/comments"
    if kind == "message":
        begun = (await owner.post("/chat/conversations", {"kind": "direct", "user_id": str(other.id)})).json()
        path = f"/chat/conversations/{begun['id']}/messages"
        return (await owner.post(path, {"content": "Hello"})).json()["id"], None
    paths = {"event": ("/events", EVENT), "item": ("/marketplace/items", ITEM), "review": ("/reviews", None)}
    path, body = paths[kind]
    review = {"title": "Fine", "content": "Good.", "rating": 4}
    made = (await owner.post(path, {**(body or review), "connector_id": garden["id"]})).json()
    return made["id"], f"{path}/{made['id']}"


@pytest.mark.parametrize("kind", ["connector", "post", "comment", "item", "review"])
async def test_what_is_removed_is_gone_until_an_appeal_brings_it_back(court: Court, kind: str) -> None:
    town, ada, ben, mod, other_mod, garden = court
    subject, path = await make(kind, ada, ben, garden)
    assert path is not None

    async def seen() -> Any:
        answer = await ben.get(path)
        return [one["id"] for one in answer.json()["items"]] if kind == "comment" else answer.status_code

    before = await seen()
    case = await report(town, ben, kind, subject)
    decision = await decide(mod, case, "remove")
    await town.run_jobs()
    assert await seen() in (404, [])
    appeal = (await ada.post(f"/moderation/decisions/{decision['id']}/appeal", {"statement": "It is fine."})).json()
    own = await mod.post(f"/moderation/appeals/{appeal['id']}/decision", {"overturn": True})
    assert (own.status_code, own.json()["code"]) == (403, "same_moderator")
    granted = await other_mod.post(f"/moderation/appeals/{appeal['id']}/decision", {"overturn": True})
    assert granted.json()["state"] == "overturned"
    assert await seen() == before
    again = await other_mod.post(f"/moderation/appeals/{appeal['id']}/decision", {"overturn": False})
    assert again.json()["code"] == "already_decided"
    await town.run_jobs()
    titles = [one["title"] for one in (await ada.get("/notifications")).json()["items"]]
    assert titles[0] == "Your appeal was granted"
    assert "A moderator removed your content" in titles


async def test_counts_follow_what_is_hidden_and_shown(
    town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    await decide(mod, await report(town, ben, "post", post["id"]), "hide", until=soon())
    assert (await ben.get(f"/connectors/{garden['id']}")).json()["post_count"] == 0
    await town.write(
        "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'moderation.expire' AND status = 'todo'"
    )
    await town.run_jobs()
    assert (await ben.get(f"/posts/{post['id']}")).status_code == 200
    assert (await ben.get(f"/connectors/{garden['id']}")).json()["post_count"] == 1


def soon() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.mark.parametrize("kind", ["user", "message", "event", "post"])
async def test_a_suspension_lasts_until_the_decision_is_reversed(court: Court, kind: str) -> None:
    town, ada, ben, mod, other_mod, garden = court
    subject, _ = await make(kind, ben, ada, garden)
    credentials = await give_password(town, ben)
    appeal = credentials | {"statement": "It was my brother."}
    assert (await town.nobody.post("/moderation/suspension/appeal", appeal)).status_code == 404
    decision = await decide(mod, await report(town, ada, kind, subject), "suspend", until=soon())
    assert (await ben.get("/users/profile")).status_code == 401
    refused = await town.nobody.post("/users/login", credentials)
    assert (refused.status_code, refused.json()["code"]) == (403, "suspended")
    made = await town.nobody.post("/moderation/suspension/appeal", appeal)
    assert (made.status_code, made.json()["decision_id"]) == (201, decision["id"])
    again = await town.nobody.post("/moderation/suspension/appeal", appeal)
    assert (again.status_code, again.json()["code"]) == (409, "already_appealed")
    await other_mod.post(f"/moderation/appeals/{made.json()['id']}/decision", {"overturn": True})
    assert (await ben.get("/users/profile")).status_code == 200
    assert (await town.nobody.post("/users/login", credentials)).status_code == 200


@pytest.mark.parametrize(
    ("role", "judge", "status"),
    [
        ("admin", "moderator", 403),
        ("moderator", "moderator", 403),
        ("moderator", "admin", 201),
        ("admin", "admin", 201),
        ("member", "moderator", 201),
    ],
)
async def test_only_an_admin_suspends_a_moderator_or_an_admin(
    town: Town, ada: Person, role: str, judge: str, status: int
) -> None:
    accused, judging = await town.create_user(role=role), await town.create_user(role=judge)
    case = await report(town, ada, "user", str(accused.id))
    answer = await judging.post(f"/moderation/cases/{case}/decision", {"outcome": "suspend", "rule": "Be kind"})
    assert answer.status_code == status
    [(until,)] = await town.rows("SELECT suspended_until FROM users WHERE id = :id", id=accused.id)
    assert (until is None) == (status == 403)


async def test_only_whose_account_it_is_learns_that_it_is_suspended(court: Court) -> None:
    town, _, ben, *_ = court
    credentials = await give_password(town, ben)
    await town.write("UPDATE users SET suspended_until = '9999-01-01T00:00:00Z' WHERE id = :id", id=ben.id)
    wrong = credentials | {"password": "another long pass phrase"}
    assert (await town.nobody.post("/users/login", wrong)).json()["code"] == "wrong_credentials"
    answer = await town.nobody.post("/moderation/suspension/appeal", wrong | {"statement": "Let me in."})
    assert answer.json()["code"] == "wrong_credentials"
    assert "permanently" in (await town.nobody.post("/users/login", credentials)).json()["detail"]


@pytest.mark.parametrize("kind", ["user", "message"])
async def test_people_and_messages_are_not_hidden(court: Court, kind: str) -> None:
    town, ada, ben, mod, _, garden = court
    subject, _ = await make(kind, ben, ada, garden)
    case = await report(town, ada, kind, subject)
    answer = await mod.post(f"/moderation/cases/{case}/decision", {"outcome": "hide", "rule": "Be kind"})
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_be_hidden")


async def test_a_case_is_decided_once_and_a_later_report_opens_another(
    court: Court,
) -> None:
    town, ada, ben, mod, other_mod, garden = court
    post = await ada.make_post(garden)
    case = await report(town, ben, "post", post["id"])
    body = {"outcome": "keep", "rule": "It is fine"}
    answers = await asyncio.gather(*(one.post(f"/moderation/cases/{case}/decision", body) for one in (mod, other_mod)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert await report(town, ben, "post", post["id"]) != case


async def test_nobody_judges_their_own(town: Town, ben: Person, mod: Person) -> None:
    connector = await mod.make_connector()
    assert (
        await mod.post(
            "/moderation/reports", {"subject_kind": "connector", "subject_id": connector["id"], "reason": "spam"}
        )
    ).json()["code"] == "own_content"
    case = await report(town, ben, "connector", connector["id"])
    for method, path in (("PUT", "assignee"), ("POST", "decision")):
        body = {"outcome": "keep", "rule": "Mine"} if path == "decision" else None
        answer = await mod.request(method, f"/moderation/cases/{case}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "own_content")


async def test_a_case_is_taken_and_given_back(
    town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]
) -> None:
    post = await ada.make_post(garden)
    case = await report(town, ben, "post", post["id"])
    assert (await mod.request("PUT", f"/moderation/cases/{case}/assignee")).json()["assignee_id"] == str(mod.id)
    mine = (await mod.get("/moderation/cases", mine=True)).json()["items"]
    assert [one["id"] for one in mine] == [case]
    assert (await mod.delete(f"/moderation/cases/{case}/assignee")).json()["assignee_id"] is None


async def test_the_log_names_nobody(town: Town, ada: Person, ben: Person, mod: Person, garden: dict[str, Any]) -> None:
    post = await ada.make_post(garden)
    await decide(mod, await report(town, ben, "post", post["id"]), "label", label="Disputed")
    answer = await ben.get("/moderation/log", limit=1)
    assert answer.json()["items"][0]["outcome"] == "label"
    assert not any(str(person.id) in answer.text for person in (ada, ben, mod))
    assert post["id"] not in answer.text


async def test_what_is_nobodys_is_removed_all_the_same(town: Town, ada: Person, ben: Person, mod: Person) -> None:
    imported = await ada.make_connector()
    await town.write("UPDATE connectors SET created_by = NULL WHERE id = :id", id=imported["id"])
    case = await report(town, ben, "connector", imported["id"])
    suspend = await mod.post(f"/moderation/cases/{case}/decision", {"outcome": "suspend", "rule": "Be kind"})
    assert (suspend.status_code, suspend.json()["code"]) == (409, "subject_has_no_owner")
    await decide(mod, case, "remove")
    assert (await ben.get(f"/connectors/{imported['id']}")).status_code == 404
