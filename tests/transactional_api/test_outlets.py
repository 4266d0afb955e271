"""No outlet gives a person words that they may not see: checked after random histories, and kind by kind."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from tests.transactional_api.people import Person, Town
from tests.transactional_api.visibility_history import OUTLETS, TOKEN, History, Outlet, listed, mailed, want_everything
from transactional_api.community.notifications.checks import CHECKS
from transactional_api.core.db.tables import Notification
from transactional_api.core.notices import GROUPED, NoticeKind

STEPS, BETWEEN, WALKS = 48, 16, 2


async def words_in(texts: list[str]) -> set[str]:
    return {word for text in texts for word in TOKEN.findall(text)}


async def check(history: History, *, outlets: list[Outlet]) -> int:
    """Compare outlets of every person with the model; returns how many words they were given."""
    town, given = history.town, 0
    for number, person in enumerate(history.people):
        allowed = history.words_for(number)
        for outlet in outlets:
            shown = await words_in(await outlet(town, person))
            assert shown <= allowed, f"{outlet.__name__} of {number}: {shown - allowed} after {history.steps}"
            given += len(shown)
        items = (await person.get("/notifications", limit=100, unread=True)).json()["items"]
        unread = (await person.get("/notifications/unread")).json()["unread_count"]
        assert unread == len(items), f"{number} after {history.steps}"
    for person in history.people:  # Mail sent while others were checked is old at the next check.
        await mailed(town, person)
    return given


@pytest.mark.parametrize("seed", range(WALKS))
async def test_no_outlet_gives_words_that_the_reader_may_not_see(town: Town, seed: int) -> None:
    people = [await town.create_user() for _ in range(4)]
    for person in people:
        await want_everything(person)
    history = History(town, people, await town.create_user(role="moderator"), seed)
    await history.begin()
    given = 0
    for number in range(STEPS):
        await history.step()
        if number % BETWEEN == BETWEEN - 1:
            await town.run_jobs()
            given += await check(history, outlets=OUTLETS if number == STEPS - 1 else OUTLETS[:3])
    assert given > 0, "nobody was given anything, so nothing was checked"


async def test_queued_letters_and_pushes_are_rendered_when_sent(town: Town, ada: Person, ben: Person) -> None:
    connector = await ada.make_connector()
    await town.add_member(ben, connector)
    await want_everything(ben)
    quiet = {"time_zone": "UTC", "quiet_from": "00:00:00", "quiet_until": "23:59:59", "digest_hour": None}
    await ben.put("/notifications/delivery-schedule", quiet)
    post = await ada.make_post(connector, content=f"tok1x @{ben.id.hex}")
    gone = await ada.make_post(connector, content=f"tok2x @{ben.id.hex}")
    await town.run_jobs()
    stored = await town.rows(
        "SELECT args::text AS args FROM procrastinate_jobs WHERE args->>'user_id' = :id", id=str(ben.id)
    )
    assert len(stored) == 4, "letters of two mentions and two new posts"
    assert not any("tok" in row.args for row in stored), "what waits has no words"
    assert await town.rows("SELECT 1 FROM notifications WHERE user_id = :id AND body LIKE '%tok%'", id=ben.id) == []
    await ada.put(f"/posts/{post['id']}", {"content": f"tok3x @{ben.id.hex}"})
    await ada.delete(f"/posts/{gone['id']}")
    await town.write("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'user_id' = :id", id=str(ben.id))
    await town.run_jobs()
    assert await words_in(await mailed(town, ben)) == {"tok3x"}


def test_every_kind_has_its_check() -> None:
    assert set(CHECKS) == set(NoticeKind)
    assert set(CHECKS) >= GROUPED


async def test_a_kind_without_a_check_is_shown_to_nobody(town: Town, ada: Person, ben: Person) -> None:
    row = {"user_id": ada.id, "notice_id": ben.id, "kind": "new.kind", "subject_kind": "user", "subject_id": ben.id}
    async with town.app.state.engine.begin() as connection:
        await connection.execute(insert(Notification).values(row | {"title": "Hello", "body": ""}))
    assert await listed(town, ada) == []
    assert (await ada.get("/notifications/unread")).json() == {"unread_count": 0}
