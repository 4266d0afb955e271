"""Uploads: taken in two ways, cleaned by a job, shown by links that expire, within the room that a person has."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import os
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from PIL import Image
from pydantic import SecretStr

from tests.media_samples import SAMPLES, SECRETS
from tests.test_media_readers import assert_shown
from tests.test_untrusted_media import SDP, gif_bomb
from tests.transactional_api.media.files import jpeg, png, video
from tests.transactional_api.people import Person, Town
from transactional_api.community.media.jobs import sweep as sweep_uploads
from transactional_api.community.media.jobs import sweep_pending
from transactional_api.core.jobs import queue
from transactional_api.core.media.objects import INCOMING, Objects
from transactional_api.core.media.stores import MAX_UPLOAD_BYTES, MediaStores


async def fetch(link: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.get(link)


async def send(link: str, data: bytes) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        (await client.put(link, content=data)).raise_for_status()


@pytest.fixture
async def little_room(town: Town) -> AsyncIterator[int]:
    """A quota of 10,000 bytes."""
    before: MediaStores = town.app.state.media
    town.app.state.media = MediaStores(before.documents, before.objects, 10_000)
    yield 10_000
    town.app.state.media = before


async def room_taken(town: Town, person: Person) -> int:
    rows = await town.rows("SELECT bytes FROM media_usage WHERE user_id = :id", id=person.id)
    return int(rows[0][0]) if rows else 0


async def test_an_upload_becomes_ready_and_reveals_no_owner(town: Town, ada: Person) -> None:
    made = (await ada.upload(jpeg(640, 480, sideways=True))).json()
    assert (made["state"], made["url"], made["thumbnails"]) == ("pending", None, {})
    await town.run_jobs()
    ready = (await ada.get(f"/media/{made['id']}")).json()
    assert (ready["state"], ready["kind"], ready["content_type"]) == ("ready", "image", "image/jpeg")
    assert (ready["width"], ready["height"]) == (480, 640)
    whole = await fetch(ready["url"])
    assert whole.headers["content-type"] == "image/jpeg"
    assert not Image.open(io.BytesIO(whole.content)).getexif()
    small = await fetch(ready["thumbnails"]["320"])
    assert Image.open(io.BytesIO(small.content)).size == (240, 320)


async def test_each_format_is_displayed_upright_and_without_metadata(town: Town, ada: Person) -> None:
    made = {name: (await ada.upload(sample.write())).json() for name, sample in SAMPLES.items()}
    await town.run_jobs()
    for name, sample in SAMPLES.items():
        ready = (await ada.get(f"/media/{made[name]['id']}")).json()
        assert (ready["state"], ready["kind"]) == ("ready", "video" if sample.is_video else "image"), name
        assert (ready["width"], ready["height"]) == sample.size, name
        whole = await fetch(ready["url"])
        assert ready["content_type"] == whole.headers["content-type"] == (sample.written_as or sample.content_type)
        assert not [secret for secret in SECRETS if secret in whole.content], name
        small = Image.open(io.BytesIO((await fetch(ready["thumbnails"]["320"])).content))
        assert_shown(sample, small, scaled=True)


@pytest.mark.parametrize(("begin", "name"), [(b"\0\0\0\x14ftypM4A \0\0\0\0M4A ", "MPEG-4 audio"), (b"II*\0", "TIFF")])
async def test_a_format_that_is_not_supported_is_named(ada: Person, begin: bytes, name: str) -> None:
    refused = await ada.upload(begin + bytes(200))
    assert (refused.status_code, refused.json()["code"]) == (415, "unreadable_upload")
    assert name in refused.json()["detail"]


async def test_the_file_as_it_came_is_gone_once_it_is_cleaned(town: Town, ada: Person) -> None:
    made = await town.keep_upload(ada, jpeg())
    stored = await town.app.state.media.documents.get("media", document_id=UUID(made["id"]))
    assert await town.app.state.media.objects.get(stored.document["key"], at_most=MAX_UPLOAD_BYTES) is None


async def test_a_video_gets_a_still_picture(town: Town, ada: Person) -> None:
    ready = await town.keep_upload(ada, video())
    assert (ready["kind"], round(ready["duration_seconds"])) == ("video", 1)
    assert (await fetch(ready["thumbnails"]["320"])).headers["content-type"] == "image/webp"


@pytest.mark.parametrize("data", [b"<svg onload='alert(1)'/>", b"MZ\x90\x00", b"", b"%PDF-1.7"])
async def test_a_file_that_is_no_picture_or_video_is_refused(town: Town, ada: Person, data: bytes) -> None:
    answer = await ada.upload(data)
    assert (answer.status_code, answer.json()["code"]) == (415, "unreadable_upload")
    assert await room_taken(town, ada) == 0


async def test_a_damaged_file_fails_with_a_reason(town: Town, ada: Person) -> None:
    made = (await ada.upload(jpeg()[:-2_000])).json()
    await town.run_jobs()
    failed = (await ada.get(f"/media/{made['id']}")).json()
    assert (failed["state"], failed["reason"], failed["url"]) == ("failed", "It is damaged", None)


def die(_data: bytes, *, content_type: str) -> None:
    """Stand in for a decoder that a file crashes."""
    assert content_type
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("write", "reason"), [(gif_bomb, "million pixels"), (jpeg, "more memory")])
async def test_a_file_that_kills_its_decoder_fails_with_a_reason(
    town: Town, ada: Person, monkeypatch: pytest.MonkeyPatch, *, write: Callable[[], bytes], reason: str
) -> None:
    if write is jpeg:
        monkeypatch.setattr("transactional_api.community.media.jobs.process", die)
    made = (await ada.upload(write())).json()
    await town.run_jobs()
    failed = (await ada.get(f"/media/{made['id']}")).json()
    assert failed["state"] == "failed"
    assert reason in failed["reason"]
    monkeypatch.undo()
    assert (await town.keep_upload(ada, png()))["state"] == "ready"


async def test_a_session_description_is_no_upload(ada: Person) -> None:
    answer = await ada.upload(SDP)
    assert (answer.status_code, answer.json()["code"]) == (415, "unreadable_upload")


async def test_a_file_that_is_too_large_is_refused(ada: Person) -> None:
    answer = await ada.upload(png() + bytes(MAX_UPLOAD_BYTES))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_file_may_be_sent_past_the_api(town: Town, ada: Person) -> None:
    data = jpeg()
    begun = (await ada.post("/media/uploads", {"size": len(data)})).json()
    path = f"/media/uploads/{begun['media']['id']}/complete"
    early = await ada.post(path)
    assert (early.status_code, early.json()["code"]) == (409, "not_uploaded")
    await send(begun["upload_url"], data)
    assert [(await ada.post(path)).json()["state"] for _ in range(2)] == ["pending", "pending"]
    await town.run_jobs()
    assert (await ada.post(path)).json()["state"] == "ready"


async def put(link: str, data: bytes) -> int:
    async with httpx.AsyncClient(timeout=60) as client:
        return (await client.put(link, content=data)).status_code


@pytest.mark.parametrize("more", [-1, 1, 1_000_000])
async def test_the_store_takes_no_other_size_than_was_said(ada: Person, more: int) -> None:
    data = jpeg()
    begun = (await ada.post("/media/uploads", {"size": len(data)})).json()
    assert await put(begun["upload_url"], data[:more] if more < 0 else data + bytes(more)) == 403
    answer = await ada.post(f"/media/uploads/{begun['media']['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_uploaded")


async def test_what_was_sent_past_the_api_is_looked_at_too(ada: Person) -> None:
    begun = (await ada.post("/media/uploads", {"size": 9})).json()
    await send(begun["upload_url"], b"#!/bin/sh")
    answer = await ada.post(f"/media/uploads/{begun['media']['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (415, "unreadable_upload")


async def test_a_link_changes_nothing_once_the_upload_is_complete(town: Town, ada: Person) -> None:
    data = png(40, 30)
    other = png(30, 40)
    other += bytes(max(0, len(data) - len(other)))
    data += bytes(max(0, len(other) - len(data)))
    begun = (await ada.post("/media/uploads", {"size": len(data)})).json()
    await send(begun["upload_url"], data)
    path = f"/media/uploads/{begun['media']['id']}/complete"
    assert (await ada.post(path)).status_code == 200
    await send(begun["upload_url"], other)
    await town.run_jobs()
    ready = (await ada.post(path)).json()
    assert (ready["state"], ready["width"], ready["height"]) == ("ready", 40, 30)


async def test_a_link_that_outlives_its_upload_brings_nothing_back(
    town: Town, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, objects = jpeg(), town.app.state.media.objects
    begun = (await ada.post("/media/uploads", {"size": len(data)})).json()
    media_id = begun["media"]["id"]
    key = (await town.app.state.media.documents.get("media", document_id=UUID(media_id))).document["key"]
    await send(begun["upload_url"], data)
    assert (await ada.delete(f"/media/{media_id}")).status_code == 204
    await send(begun["upload_url"], data)
    assert (await ada.get(f"/media/{media_id}")).status_code == 404
    assert (await ada.post(f"/media/uploads/{media_id}/complete")).status_code == 404
    assert await objects.get(key, at_most=MAX_UPLOAD_BYTES) is None
    assert await objects.get(INCOMING + key, at_most=MAX_UPLOAD_BYTES) == data
    await objects.remove_older(INCOMING, than=datetime.now(UTC) - timedelta(hours=1))
    assert await objects.get(INCOMING + key, at_most=MAX_UPLOAD_BYTES) == data  # It may still be awaited.
    monkeypatch.setattr("transactional_api.community.media.jobs.UPLOAD_TIMEOUT", -timedelta(minutes=1))
    await sweep(town)
    assert await objects.get(INCOMING + key, at_most=MAX_UPLOAD_BYTES) is None


async def sweep(town: Town) -> None:
    async with town.app.state.context.transaction() as session:
        await queue.defer(session, sweep_uploads, timestamp=0)
    await town.run_jobs()


async def test_an_erased_person_leaves_no_recent_upload(town: Town, ada: Person) -> None:
    data, objects = jpeg(), town.app.state.media.objects
    begun = (await ada.post("/media/uploads", {"size": len(data)})).json()
    await send(begun["upload_url"], data)
    await objects.remove_of(str(ada.id))
    answer = await ada.post(f"/media/uploads/{begun['media']['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_uploaded")


async def test_uploads_at_once_never_pass_the_quota(town: Town, ada: Person, little_room: int) -> None:
    answers = await asyncio.gather(*(ada.post("/media/uploads", {"size": 3_000}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"quota_exceeded"}
    assert await room_taken(town, ada) == 9_000


async def grow_old(town: Town, upload: dict[str, Any]) -> None:
    old = "UPDATE media_documents SET created_at = now() - interval '3 hours' WHERE id = :id"
    await town.write(old, id=upload["id"])


async def test_what_no_job_ever_had_goes(town: Town, ada: Person) -> None:
    """As if the commit had failed: the document and the object are there, the job and the room are not."""
    media, waiting, lost = town.app.state.media, *[(await ada.upload(jpeg())).json() for _ in range(2)]
    await town.write("DELETE FROM procrastinate_jobs WHERE args->>'media_id' = :id", id=lost["id"])
    key = (await media.documents.get("media", document_id=UUID(lost["id"]))).document["key"]
    await sweep_pending(town.app.state.context)
    assert (await ada.get(f"/media/{lost['id']}")).status_code == 200  # It may still be on its way.
    for upload in (waiting, lost):
        await grow_old(town, upload)
    await sweep_pending(town.app.state.context)
    assert (await ada.get(f"/media/{lost['id']}")).status_code == 404
    assert await media.objects.get(key, at_most=MAX_UPLOAD_BYTES) is None
    await town.run_jobs()
    assert (await ada.get(f"/media/{waiting['id']}")).json()["state"] == "ready"


async def test_what_was_sent_past_the_api_and_lost_gives_its_room_back(town: Town, ada: Person) -> None:
    data = jpeg()
    begun = (await ada.post("/media/uploads", {"size": len(data)})).json()
    await send(begun["upload_url"], data)
    await ada.post(f"/media/uploads/{begun['media']['id']}/complete")
    await town.write("DELETE FROM procrastinate_jobs WHERE args->>'media_id' = :id", id=begun["media"]["id"])
    await grow_old(town, begun["media"])
    await sweep_pending(town.app.state.context)
    assert await room_taken(town, ada) == 0


async def test_what_a_job_gave_up_says_so_and_can_be_tried_again(town: Town, ada: Person) -> None:
    made = (await ada.upload(jpeg())).json()
    gave_up = "UPDATE procrastinate_jobs SET status = 'failed' WHERE args->>'media_id' = :id"
    await town.write(gave_up, id=made["id"])
    await grow_old(town, made)
    await sweep_pending(town.app.state.context)
    failed = (await ada.get(f"/media/{made['id']}")).json()
    assert (failed["state"], failed["reason"]) == ("failed", "It could not be processed")
    await ada.post("/media/process", {"media_id": made["id"]})
    await town.run_jobs()
    assert (await ada.get(f"/media/{made['id']}")).json()["state"] == "ready"


async def test_what_was_shown_before_is_never_swept_away(town: Town, ada: Person) -> None:
    """As if the commit of its second processing had failed; the job of the first one left no trace."""
    made = await town.keep_upload(ada, jpeg())
    await ada.post("/media/process", {"media_id": made["id"]})
    await town.write("DELETE FROM procrastinate_jobs WHERE args->>'media_id' = :id", id=made["id"])
    await grow_old(town, made)
    await sweep_pending(town.app.state.context)
    assert (await ada.get(f"/media/{made['id']}")).json()["state"] == "failed"
    await ada.post("/media/process", {"media_id": made["id"]})
    await town.run_jobs()
    assert (await ada.get(f"/media/{made['id']}")).json()["state"] == "ready"


async def test_the_room_of_what_never_came_is_given_back(town: Town, ada: Person) -> None:
    begun = (await ada.post("/media/uploads", {"size": 3_000})).json()
    await town.run_jobs()  # Not due yet.
    assert await room_taken(town, ada) == 3_000
    await town.write(
        "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'media.expire' "
        "AND args->>'media_id' = :id",
        id=begun["media"]["id"],
    )
    await town.run_jobs()
    assert await room_taken(town, ada) == 0
    assert (await ada.get(f"/media/{begun['media']['id']}")).status_code == 404


async def test_deleting_takes_every_copy_and_gives_the_room_back_once(town: Town, ada: Person) -> None:
    ready = await town.keep_upload(ada, jpeg())
    links = [ready["url"], *ready["thumbnails"].values()]
    answers = await asyncio.gather(*(ada.delete(f"/media/{ready['id']}") for _ in range(3)))
    assert 204 in {answer.status_code for answer in answers} <= {204, 404}
    assert {(await fetch(link)).status_code for link in links} == {404}
    assert await room_taken(town, ada) == 0


async def test_an_upload_can_be_processed_again(town: Town, ada: Person) -> None:
    ready = await town.keep_upload(ada, png(40, 30))
    again = await ada.post("/media/process", {"media_id": ready["id"]})
    assert again.json()["state"] == "pending"
    await town.run_jobs()
    assert (await ada.get(f"/media/{ready['id']}")).json()["state"] == "ready"


async def test_nobody_else_sees_an_upload_before_it_is_ready(
    town: Town, ada: Person, ben: Person, garden: dict[str, Any]
) -> None:
    made = (await ada.upload(png())).json()
    await ada.make_post(garden, media_ids=[made["id"]])
    assert (await ben.get(f"/media/{made['id']}")).status_code == 404
    await town.run_jobs()
    assert (await ben.get(f"/media/{made['id']}")).status_code == 200


async def test_links_lead_to_the_cdn_where_there_is_one(town: Town) -> None:
    settings = town.app.state.settings.model_copy(
        update={"cdn_base_url": "https://cdn.example.org/", "cdn_secret": SecretStr("of the cdn")}
    )
    link = urlsplit(await Objects(settings).link("ada/a file"))
    assert (link.netloc, link.path) == ("cdn.example.org", "/ada/a%20file")
    words = parse_qs(link.query)
    signed = f"{link.path}\n{words['expires'][0]}".encode()
    assert words["signature"] == [hmac.new(b"of the cdn", signed, hashlib.sha256).hexdigest()]
