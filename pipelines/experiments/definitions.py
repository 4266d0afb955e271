"""Definitions of experiments in the API, and the report of their readouts to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx

from neighborconnect.settings import Settings
from pipelines.experiments.statistics import Readout

_TIMEOUT_SECONDS: Final = 10.0
_MAX_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Definition:
    """Experiment with the weights of its variants, the control first."""

    key: str
    weights: dict[str, int]
    primary_metric: str
    guardrails: tuple[str, ...]
    hypothesis: str


def read_active(settings: Settings) -> list[Definition]:
    """Return the active experiments.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    with _api(settings) as api:
        found = api.get("/platform").raise_for_status().json()["experiments"]
    return [_definition(one) for one in found]


def report(settings: Settings, readout: Readout, *, stop_reason: str) -> None:
    """Store a readout in the API, which stops the experiment if there is a reason.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error.
    """
    body = {"readout": readout.as_json(), "stop_reason": stop_reason[:_MAX_REASON]}
    with _api(settings) as api:
        api.put(f"/{readout.experiment}/readout/platform", json=body).raise_for_status()


def _definition(given: dict[str, Any]) -> Definition:
    weights = {variant["name"]: variant["weight"] for variant in given["variants"]}
    return Definition(given["key"], weights, given["primary_metric"], tuple(given["guardrails"]), given["hypothesis"])


def _api(settings: Settings) -> httpx.Client:
    return httpx.Client(
        base_url=f"{settings.api_url}/api/v1/experiments",
        headers={"X-Platform-Token": settings.platform_token.get_secret_value()},
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    )
