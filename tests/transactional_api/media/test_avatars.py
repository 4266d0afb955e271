"""Pictures of people: an address that lasts, needs no token, and leads nowhere once it is nobody's."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image

from tests.transactional_api.media.files import jpeg, video
from tests.transactional_api.people import Person, Town


async def follow(town: Town, url: str) -> httpx.Response:
    return await town.http.get(url.removeprefix(town.app.state.settings.public_url))


async def shown(town: Town, person: Person) -> tuple[str, str]:
    """Show a picture; returns its upload and its address."""
    upload = await town.keep_upload(person, jpeg(640, 480))
    answer = await person.put("/users/profile/avatar", {"media_id": upload["id"]})
    assert answer.status_code == 200, answer.text
    return upload["id"], answer.json()["avatar_url"]


async def test_a_picture_is_shown_small_to_whoever_has_its_address(town: Town, ada: Person, ben: Person) -> None:
    _, url = await shown(town, ada)
    assert (await ben.get(f"/users/{ada.id}")).json()["avatar_url"] == url
    led = await follow(town, url)
    assert (led.status_code, led.headers["cache-control"]) == (307, "public, max-age=600")
    async with httpx.AsyncClient(trust_env=False, timeout=60) as browser:
        picture = await browser.get(led.headers["location"])
    assert Image.open(io.BytesIO(picture.content)).width == 320


@pytest.mark.parametrize("end", ["hidden", "replaced", "deleted", "moderated", "gone"])
async def test_the_address_leads_nowhere_once_it_is_nobodys_picture(town: Town, ada: Person, end: str) -> None:
    upload, url = await shown(town, ada)
    if end == "hidden":
        assert (await ada.delete("/users/profile/avatar")).json()["avatar_url"] is None
    elif end == "replaced":
        await shown(town, ada)
    elif end == "deleted":
        await ada.delete(f"/media/{upload}")
    elif end == "moderated":
        await town.write("UPDATE uploads SET is_active = false WHERE id = :id", id=upload)
    else:
        await town.write("UPDATE users SET is_active = false WHERE id = :id", id=ada.id)
    assert (await follow(town, url)).status_code == 404


async def test_an_upload_that_is_nobodys_picture_is_not_given_away(town: Town, ada: Person, ben: Person) -> None:
    upload = await town.keep_upload(ada, jpeg())
    path = f"/api/v1/media/avatars/{upload['id']}"
    assert (await town.http.get(path)).status_code == 404
    # Nor by saying that it is one's own.
    url = town.app.state.settings.public_url + path
    await ben.put("/users/profile", {"first_name": "Ben", "last_name": "Li", "avatar_url": url})
    assert (await town.http.get(path)).status_code == 404
    assert (await ben.put("/users/profile/avatar", {"media_id": upload["id"]})).status_code == 404


async def test_a_video_or_what_is_not_ready_is_no_picture(town: Town, ada: Person) -> None:
    clip = await town.keep_upload(ada, video())
    pending = (await ada.upload(jpeg())).json()
    for upload in (clip, pending):
        answer = await ada.put("/users/profile/avatar", {"media_id": upload["id"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "not_an_image")
