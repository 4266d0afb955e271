"""Standing follows what others say, changes once when it changes, and never falls under zero."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.transactional_api.people import Person, Town
from transactional_api.identity.users.reputation_history import recalculate_batch


async def count(town: Town, person: Person) -> list[dict[str, Any]]:
    """Count everybody again, and return how the person's standing changed so far, the last first."""
    after: UUID | None = UUID(int=0)
    while after is not None:
        async with town.app.state.context.transaction() as session:
            after, _ = await recalculate_batch(session, after=after)
    return list((await person.get("/users/reputation/history")).json()["items"])


@pytest.fixture
async def post(ada: Person) -> dict[str, Any]:
    return await ada.make_post(await ada.make_connector())


async def test_likes_of_others_count_and_ones_own_do_not(
    town: Town, ada: Person, ben: Person, post: dict[str, Any]
) -> None:
    for person in (ada, ben):
        await person.post(f"/posts/{post['id']}/like")
    [change] = await count(town, ada)
    assert (change["reputation"], change["parts"]) == (1, {"likes_of_posts": 1})
    assert (await ben.get(f"/users/{ada.id}")).json()["reputation"] == 1
    assert len(await count(town, ada)) == 1, "nothing changed since"
    await ben.delete(f"/posts/{post['id']}/like")
    assert [one["reputation"] for one in await count(town, ada)] == [0, 1]


async def test_removed_content_lowers_reputation_until_it_is_restored(
    town: Town, ada: Person, ben: Person, post: dict[str, Any]
) -> None:
    moderator = await town.create_user(role="moderator")
    other = await ada.make_post({"id": post["connector_id"]})
    for _ in range(3):
        await (await town.create_user()).post(f"/posts/{other['id']}/like")
    await count(town, ada)
    await ben.post("/moderation/reports", {"subject_kind": "post", "subject_id": post["id"], "reason": "spam"})
    [(case,)] = await town.rows("SELECT id FROM moderation_cases WHERE subject_id = :id", id=post["id"])
    await moderator.post(f"/moderation/cases/{case}/decision", {"outcome": "hide", "rule": "Be kind"})
    [last, *_] = await count(town, ada)
    assert (last["reputation"], last["parts"]) == (0, {"likes_of_posts": 3, "moderated_content": 1})
    await town.write("UPDATE moderation_decisions SET undone_at = now() WHERE case_id = :id", id=case)
    assert (await count(town, ada))[0]["reputation"] == 3
