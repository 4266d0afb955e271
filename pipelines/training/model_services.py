"""The BentoML model services: which models each serves, and how to make one reload them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from neighborconnect.contracts.models import CONTENT_MODEL, MATCHING_MODEL, REGISTERED_MODEL, VISION_MODEL
from neighborconnect.service_auth import bearer
from neighborconnect.settings import Settings

# The service responds after it has loaded the models.
_TIMEOUT_SECONDS = 60.0


class ServiceError(RuntimeError):
    """A model service is unreachable or failed to reload."""


@dataclass(frozen=True, slots=True)
class ModelService:
    """A model service: its name, the setting with its URL, and the names of the registered models that it serves."""

    name: str
    setting: str
    models: tuple[str, ...]


RECOMMENDATION = ModelService("recommendation", "recommendation_url", tuple(REGISTERED_MODEL.values()))
CONTENT = ModelService("content", "content_url", (CONTENT_MODEL,))
MATCHING = ModelService("matching", "matching_url", (MATCHING_MODEL,))
IMAGE = ModelService("image", "image_url", (VISION_MODEL,))
VIDEO = ModelService("video", "video_url", (VISION_MODEL,))
MODEL_SERVICES = (RECOMMENDATION, CONTENT, MATCHING, IMAGE, VIDEO)


def reload(settings: Settings, service: ModelService) -> dict[str, Any]:
    """Make a service load the current champions and artifacts; return what it serves afterwards.

    Raises:
        ServiceError: if the service is unreachable or responds with an error.
    """
    url = getattr(settings, service.setting)
    if url is None:
        raise ServiceError(f"There is no {service.name} service: {service.setting.upper()} is not set.")
    try:
        response = httpx.post(
            url.rstrip("/") + "/reload",
            json={},
            headers=bearer(settings.platform_token),
            timeout=_TIMEOUT_SECONDS,
            # The token must not pass through a proxy of the environment.
            trust_env=False,
        )
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise ServiceError(f"The {service.name} service did not reload ({error}).") from error
    serving = response.json()
    return serving if isinstance(serving, dict) else {"response": serving}
