"""``/images`` and ``/videos``: an upload's owner alone asks about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.transactional_api.media.files import png, video
from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import OWNER, Private, Row, told

OWN = told(401, 404, 404, 200)


async def create_data(town: Town, private: Private) -> None:
    owner = private.people[OWNER]
    private.things["image"] = (await town.keep_upload(owner, png()))["id"]
    private.things["video"] = private.things["media_id"] = (await town.keep_upload(owner, video(pictures=2)))["id"]


def of(kind: str) -> Callable[[Private], Any]:
    return lambda it: {"media_id": it.things[kind]}


ASKED = {
    "image": ("optimize", "thumbnail", "detect-faces", "classify"),
    "video": ("process", "extract-thumbnail", "analyze", "moderate"),
}
ROWS = [
    # No model answers here, so that nothing is made of an upload.
    *(
        Row("POST", f"/{kind}s/{what}", OWN, of(kind), read_only=True)
        for kind, asked in ASKED.items()
        for what in asked
    ),
    Row("DELETE", "/videos/process/{media_id}", OWN),
]
