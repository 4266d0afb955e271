"""Client of the API's ``/privacy`` endpoints for the pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from neighborconnect.settings import Settings

_TIMEOUT_SECONDS: Final = 10.0
_PAGE_SIZE: Final = 100
_ERASURES: Final = "/platform/erasures"


@dataclass(frozen=True, slots=True)
class RequestedErasure:
    """An erasure stored in the API, which proves that its user requested it.

    ``is_reported`` is true after the pipelines have erased the user once.
    """

    id: str
    user_id: str
    keep_words: bool
    is_reported: bool = False


def privacy_api(settings: Settings) -> httpx.Client:
    """Return a client that authenticates with the platform token."""
    return httpx.Client(
        base_url=f"{settings.api_url}/api/v1/privacy",
        headers={"X-Platform-Token": settings.platform_token.get_secret_value()},
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    )


def find_erasures(settings: Settings, *, ids: Sequence[str]) -> list[RequestedErasure]:
    """Return the erasures with one of ``ids`` that exist in the API.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    erasures: list[RequestedErasure] = []
    with privacy_api(settings) as api:
        for start in range(0, len(ids), _PAGE_SIZE):
            erasures += _parse(api.get(_ERASURES, params={"id": ids[start : start + _PAGE_SIZE]}))
    return erasures


def read_erasures(settings: Settings, *, since: datetime | None = None) -> list[RequestedErasure]:
    """Return every erasure that was requested at ``since`` or later; all of them if None.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    erasures: list[RequestedErasure] = []
    params: dict[str, Any] = {"since": since.isoformat()} if since else {}
    with privacy_api(settings) as api:
        while page := _parse(api.get(_ERASURES, params=params)):
            erasures += page
            params["after"] = page[-1].id
    return erasures


def _parse(response: httpx.Response) -> list[RequestedErasure]:
    rows = response.raise_for_status().json()["erasures"]
    return [
        RequestedErasure(row["id"], row["user_id"], row["keep_words"], row["platform_done_at"] is not None)
        for row in rows
    ]
