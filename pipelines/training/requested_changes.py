"""Promotions and rollbacks that admins requested in the console: claimed from the API, made, and reported to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_delay

from neighborconnect.retry import BACKOFF
from neighborconnect.settings import Settings
from pipelines.training import lifecycle

_TIMEOUT_SECONDS: Final = 10.0
_MAX_DETAIL: Final = 2_000
_REPORT_SECONDS: Final = 120
"""Time in which the report of a made change is repeated; nobody makes the change, or reports it, a second time."""


@dataclass(frozen=True, slots=True)
class MadeChange:
    """Result of a requested change; ``version`` is the number of the new champion in MLflow, None if there is none."""

    model: str
    action: str
    version: str | None
    detail: str

    @property
    def is_done(self) -> bool:
        """Whether the champion has changed."""
        return self.version is not None


def make_next(settings: Settings) -> MadeChange | None:
    """Claim the oldest requested change, make it, and report it; None without one.

    Raises:
        httpx.HTTPError: if the API is unreachable or responds with an error. A change whose report fails for two
            minutes is made all the same: MLflow's history has it, and the API states that it has no result.
    """
    with _api(settings) as api:
        change = api.post("/platform").raise_for_status().json()["change"]
        if change is None:
            return None
        made = _make(settings, change)
        body = {"is_done": made.is_done, "version": made.version, "detail": made.detail[:_MAX_DETAIL]}
        for attempt in Retrying(
            retry=retry_if_exception(_may_pass),
            wait=BACKOFF,
            stop=stop_after_delay(_REPORT_SECONDS),
            reraise=True,
        ):
            with attempt:
                api.post(f"/{change['id']}/platform", json=body).raise_for_status()
    return made


def _may_pass(error: BaseException) -> bool:
    """Whether a request that failed may succeed later: the API is unreachable, restarts, or is overloaded."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


def _make(settings: Settings, change: dict[str, Any]) -> MadeChange:
    model, action = change["model"], change["action"]
    given = {
        "model": model,
        "version": change["version"],
        "reason": change["reason"],
        "requested_by": change["requested_by"],
        "progress": lambda _text: None,
    }
    try:
        if action == "promote":
            failures = lifecycle.promote(settings, is_forced=change["is_forced"], **given)
            version = change["version"]
        else:
            target, failures = lifecycle.rollback(settings, **given)
            version = target.registry_version
    # The admin must learn of any failure, and the next change must not wait for this one.
    except Exception as error:  # noqa: BLE001
        return MadeChange(model, action, None, f"{type(error).__name__}: {error}".partition("\n")[0])
    return MadeChange(model, action, version, " ".join(failures))


def _api(settings: Settings) -> httpx.Client:
    return httpx.Client(
        base_url=f"{settings.api_url}/api/v1/models/changes",
        headers={"X-Platform-Token": settings.platform_token.get_secret_value()},
        timeout=_TIMEOUT_SECONDS,
        trust_env=False,
    )
