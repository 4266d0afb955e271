"""``/media``: an upload of the owner's that is ready and shown by a post in the private connector."""

from __future__ import annotations

from tests.transactional_api.media.files import png
from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import ANYONE, ANYONE_CREATES, OWNER, Private, Row, told

# The readers of the post see the upload; what is done with it, its owner alone.
SEEN = told(401, 404, 200, 200, blocked=404)
OWN = told(401, 404, 404, 200)


async def create_data(town: Town, private: Private) -> None:
    owner = private.people[OWNER]
    ready = await town.keep_upload(owner, png())
    await owner.make_post(private.connector, media_ids=[ready["id"]])
    private.things.update(media_id=ready["id"], name="h264-240")


ROWS = [
    Row("POST", "/media/upload", ANYONE_CREATES, files={"file": ("a.png", png())}),
    Row("POST", "/media/uploads", ANYONE_CREATES, lambda _: {"size": 10}),
    Row("POST", "/media/uploads/{media_id}/complete", OWN),
    Row("PUT", "/media/{media_id}/alt-text", OWN, lambda _: {"alt_text": "A ladder"}),
    Row("POST", "/media/process", OWN, lambda it: {"media_id": it.things["media_id"]}),
    Row("PUT", "/users/profile/avatar", OWN, lambda it: {"media_id": it.things["media_id"]}),
    # Nobody shows this one as their picture.
    Row("GET", "/media/avatars/{media_id}", told(404, 404, 404, 404)),
    Row("DELETE", "/users/profile/avatar", ANYONE),
    Row("GET", "/media/{media_id}", SEEN),
    # A reader of the upload learns that this one is no video with renditions.
    Row("GET", "/media/{media_id}/playlist.m3u8", told(401, 404, 404, 404)),
    Row("GET", "/media/{media_id}/playlist/{name}.m3u8", told(401, 404, 404, 404)),
    Row("DELETE", "/media/{media_id}", told(401, 404, 403, 204, blocked=404)),
]
