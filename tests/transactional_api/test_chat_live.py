"""Conversations over sockets: two API processes' worth of servers that share PostgreSQL and Redis, real clients."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from neighborconnect.settings import Settings
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_chat import AT, direct, events, group, say
from tests.transactional_api.test_jobs import until
from tests.transactional_api.test_web_sessions import sealed
from transactional_api.app import create_app
from transactional_api.community.chat import frames, hub, messages
from transactional_api.community.chat.frames import CloseCode
from transactional_api.community.chat.publisher import ChatPublisher

SECONDS = 20
SMALL_BUFFER = 16 * 1024


class Line:
    """A client's socket that keeps what it hears."""

    def __init__(self, wire: ClientConnection) -> None:
        self.wire = wire
        self.events: list[dict[str, Any]] = []

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of a kind; events on the way are stored."""
        async with asyncio.timeout(SECONDS):
            while True:
                heard: dict[str, Any] = json.loads(await self.wire.recv())
                if heard["type"] == "event":
                    self.events.append(heard)
                if heard["type"] == kind:
                    return heard

    async def hear_until(self, event_id: int) -> list[int]:
        """The numbers of all events, once the given one has come."""
        while not self.events or self.events[-1]["event_id"] < event_id:
            await self.hear("event")
        return [event["event_id"] for event in self.events]

    async def say(self, **said: Any) -> None:
        await self.wire.send(json.dumps(said))

    async def closed(self) -> int | None:
        """The code that the server closed with."""
        async with asyncio.timeout(SECONDS):
            try:
                while True:
                    await self.wire.recv()
            except ConnectionClosed:
                return self.wire.close_code


@pytest.fixture(scope="session")
async def ports(settings: Settings) -> AsyncIterator[list[int]]:
    """The ports of two servers."""
    running = []
    for _ in range(2):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)  # A slow reader fills it soon.
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(settings), log_config=None, access_log=False, ws_max_size=frames.MAX_FRAME_BYTES
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        running.append((listening.getsockname()[1], server, serving))
        await until(partial(getattr, server, "started"))
    yield [port for port, _, _ in running]
    for _, server, serving in running:
        server.should_exit = True
        await serving


@pytest.fixture
async def open_line(ports: list[int]) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:

        async def open_one(
            person: Person, talk: dict[str, Any], *, at: int = 0, after: int = 0, header: bool = True
        ) -> Line:
            url = f"ws://127.0.0.1:{ports[at]}/ws/chat/{talk['id']}?last_event_id={after}"
            headers = {"Authorization": f"Bearer {person.token}"} if header else {}
            # Uncompressed, so that what is written has the size that it takes on the way.
            return Line(await stack.enter_async_context(connect(url, additional_headers=headers, compression=None)))

        yield open_one


async def test_a_browser_connects_by_cookie(town: Town, ada: Person, ben: Person, ports: list[int]) -> None:
    talk = await direct(ada, ben)
    url = f"ws://127.0.0.1:{ports[0]}/ws/chat/{talk['id']}"
    async with connect(url, additional_headers=sealed(town, ada), origin=Origin("http://localhost:5173")) as wire:
        line = Line(wire)
        await line.hear("ready")
        await line.say(type="message", content="Hello", client_id="c-1")
        await line.hear("ack")
        await ada.delete(f"/users/sessions/{ada.session_id}")
        assert await line.closed() == CloseCode.UNAUTHENTICATED
    async with connect(url, additional_headers=sealed(town, ben), origin=Origin("https://evil.example")) as wire:
        line = Line(wire)
        await line.say(type="auth", token="not a token")  # The cookie of a foreign page is not read.
        assert await line.closed() == CloseCode.UNAUTHENTICATED


async def test_what_one_says_at_one_server_another_hears_at_the_other(ada: Person, ben: Person, open_line: Any) -> None:
    talk = await direct(ada, ben)
    here, there = await open_line(ada, talk, at=0), await open_line(ben, talk, at=1)
    for line in (here, there):
        assert (await line.hear("ready"))["last_event_id"] == 2
    await here.say(type="message", content="Are you coming?", client_id="c-1")
    ack = await here.hear("ack")
    heard = await there.hear("event")
    assert (ack["client_id"], ack["event_id"]) == ("c-1", 3)
    assert (heard["event_id"], heard["message"]["content"]) == (3, "Are you coming?")
    await there.say(type="typing")
    assert (await here.hear("typing"))["user_id"] == str(ben.id)
    await there.say(type="read", event_id=3)
    assert await here.hear("read") == {"type": "read", "user_id": str(ben.id), "event_id": 3}
    await there.say(type="ping")
    await there.hear("pong")


async def test_a_receipt_that_is_switched_off_is_not_sent(ada: Person, ben: Person, open_line: Any) -> None:
    talk = await direct(ada, ben)
    here, there = await open_line(ada, talk, at=0), await open_line(ben, talk, at=1)
    for line in (here, there):
        await line.hear("ready")
    await ben.put("/chat/settings", {"read_receipts": False})
    await there.say(type="read", event_id=1)
    await there.hear("read")  # For their other devices.
    await ben.put("/chat/settings", {"read_receipts": True})
    await there.say(type="read", event_id=2)
    assert (await here.hear("read"))["event_id"] == 2


async def test_a_browser_sends_its_token_in_the_first_frame(ada: Person, ben: Person, open_line: Any) -> None:
    talk = await direct(ada, ben)
    line = await open_line(ada, talk, header=False)
    await line.say(type="auth", token=ada.token)
    await line.hear("ready")
    stranger = await open_line(ada, talk, header=False)
    await stranger.say(type="auth", token="not a token")
    assert await stranger.closed() == CloseCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "first", ['{"type":"auth","token":"\\ud800"}', '{"type":"auth","token":"a\\u0000b"}', b"\xff", "\u200b", "{}"]
)
async def test_a_first_frame_that_makes_no_sense_closes_the_socket(
    ada: Person, ben: Person, open_line: Any, first: str | bytes
) -> None:
    line = await open_line(ada, await direct(ada, ben), header=False)
    await line.wire.send(first)
    assert await line.closed() == CloseCode.UNAUTHENTICATED


async def test_who_is_not_in_the_conversation_is_turned_away(
    town: Town, ada: Person, ben: Person, open_line: Any
) -> None:
    talk = await direct(ada, ben)
    assert await (await open_line(await town.create_user(), talk)).closed() == CloseCode.GONE
    assert await (await open_line(ada, {"id": uuid4()})).closed() == CloseCode.GONE


async def test_reconnecting_client_misses_and_repeats_nothing(town: Town, ada: Person, open_line: Any) -> None:
    people = [await town.create_user() for _ in range(3)]
    talk = await group(ada, *people)
    total = 4 + 3 * 40

    async def write(person: Person) -> None:
        for number in range(40):
            assert (await say(person, talk, str(number))).status_code == 201

    writing = asyncio.gather(*(write(person) for person in people))
    heard: list[int] = []
    at = 0
    while not heard or heard[-1] < total:
        line = await open_line(ada, talk, at=at, after=heard[-1] if heard else 0)
        for _ in range(17):
            if heard and heard[-1] == total:
                break
            heard.append((await line.hear("event"))["event_id"])
        line.wire.transport.abort()  # As a phone that loses its net.
        at = 1 - at
    await writing
    assert heard == list(range(1, total + 1))


async def test_a_channel_polls_without_an_announcement(
    town: Town, ada: Person, ben: Person, open_line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "POLL_SECONDS", 0.2)
    talk = await direct(ada, ben)
    line = await open_line(ada, talk)
    await line.hear("ready")
    # Committed past the API: nothing is published.
    await town.write(
        "WITH numbered AS (UPDATE conversations SET last_event_id = last_event_id + 1 WHERE id = :id RETURNING id) "
        "INSERT INTO chat_events (conversation_id, event_id, kind, user_id) SELECT id, 3, 'member.joined', :person "
        "FROM numbered",
        id=talk["id"],
        person=ben.id,
    )
    assert await line.hear_until(3) == [1, 2, 3]


async def test_local_sockets_receive_events_without_redis(
    ada: Person, ben: Person, open_line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "POLL_SECONDS", 600)
    talk = await direct(ada, ben)
    speaking, hearing = await open_line(ada, talk), await open_line(ben, talk)
    for line in (speaking, hearing):
        await line.hear("ready")

    async def silence(*_: Any) -> None:
        pass

    monkeypatch.setattr(ChatPublisher, "publish", silence)
    for number in range(3):
        await speaking.say(type="message", content=str(number), client_id=f"c-{number}")
    assert await hearing.hear_until(5) == [1, 2, 3, 4, 5]
    assert [event | {"type": None} for event in hearing.events] == [
        event | {"type": None} for event in await events(ben, talk)
    ]


async def test_who_is_put_out_is_cut_off_and_hears_nothing_more(
    town: Town, ada: Person, ben: Person, open_line: Any
) -> None:
    talk = await group(ada, ben)
    line = await open_line(ben, talk, at=1)
    await line.hear("ready")
    await ada.delete(f"{AT}/{talk['id']}/members/{ben.id}")
    await say(ada, talk, "Between us")
    assert await line.closed() == CloseCode.GONE


async def test_a_session_that_ended_writes_nothing_more(
    ada: Person, ben: Person, open_line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even before its socket hears of the end, which closes it (``test_access_changes.py``)."""
    monkeypatch.setattr("transactional_api.core.pubsub.UserSignals.set", lambda *_: None)
    talk = await direct(ada, ben)
    line = await open_line(ben, talk)
    await line.hear("ready")
    assert (await ben.delete(f"/users/sessions/{ben.session_id}")).status_code == 204
    await line.say(type="message", content="Still here?")
    assert (await line.hear("problem"))["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "said",
    ["", "{", "[]", "null", '{"type":"message"}', '{"type":"dance"}', '{"type":"read","event_id":-1}',
     '{"type":"message","content":"\\ud800"}', '{"type":"message","content":"\\u200b\\u2800"}',
     '{"type":"message","content":"a\\u0000b"}', '{"type":"message","content":"x","client_id":"\\udfff"}',
     '{"type":"read","event_id":1e400}', '{"type":"read","event_id":99999999999999999999}', b"\xff\xfe", b"{}",
     '{"type":"message","content":"x","extra":1}'],
)  # fmt: skip
async def test_an_invalid_frame_is_a_problem_and_changes_nothing(
    ada: Person, ben: Person, open_line: Any, said: str | bytes
) -> None:
    talk = await direct(ada, ben)
    line = await open_line(ada, talk)
    await line.hear("ready")
    await line.wire.send(said)
    assert (await line.hear("problem"))["code"] == "invalid_request"
    await line.say(type="message", content="Still here.")
    assert (await line.hear("ack"))["event_id"] == 3


