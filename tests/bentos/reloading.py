"""Reload of a model service."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx

_ATTEMPTS = 12


def reload_champion(client: httpx.Client) -> dict[str, Any]:
    """Make a service poll the registry now, and return the versions that it serves.

    A load that takes longer than the timeout of a request continues in the service: on a slow machine, ask again.
    """
    for _ in range(_ATTEMPTS):
        response = client.post("/reload", json={})
        if response.status_code != HTTPStatus.GATEWAY_TIMEOUT:
            break
    response.raise_for_status()
    return dict(response.json())
