"""The copy of what is known of a person."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from neighborconnect.settings import Settings
from tests.transactional_api.people import Town
from tests.transactional_api.privacy.marked import Marked, bucket_keys
from transactional_api.governance.privacy import exports


async def test_a_copy_has_own_acts_and_no_acts_of_others(town: Town, marked: Marked, settings: Settings) -> None:
    me, other = marked.person, marked.things["other"]
    await town.block(other, me)
    [waiting] = (await me.get("/privacy/exports")).json()["items"]
    begun = await me.post("/privacy/exports")
    assert (begun.status_code, begun.json()["state"]) == (202, "waiting")
    assert (await me.post("/privacy/exports")).json()["code"] == "export_in_progress"
    await town.run_jobs()
    ready = (await me.get(f"/privacy/exports/{begun.json()['id']}")).json()
    assert (ready["state"], waiting["state"]) == ("ready", "ready")
    async with httpx.AsyncClient(timeout=60) as plain:
        archive = zipfile.ZipFile(io.BytesIO((await plain.get(ready["url"])).content))
    names = set(archive.namelist())
    files = {name: orjson.loads(archive.read(name)) for name in names if name.endswith(".json")}
    [profile] = files["database/users.id.json"]
    assert (profile["email"], profile["home"]["latitude"]) == (f"{marked.mark}@example.org", 40.6722)
    assert not {"password_hash", "email_encrypted", "phone_encrypted", "home_encrypted"} & set(profile)
    assert files["database/posts.author_id.json"][0]["content"] == f"{marked.mark} again"
    uploads = {str(one["key"]) for one in files["documents/media.json"]}
    assert len(uploads) == len([name for name in names if name.startswith("uploads/")]) == 2
    assert "database/blocks.blocked_id.json" not in names
    page = archive.read("index.html").decode()
    assert all(name in page for name in names - {"index.html"})
    assert "they follow within minutes" in page, "the pipelines' part is not in it"
    assert (await other.get(f"/privacy/exports/{ready['id']}")).status_code == 404


async def test_a_copy_is_complete_with_the_pipelines_part(town: Town, settings: Settings) -> None:
    person, token = await town.create_user(), {"X-Platform-Token": settings.platform_token.get_secret_value()}
    copy = (await person.post("/privacy/exports")).json()

    async def lacking() -> dict[str, str]:
        answer = await town.nobody.request("GET", "/privacy/platform/exports", headers=token)
        return {one["id"]: one["upload_url"] for one in answer.json()["exports"] if one["user_id"] == str(person.id)}

    assert await lacking() == {}, "it is not even made"
    await town.run_jobs()
    assert (await person.get(f"/privacy/exports/{copy['id']}")).json()["complete"] is False
    done_at = f"/privacy/exports/{copy['id']}/platform"
    assert (await town.nobody.post(done_at, **token)).status_code == 204
    await town.run_jobs()
    links = await lacking()
    assert set(links) == {copy["id"]}, "nothing was put"
    part = io.BytesIO()
    with zipfile.ZipFile(part, "w") as archive:
        archive.writestr("lake/interactions.json", orjson.dumps([{"kind": "click"}, {"kind": "hide"}]))
    async with httpx.AsyncClient(timeout=60) as plain:
        assert (await plain.put(links[copy["id"]], content=part.getvalue())).status_code == 200
        for _ in range(2):
            assert (await town.nobody.post(done_at, **token)).status_code == 204
            await town.run_jobs()
        whole = (await person.get(f"/privacy/exports/{copy['id']}")).json()
        archive = zipfile.ZipFile(io.BytesIO((await plain.get(whole["url"])).content))
    assert whole["complete"] is True
    assert [one["kind"] for one in orjson.loads(archive.read("lake/interactions.json"))] == ["click", "hide"]
    page = archive.read("index.html").decode()
    assert "<td>2<td>Your interactions with recommended and listed items" in page
    assert "it follows within minutes" not in page
    assert await lacking() == {}
    assert bucket_keys(settings, prefix=f"{person.id}/exports") == [f"{person.id}/exports/{copy['id']}.zip"]
    assert (await town.nobody.post(f"/privacy/exports/{uuid4()}/platform", **token)).status_code == 404


async def test_a_copy_expires_with_its_object(town: Town, settings: Settings) -> None:
    person = await town.create_user()
    export = (await person.post("/privacy/exports")).json()
    await town.run_jobs()
    assert bucket_keys(settings, prefix=f"{person.id}/exports") != []
    await town.write("UPDATE data_exports SET expires_at = now() WHERE id = :id", id=export["id"])
    assert (await person.get(f"/privacy/exports/{export['id']}")).status_code == 404
    await exports.remove_expired(town.app.state.context)
    assert bucket_keys(settings, prefix=f"{person.id}/exports") == []


async def test_a_copy_of_a_person_erased_meanwhile_is_not_stored(
    town: Town, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, write = await town.create_user(), exports._write

    async def forgotten_meanwhile(*words: Any, **named: Any) -> None:
        await write(*words, **named)
        await town.write("DELETE FROM data_exports WHERE user_id = :id", id=person.id)

    monkeypatch.setattr(exports, "_write", forgotten_meanwhile)
    await person.post("/privacy/exports")
    await town.run_jobs()
    assert bucket_keys(settings, prefix=str(person.id)) == []
