"""Pages of the console: templates, their filters, and the security headers of every page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from neighborconnect.settings import Settings
from transactional_api.console import sessions
from transactional_api.core.viewer import NO_EXPIRY, Viewer

STATIC: Final = Path(__file__).parent / "static"
SEE_OTHER: Final = 303
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_MAX_MINUTES, _MAX_HOURS = 120, 48


class NavigationEntry(NamedTuple):
    """Link of the navigation, for admins only or for moderators, too."""

    name: str
    path: str
    admins_only: bool


class Segment(NamedTuple):
    """Part of a text; ``weight`` is that of a highlight, None without one."""

    text: str
    weight: float | None


class RefusedFormError(Exception):
    """A form that the service refused: its page again, with the reason. The transaction is rolled back."""

    def __init__(self, response: HTMLResponse) -> None:
        super().__init__("The form was refused")
        self.response = response


class Asset(NamedTuple):
    """Static file."""

    body: bytes
    media_type: str
    digest: str


NAVIGATION: Final = (
    NavigationEntry("Moderation", "/console/moderation", admins_only=False),
    NavigationEntry("Health", "/console/health", admins_only=True),
    NavigationEntry("Traces", "/console/traces", admins_only=True),
    NavigationEntry("Why", "/console/why", admins_only=True),
    NavigationEntry("People", "/console/people", admins_only=True),
    NavigationEntry("Models", "/console/models", admins_only=True),
    NavigationEntry("Experiments", "/console/experiments", admins_only=True),
    NavigationEntry("Data", "/console/data", admins_only=True),
)


@cache
def assets() -> dict[str, Asset]:
    """Return the static files by name."""
    return {
        path.name: Asset(body := path.read_bytes(), _MEDIA_TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
        for path in sorted(STATIC.iterdir())
    }


def age(moment: datetime, *, now: datetime | None = None) -> str:
    """Return how long ago a time was, or in how long it is, in words."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if moment >= NO_EXPIRY:
        return "never"
    return f"in {duration(-seconds)}" if seconds < 0 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """Return a duration in words, with one unit."""
    if seconds < 1:
        return "less than a second"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _MAX_MINUTES * _MINUTE:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _MAX_HOURS * _HOUR:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"


def utc(moment: datetime) -> str:
    """Return a time in UTC to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def segments(text: str, highlights: Iterable[Mapping[str, Any]]) -> Iterator[Segment]:
    """Yield the parts of a text, highlighted or not; overlapping highlights are merged into the first."""
    position = 0
    for one in sorted(highlights, key=lambda one: int(one["begin"])):
        begin, end = max(position, int(one["begin"])), min(len(text), int(one["end"]))
        if begin >= end:
            continue
        if begin > position:
            yield Segment(text[position:begin], None)
        yield Segment(text[begin:end], float(one["weight"]))
        position = end
    if position < len(text):
        yield Segment(text[position:], None)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("transactional_api.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"age": age, "duration": duration, "utc": utc}
    environment.globals |= {"segments": segments, "assets": assets, "csrf_field": sessions.CSRF_FIELD}
    return environment


_ENVIRONMENT: Final = _environment()


def page(
    request: Request,
    template: str,
    *,
    viewer: Viewer | None = None,
    status: int = 200,
    media_origins: Sequence[str] = (),
    **values: Any,
) -> HTMLResponse:
    """Render a page, and renew the session of its viewer.

    Args:
        request: current request.
        template: name of the template.
        viewer: moderator or admin; None for pages without a session.
        status: HTTP status of the response.
        media_origins: origins of pictures and videos on the page.
        values: further variables of the template.
    """
    settings: Settings = request.app.state.settings
    given = {
        "viewer": viewer,
        "path": request.url.path,
        "navigation": [one for one in NAVIGATION if viewer and (viewer.is_admin or not one.admins_only)],
        "csrf_token": sessions.csrf_token(settings, subject=viewer.session_id) if viewer else "",
        "is_refused": False,
    }
    response = HTMLResponse(_ENVIRONMENT.get_template(template).render(given | values), status)
    response.headers["Content-Security-Policy"] = _content_policy(media_origins)
    if viewer is not None and not _is_refresh(request):
        sessions.renew(request, response, viewer)
    return response


def redirect(path: str, **query: str) -> RedirectResponse:
    """Return a redirect to a page of the console, after a form."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, SEE_OTHER)


def end_of(days: int) -> datetime:
    """Return the time ``days`` from now."""
    return datetime.now(UTC) + timedelta(days=days)


def _is_refresh(request: Request) -> bool:
    """Return whether a page refreshes itself, which must not keep the session of an absent person alive."""
    return "hx-request" in request.headers and "hx-boosted" not in request.headers


def _content_policy(media_origins: Sequence[str]) -> str:
    media = " ".join(("'self'", *media_origins))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src {media}; media-src {media}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
