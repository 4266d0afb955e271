"""Letters: to which addresses they go, how those are written, and how they are ended."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from aiosmtplib import SMTPException

from neighborconnect.localization import Language
from tests.transactional_api.people import Person, Town
from tests.transactional_api.test_accounts import registration
from transactional_api.community.notifications import emails
from transactional_api.community.notifications.digest import digest
from transactional_api.core import mailer
from transactional_api.core.jobs import queue
from transactional_api.core.mailer import wire_address
from transactional_api.core.notices import NoticeKind

SPAM, NAME = "buy cheap watches", "Mallory"


def address_of(person: Person) -> str:
    return f"{person.id}@example.org"


def lying(town: Town, address: str) -> list[EmailMessage]:
    return [one for one in mailer.list_stored(town.app.state.settings) if one["To"] == address]


def raw(town: Town, address: str) -> list[bytes]:
    folder = mailer.folder(town.app.state.settings)
    every = (file.read_bytes() for file in sorted(folder.glob("*.eml")))
    return [data for data in every if address.encode() in data]


async def want_letters(person: Person, *kinds: str) -> None:
    wanted = [
        {"kind": kind, "channel": "email", "wanted": True} for kind in kinds or [kind.value for kind in NoticeKind]
    ]
    assert (await person.put("/notifications/preferences", {"preferences": wanted})).status_code == 200


async def write_digest(town: Town) -> None:
    await town.write("UPDATE delivery_schedules SET last_digest_at = now() - interval '2 days'")
    async with town.app.state.context.transaction() as session:
        await queue.defer(session, digest, timestamp=0)
    await town.run_jobs()


async def wanted_by_email(person: Person) -> set[str]:
    found = (await person.get("/notifications/preferences")).json()["preferences"]
    return {one["kind"] for one in found if one["channel"] == "email" and one["wanted"]}


@pytest.fixture
async def reader(town: Town, garden: dict[str, Any]) -> Person:
    """A member of the connector who wants every letter."""
    person = await town.create_user()
    await town.add_member(person, garden)
    await want_letters(person)
    return person


async def mention(town: Town, writer: Person, reader: Person, garden: dict[str, Any], words: str = "hello") -> None:
    await writer.make_post(garden, content=f"@{reader.id.hex} {words}", title=f"{words} title")
    await town.run_jobs()


async def test_a_letter_offers_to_unsubscribe_in_header_and_text(
    town: Town, ada: Person, reader: Person, garden: dict[str, Any]
) -> None:
    await mention(town, ada, reader, garden)
    [letter] = lying(town, address_of(reader))
    link = re.fullmatch(r"<(\S+)>", letter["List-Unsubscribe"])
    assert link is not None
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"Unsubscribe: {link[1]}\n" in letter.get_content().replace("\r\n", "\n")
    # Neither encoded nor broken, which mail programs would not put together again.
    [data] = raw(town, address_of(reader))
    assert f"List-Unsubscribe: <{link[1]}>\r\n".encode() in data
    assert str(reader.id) not in link[1]
    assert reader.id.hex not in link[1]


async def unsubscribe_path(town: Town, person: Person) -> str:
    link = lying(town, address_of(person))[-1]["List-Unsubscribe"].strip("<>")
    return urlsplit(link).path.removeprefix("/api/v1")


async def test_one_click_unsubscribes_and_a_get_of_the_link_does_not(
    town: Town, ada: Person, reader: Person, garden: dict[str, Any]
) -> None:
    await mention(town, ada, reader, garden)
    path = await unsubscribe_path(town, reader)
    page = await town.nobody.get(path)
    assert (page.status_code, "<form" in page.text, reader.id.hex in page.text) == (200, True, False)
    head = await town.nobody.request("HEAD", path)
    assert (head.status_code, head.text) == (200, "")
    assert len(await wanted_by_email(reader)) == len(NoticeKind)
    for _ in range(2):
        answer = await town.nobody.request("POST", path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert await wanted_by_email(reader) == {kind.value for kind in NoticeKind} - {"mentioned"}
    await mention(town, ada, reader, garden)
    assert len(lying(town, address_of(reader))) == 1


async def test_one_click_in_a_multipart_form_is_one_too(
    town: Town, ada: Person, reader: Person, garden: dict[str, Any]
) -> None:
    await mention(town, ada, reader, garden)
    path = await unsubscribe_path(town, reader)
    answer = await town.nobody.request("POST", path, files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    assert "mentioned" not in await wanted_by_email(reader)


async def test_all_letters_end_at_once_and_the_daily_one_with_them(
    town: Town, ada: Person, reader: Person, garden: dict[str, Any]
) -> None:
    await mention(town, ada, reader, garden)
    path = await unsubscribe_path(town, reader)
    await reader.put("/notifications/delivery-schedule", {"digest_hour": 8})
    assert (await town.nobody.request("POST", path, data={"scope": "all"})).status_code == 200
    assert await wanted_by_email(reader) == set()
    assert (await reader.get("/notifications/delivery-schedule")).json()["digest_hour"] is None


async def test_the_daily_letter_ends_without_single_ones_in_its_place(
    town: Town, ada: Person, reader: Person, garden: dict[str, Any]
) -> None:
    await reader.put("/notifications/delivery-schedule", {"digest_hour": 0})
    await mention(town, ada, reader, garden)
    now = (await town.rows("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int"))[0][0]
    await reader.put("/notifications/delivery-schedule", {"digest_hour": now})
    await write_digest(town)
    path = await unsubscribe_path(town, reader)
    assert (await town.nobody.request("POST", path, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    assert (await reader.get("/notifications/delivery-schedule")).json()["digest_hour"] is None
    before = len(lying(town, address_of(reader)))
    await mention(town, ada, reader, garden)
    assert len(lying(town, address_of(reader))) == before


async def test_a_letter_that_waits_is_not_sent_once_it_is_not_wanted(
    town: Town, ada: Person, reader: Person, garden: dict[str, Any]
) -> None:
    await mention(town, ada, reader, garden)
    path = await unsubscribe_path(town, reader)
    await reader.put("/notifications/delivery-schedule", {"quiet_from": "00:00:00", "quiet_until": "00:00:00"})
    await mention(town, ada, reader, garden)
    await town.nobody.request("POST", path)
    await town.write(
        "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'user_id' = :id", id=str(reader.id)
    )
    await town.run_jobs()
    assert len(lying(town, address_of(reader))) == 1


@pytest.mark.parametrize("token", ["a" * 20, "9a1c04f2:gAAAAABpK9x2", "x", "%00", "a%20b", "9a1c04f2:" + "A" * 480])
async def test_other_tokens_end_nothing(town: Town, token: str) -> None:
    for method in ("GET", "POST"):
        answer = await town.nobody.request(method, f"/notifications/unsubscribe/{token}")
        assert answer.status_code == 422, answer.text


async def test_tokens_of_other_purposes_end_nothing(town: Town, reader: Person) -> None:
    cipher = town.app.state.context.cipher
    for text in (f"device {reader.id} mentioned", f"unsubscribe {reader.id} nothing", "unsubscribe mentioned", "é"):
        answer = await town.nobody.request("POST", f"/notifications/unsubscribe/{cipher.encrypt(text)}")
        assert (answer.status_code, answer.json()["code"]) == (422, "unsubscribe_token_invalid")
    assert len(await wanted_by_email(reader)) == len(NoticeKind)


async def test_words_of_others_never_reach_an_unconfirmed_address(town: Town, garden: dict[str, Any]) -> None:
    writer = await town.create_user(first_name=NAME, last_name=SPAM, username=f"watches{uuid4().hex}")
    stranger = await town.create_user(verified=False)
    for person in (writer, stranger):
        await town.add_member(person, garden)
    await want_letters(stranger)
    post = await stranger.make_post(garden, content="Mine.")
    for _ in range(2):
        await mention(town, writer, stranger, garden, SPAM)
        await writer.post(f"/posts/{post['id']}/comments", {"content": SPAM})
        await writer.post(f"/users/{stranger.id}/follow")
    named = await writer.make_connector(name=SPAM, is_public=False)
    await writer.post(f"/connectors/{named['id']}/invitations", {"user_id": str(stranger.id)})
    await town.run_jobs()
    now = (await town.rows("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int"))[0][0]
    await stranger.put("/notifications/delivery-schedule", {"digest_hour": now})
    await write_digest(town)
    # One request to confirm the address, and no more of them for a month.
    [letter] = lying(town, address_of(stranger))
    content = letter.get_content()
    assert ("/verify-email?token=" in content, "List-Unsubscribe" in letter) == (True, True)
    for words in (SPAM, NAME, "watches", garden["name"]):
        assert words not in f"{letter['Subject']} {content}"


async def test_a_digest_to_an_unconfirmed_address_has_only_a_count(town: Town, garden: dict[str, Any]) -> None:
    writer = await town.create_user(first_name=NAME, last_name=SPAM, username=f"watches{uuid4().hex}")
    blocked, stranger = await town.create_user(), await town.create_user(verified=False)
    for person in (writer, blocked, stranger):
        await town.add_member(person, garden)
    now = (await town.rows("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int"))[0][0]
    await stranger.put("/notifications/delivery-schedule", {"time_zone": "UTC", "digest_hour": now})
    post = await stranger.make_post(garden, content="Mine.")
    await blocked.post(f"/posts/{post['id']}/comments", {"content": SPAM})
    await writer.post(f"/posts/{post['id']}/like")
    await town.run_jobs()
    await stranger.post(f"/users/{blocked.id}/block")
    await write_digest(town)
    [letter] = lying(town, address_of(stranger))
    listed = (await stranger.get("/notifications")).json()["items"]
    assert (letter["Subject"], len(listed)) == ("1 new in your neighborhood", 1)
    for words in (SPAM, NAME, "watches", garden["name"]):
        assert words not in letter.get_content()


async def test_confirming_by_the_reminder_makes_the_next_letter_whole(
    town: Town, ada: Person, garden: dict[str, Any]
) -> None:
    stranger = await town.create_user(verified=False)
    await town.add_member(stranger, garden)
    await want_letters(stranger, "mentioned")
    await mention(town, ada, stranger, garden)
    [reminder] = lying(town, address_of(stranger))
    assert "mentioned you" in reminder.get_content()
    token = re.search(r"verify-email\?token=(\S+)", reminder.get_content())
    assert token is not None
    assert (await town.nobody.post("/users/verify-email", {"token": token[1]})).status_code == 204
    await mention(town, ada, stranger, garden, "seedlings")
    assert "seedlings" in lying(town, address_of(stranger))[-1].get_content()


async def test_a_reminder_that_failed_is_sent_once_by_the_next_attempt(town: Town) -> None:
    stranger, context = await town.create_user(verified=False), town.app.state.context
    await want_letters(stranger)
    about: dict[str, Any] = {
        "user_id": stranger.id,
        "topic": "mentioned",
        "subject": SPAM,
        "text": SPAM,
        "language": Language.ENGLISH,
    }
    unreachable = replace(context, settings=context.settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:1"}))
    with pytest.raises((OSError, SMTPException)):
        await emails.send_to(unreachable, **about)
    assert lying(town, address_of(stranger)) == []
    await asyncio.gather(*(emails.send_to(context, **about) for _ in range(2)))
    assert len(lying(town, address_of(stranger))) == 1


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("ada@example.org", "ada@example.org"),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("ada@\u4f8b\u3048.\u30c6\u30b9\u30c8", "ada@xn--r8jz45g.xn--zckzah"),
        ("j\u00f6rg@b\u00fccher.example", "j\u00f6rg@xn--bcher-kva.example"),
        ("ada@stra\u00dfe.example", "ada@xn--strae-oqa.example"),
    ],
)
def test_the_domain_of_an_address_travels_in_ascii(address: str, wire: str) -> None:
    assert wire_address(address) == wire


@pytest.mark.parametrize("local", ["idn", "j\u00f6rg", "\u7528\u6237"])
async def test_a_letter_to_an_international_address_names_it(town: Town, local: str) -> None:
    unique = f"{local}{uuid4().hex[:8]}"
    answer = await town.nobody.post("/users/register", registration(email=f"{unique}@b\u00fccher.example"))
    assert answer.status_code == 201
    await town.run_jobs()
    [data] = raw(town, unique)
    line = next(line for line in data.decode().splitlines() if line.startswith("To:"))
    assert line == f"To: {unique}@xn--bcher-kva.example"
    assert mailer.purge(town.app.state.settings, to=f"{unique}@b\u00fccher.example") == 1


async def test_both_spellings_of_a_domain_are_one_address(town: Town) -> None:
    name = f"n{uuid4().hex[:10]}"
    body = registration(email=f"{name}@b\u00fccher.example")
    assert (await town.nobody.post("/users/register", body)).status_code == 201
    for spelling in (
        f"{name}@xn--bcher-kva.example",
        f"{name.upper()}@B\u00dcCHER.example",
        f"{name}@bu\u0308cher.example",
    ):
        login = {"email": spelling, "password": body["password"]}
        assert (await town.nobody.post("/users/login", login)).status_code == 200, spelling
    again = registration(email=f"{name}@xn--bcher-kva.example")
    decoy = (await town.nobody.post("/users/register", again)).json()
    assert (await Person(uuid4(), town.http, decoy["access_token"]).get("/users/profile")).status_code == 401
