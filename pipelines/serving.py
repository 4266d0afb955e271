"""Tells the recommendation bento that there is something new to serve."""

from __future__ import annotations

from typing import Any

import httpx

from neighborconnect.settings import Settings

# It loads models and snapshots before it answers.
_TIMEOUT_SECONDS = 60.0


class ServingError(RuntimeError):
    """The bento does not answer, or could not load."""


def reload_recommendation(settings: Settings) -> dict[str, Any]:
    """Have the bento load the present champions and their newest snapshots; return what it then serves.

    Raises:
        ServingError: when it cannot be reached or answers with an error.
    """
    url = settings.recommendation_url.rstrip("/") + "/reload"
    try:
        response = httpx.post(url, json={}, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise ServingError(f"The recommendation bento did not reload ({error})") from error
    loaded = response.json()
    return loaded if isinstance(loaded, dict) else {"answer": loaded}
