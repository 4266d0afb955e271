"""The bentos: what each serves, and telling one that there is something new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from neighborconnect.contracts.models import CONTENT_MODEL, MATCHING_MODEL, REGISTERED_MODEL, VISION_MODEL
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

# It loads models and snapshots before it answers.
_TIMEOUT_SECONDS = 60.0


class ServingError(RuntimeError):
    """The bento does not answer, or could not load."""


@dataclass(frozen=True, slots=True)
class Bento:
    """A model service: its name, the setting with its address, and the registered models that it serves."""

    name: str
    setting: str
    models: tuple[str, ...]


RECOMMENDATION = Bento("recommendation", "recommendation_url", tuple(REGISTERED_MODEL.values()))
CONTENT = Bento("content", "content_url", (CONTENT_MODEL,))
MATCHING = Bento("matching", "matching_url", (MATCHING_MODEL,))
IMAGE = Bento("image", "image_url", (VISION_MODEL,))
VIDEO = Bento("video", "video_url", (VISION_MODEL,))
BENTOS = (RECOMMENDATION, CONTENT, MATCHING, IMAGE, VIDEO)


def reload(settings: Settings, bento: Bento) -> dict[str, Any]:
    """Have a bento load the present champions and whatever else is newer; return what it then serves.

    Raises:
        ServingError: when it cannot be reached or answers with an error.
    """
    url = getattr(settings, bento.setting)
    if url is None:
        raise ServingError(f"There is no {bento.name} bento: {bento.setting.upper()} is not set.")
    try:
        response = httpx.post(
            url.rstrip("/") + "/reload",
            json={},
            headers=bearer(settings.platform_token),
            timeout=_TIMEOUT_SECONDS,
            # The token goes to the bento alone, whatever proxy the environment names.
            trust_env=False,
        )
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise ServingError(f"The {bento.name} bento did not reload ({error}).") from error
    loaded = response.json()
    return loaded if isinstance(loaded, dict) else {"answer": loaded}
