"""A client that sends no headers opens its stream with a ticket: once, at once, and for itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from neighborconnect.telemetry import get_logger
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_notification_channels import announce
from transactional_api.community.notifications import tickets
from transactional_api.core.http import middleware

STREAM = "/notifications/stream"


async def ticket_of(person: Person) -> str:
    answer = await person.post(f"{STREAM}/tickets")
    assert (answer.status_code, answer.json()["expires_in"]) == (201, tickets.LIFETIME_SECONDS), answer.text
    return str(answer.json()["ticket"])


async def test_a_ticket_opens_the_stream_of_its_person_once(town: Town, ada: Person) -> None:
    begun = await ada.get(STREAM, seconds=0)
    ticket = await ticket_of(ada)
    opened = await town.nobody.get(STREAM, seconds=0, ticket=ticket)
    assert (opened.status_code, opened.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
    assert opened.text == begun.text
    assert (await town.nobody.get(STREAM, seconds=0, ticket=ticket)).status_code == 401


async def test_one_ticket_opens_one_of_several_concurrent_streams(town: Town, ada: Person) -> None:
    ticket = await ticket_of(ada)
    answers = await asyncio.gather(*(town.nobody.get(STREAM, seconds=0, ticket=ticket) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_a_stream_resumes_after_an_event_that_the_address_names(town: Town, ada: Person) -> None:
    begun = await ada.get(STREAM, seconds=0)
    after = begun.text.split("id: ")[1].split("\n")[0]
    await announce(town, ada)
    resumed = await town.nobody.get(STREAM, seconds=0, ticket=await ticket_of(ada), after=after)
    assert "event: notification" in resumed.text
    assert "event: started" not in resumed.text
    wrong = await town.nobody.get(STREAM, seconds=0, ticket=await ticket_of(ada), after="nonsense")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_cursor")
    by_header = await ada.request("GET", STREAM, params={"seconds": 0}, headers={"Last-Event-ID": "nonsense"})
    assert (by_header.status_code, by_header.json()["code"]) == (422, "invalid_cursor")


async def test_a_ticket_opens_nothing_else(town: Town, ada: Person) -> None:
    ticket = await ticket_of(ada)
    refused = await town.nobody.get("/notifications", ticket=ticket)
    assert refused.status_code == 422  # The parameter is the stream's alone.
    as_token = Person(ada.id, ada.http, ticket)
    assert (await as_token.get("/notifications")).status_code == 401


@pytest.mark.parametrize("how", ["log out", "suspend", "close", "expire"])
async def test_a_ticket_ends_with_its_session_account_or_time(town: Town, ada: Person, how: str) -> None:
    ticket = await ticket_of(ada)
    if how == "log out":
        await ada.delete(f"/users/sessions/{ada.session_id}")
    elif how == "suspend":
        await town.write("UPDATE users SET suspended_until = now() + interval '1 day' WHERE id = :id", id=ada.id)
    elif how == "close":
        await town.write("UPDATE users SET is_active = false WHERE id = :id", id=ada.id)
    else:
        redis = town.app.state.redis
        (key,) = [
            key async for key in redis.scan_iter("stream-ticket:*") if str(ada.id).encode() in await redis.get(key)
        ]
        assert 0 < await redis.ttl(key) <= tickets.LIFETIME_SECONDS
        await redis.expire(key, 0)
    assert (await town.nobody.get(STREAM, seconds=0, ticket=ticket)).status_code == 401


@pytest.mark.parametrize("ticket", ["", "x", "x" * 43, "x" * 65, "%00"])
async def test_a_ticket_that_was_never_issued_is_refused(town: Town, ticket: str) -> None:
    answer = await town.nobody.get(STREAM, seconds=0, ticket=ticket)
    assert answer.status_code == (422 if len(ticket) > 64 else 401)


@pytest.fixture
def verbose_logs() -> Iterator[None]:
    """Log what the processes log by default."""
    before = structlog.get_config()
    structlog.configure(**before | {"wrapper_class": structlog.make_filtering_bound_logger(logging.INFO)})
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("verbose_logs")
async def test_a_ticket_is_stored_as_its_digest_and_is_in_no_log(
    town: Town, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An earlier test may have used the module's logger, which then keeps its configuration.
    monkeypatch.setattr(middleware, "log", get_logger(middleware.__name__))
    with capture_logs() as logs:
        ticket = await ticket_of(ada)
        stored = [key async for key in town.app.state.redis.scan_iter("*")]
        await town.nobody.get(STREAM, seconds=0, ticket=ticket)
        await town.nobody.get(STREAM, seconds=0, ticket=ticket)
    assert [one["event"] for one in logs].count("request.completed") == 3
    assert ticket not in str(logs)
    assert not [key for key in stored if ticket in str(key)]
