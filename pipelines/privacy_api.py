"""Client of the API's ``/privacy`` endpoints for the platform's own pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from neighborconnect.settings import Settings

_ANSWER_SECONDS: Final = 10.0
_PAGE: Final = 100
_ERASURES: Final = "/platform/erasures"


@dataclass(frozen=True, slots=True)
class RequestedErasure:
    """An erasure that the API holds, so that its person asked for it."""

    id: str
    user_id: str
    keeps_words: bool


def privacy_api(settings: Settings) -> httpx.Client:
    """Return a client that has the platform's token."""
    return httpx.Client(
        base_url=f"{settings.api_url}/api/v1/privacy",
        headers={"X-Platform-Token": settings.platform_token.get_secret_value()},
        timeout=_ANSWER_SECONDS,
        trust_env=False,
    )


def requested_erasures(settings: Settings, *, ids: Sequence[str]) -> list[RequestedErasure]:
    """Return those of ``ids`` that the API knows.

    Raises:
        httpx.HTTPError: when it does not answer, or not with success.
    """
    found: list[RequestedErasure] = []
    with privacy_api(settings) as api:
        for start in range(0, len(ids), _PAGE):
            answer = api.get(_ERASURES, params=[("id", one) for one in ids[start : start + _PAGE]])
            found += _erasures(answer)
    return found


def all_erasures(settings: Settings, *, since: datetime | None = None) -> list[RequestedErasure]:
    """Return every erasure that was requested at ``since`` or later.

    Raises:
        httpx.HTTPError: when the API does not answer, or not with success.
    """
    found: list[RequestedErasure] = []
    params: dict[str, Any] = {"since": since.isoformat()} if since else {}
    with privacy_api(settings) as api:
        while page := _erasures(api.get(_ERASURES, params=params)):
            found += page
            params["after"] = page[-1].id
    return found


def _erasures(answer: httpx.Response) -> list[RequestedErasure]:
    rows = answer.raise_for_status().json()["erasures"]
    return [RequestedErasure(row["id"], row["user_id"], row["keeps_words"]) for row in rows]
