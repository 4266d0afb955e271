"""The API's ``/privacy`` as the platform's own pipelines speak to it."""

from __future__ import annotations

from typing import Final

import httpx

from neighborconnect.settings import Settings

_ANSWER_SECONDS: Final = 10.0


def privacy_api(settings: Settings) -> httpx.Client:
    """Return a client that has the platform's token."""
    return httpx.Client(
        base_url=f"{settings.api_url}/api/v1/privacy",
        headers={"X-Platform-Token": settings.platform_token.get_secret_value()},
        timeout=_ANSWER_SECONDS,
        trust_env=False,
    )
