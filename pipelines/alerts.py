"""Alerts of the pipelines to the webhook of ``ALERT_WEBHOOK_URL``, such as one of Slack or Mattermost.

An alert has names of assets and partitions and numbers, never the id or the data of a person. It is always logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt

from neighborconnect.retry import BACKOFF
from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

_TIMEOUT_SECONDS: Final = 10.0
_ATTEMPTS: Final = 4

_log = get_logger(__name__)


def send_alert(settings: Settings, *, kind: str, text: str, details: Mapping[str, object]) -> bool:
    """Log an alert and send it to the webhook as JSON; return whether the webhook received it.

    A webhook that fails is retried with backoff. It never fails the caller.

    Args:
        settings: address of the webhook; nothing is sent if it is not set.
        kind: kind of the alert, such as ``quarantine``.
        text: one sentence with the remedy; the field that chat programs show.
        details: names and numbers by field.
    """
    _log.error("pipelines.alert", kind=kind, text=text, **details)
    if settings.alert_webhook_url is None:
        return False
    url = settings.alert_webhook_url.get_secret_value()
    body = {"kind": kind, "text": text, "details": dict(details)}
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(httpx.HTTPError), wait=BACKOFF, stop=stop_after_attempt(_ATTEMPTS)
        ):
            with attempt:
                httpx.post(url, json=body, timeout=_TIMEOUT_SECONDS, trust_env=False).raise_for_status()
    except RetryError as error:
        # The address of a webhook is a secret, and errors of HTTP quote it.
        _log.warning("pipelines.alert_not_sent", kind=kind, error=type(error.last_attempt.exception()).__name__)
        return False
    return True