async def test_a_message_to_who_blocks_is_a_problem(town: Town, ada: Person, ben: Person, open_line: Any) -> None:
    talk = await direct(ada, ben)
    line = await open_line(ada, talk)
    await town.block(ben, ada)
    await line.say(type="message", content="Hello?", client_id="c-2")
    problem = await line.hear("problem")
    assert (problem["code"], problem["client_id"]) == ("forbidden", "c-2")


async def test_a_client_that_floods_is_closed(ada: Person, ben: Person, open_line: Any) -> None:
    line = await open_line(ada, await direct(ada, ben))
    await line.hear("ready")
    for _ in range(200):
        try:
            await line.say(type="ping")
        except ConnectionClosed:
            break
    assert await line.closed() == CloseCode.FLOOD


async def test_a_slow_subscription_is_notified_and_ends() -> None:
    subscription = hub.Subscription()
    for _ in range(hub.QUEUE_FRAMES):
        subscription.enqueue(hub.Delivery("frame"))
    assert not subscription.overflowed.is_set()
    subscription.enqueue(hub.Delivery("one too many"))
    assert subscription.overflowed.is_set()
    assert subscription.queue.qsize() == hub.QUEUE_FRAMES


async def test_a_slow_client_is_closed_and_the_others_hear_everything(
    town: Town, ada: Person, ben: Person, open_line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transactional_api.community.chat.socket.SEND_SECONDS", 0.5)
    third = await town.create_user()
    talk = await group(ada, ben, third)
    quick, slow = await open_line(ben, talk), await open_line(third, talk)
    for line in (quick, slow):
        await line.hear("ready")
    # Else the kernel lets the client's own buffer grow until all of it fits.
    slow.wire.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    slow.wire.transport.pause_reading()
    words = "x" * 4_000
    sent = 3
    # More than fits into the buffers between the two; the quick one reads meanwhile.
    for _ in range(6):
        answers = await asyncio.gather(*(say(ada, talk, words) for _ in range(20)))
        sent += sum(answer.status_code == 201 for answer in answers)
        await quick.hear_until(sent)
    assert await quick.hear_until(sent) == list(range(1, sent + 1))
    slow.wire.transport.resume_reading()
    assert await slow.closed() in {CloseCode.SLOW, 1006}


async def test_who_listens_is_online_to_the_others(ada: Person, ben: Person, open_line: Any) -> None:
    talk = await direct(ada, ben)
    await (await open_line(ben, talk)).hear("ready")
    members = (await ada.get(f"{AT}/{talk['id']}")).json()["members"]
    assert {one["user_id"]: one["online"] for one in members} == {str(ada.id): False, str(ben.id): True}


@pytest.mark.parametrize("blocks", [True, False], ids=["by who blocks", "by who is blocked"])
async def test_across_a_block_nobody_sees_typing_or_reading(
    town: Town, ada: Person, ben: Person, open_line: Any, blocks: bool
) -> None:
    third = await town.create_user()
    talk = await group(ada, ben, third)
    acting, hidden, open_to = [await open_line(person, talk) for person in (ada, ben, third)]
    for line in (acting, hidden, open_to):
        await line.hear("ready")
    blocker, blocked = (ada, ben) if blocks else (ben, ada)
    assert (await blocker.post(f"/users/{blocked.id}/block")).status_code == 204
    await acting.say(type="typing")
    await acting.say(type="read", event_id=3)
    assert (await open_to.hear("typing"))["user_id"] == str(ada.id)
    assert (await open_to.hear("read"))["user_id"] == str(ada.id)
    # A later frame of somebody else is the first that reaches the person who may not see the earlier one.
    await open_to.say(type="typing")
    assert (await hidden.hear("typing"))["user_id"] == str(third.id)
    members = {one["user_id"]: one for one in (await ben.get(f"{AT}/{talk['id']}")).json()["members"]}
    assert (members[str(ada.id)]["online"], members[str(ada.id)]["read_up_to"]) == (False, 0)
    assert members[str(third.id)]["online"] is True
    seen = {one["user_id"]: one for one in (await third.get(f"{AT}/{talk['id']}")).json()["members"]}
    assert (seen[str(ada.id)]["online"], seen[str(ada.id)]["read_up_to"]) == (True, 3)


async def test_a_block_hides_words_from_an_open_socket_at_once(
    town: Town, ada: Person, ben: Person, open_line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = await group(ada, ben, await town.create_user())
    line = await open_line(ben, talk)
    await line.hear("ready")
    checked = asyncio.Event()
    check = messages.check_subscription

    async def recorded(*args: Any, **options: Any) -> Any:
        hidden = await check(*args, **options)
        if hidden:
            checked.set()
        return hidden

    monkeypatch.setattr(messages, "check_subscription", recorded)
    await ada.post(f"/users/{ben.id}/block")
    await asyncio.wait_for(checked.wait(), SECONDS)
    sent = await say(ada, talk, "Between the others")
    while (heard := await line.hear("event"))["event_id"] != sent.json()["event_id"]:
        pass
    assert heard["message"] is None
