"""``/stories`` and ``/reels``: one of the owner's each, in the private connector."""

from __future__ import annotations

from tests.transactional_api.media.files import video
from tests.transactional_api.people import Town
from tests.transactional_api.permissions.rows import OWNER, Private, Row, told

# Nobody but the owner can show the owner's upload.
MAX_IDS = told(401, 404, 404, 201)
SEEN = told(401, 404, 200, 200, blocked=404)
SEEN_EMPTY = told(401, 404, 204, 204, blocked=404)
LISTED = told(401, 404, 200, 200)
TAKEN_AWAY = told(401, 404, 403, 204, blocked=404)
CLIP = video(pictures=2)


async def create_data(town: Town, private: Private) -> None:
    owner = private.people[OWNER]
    ready = await town.keep_upload(owner, CLIP)
    private.things["media_id"] = ready["id"]
    for kind in ("story", "reel"):
        made = await owner.post("/stories" if kind == "story" else "/reels", body(private))
        private.things[f"{kind}_id"] = made.json()["id"]


def body(private: Private) -> dict[str, str]:
    return {
        "connector_id": private.connector["id"],
        "media_id": private.things["media_id"],
        "title": "First tomatoes",
    }


ROWS = [
    Row("POST", "/stories", MAX_IDS, body),
    Row("GET", "/stories/connector/{connector_id}", LISTED),
    Row("GET", "/stories/{story_id}", SEEN),
    Row("POST", "/stories/{story_id}/view", SEEN_EMPTY),
    Row("DELETE", "/stories/{story_id}", TAKEN_AWAY),
    Row("POST", "/reels", MAX_IDS, body),
    Row("GET", "/reels/connector/{connector_id}", LISTED),
    Row("GET", "/reels/{reel_id}", SEEN),
    Row("POST", "/reels/{reel_id}/view", SEEN_EMPTY),
    Row("POST", "/reels/{reel_id}/like", SEEN_EMPTY),
    Row("DELETE", "/reels/{reel_id}/like", SEEN_EMPTY),
    Row("DELETE", "/reels/{reel_id}", TAKEN_AWAY),
]
