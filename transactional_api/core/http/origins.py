"""Origins of web pages that may use a cookie session: the API's own, the front end's, and ``CORS_ALLOW_ORIGINS``."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from neighborconnect.settings import Settings
from transactional_api.core.http.cors import origin_pattern
from transactional_api.core.security.web_sessions import is_secure


def may_use_cookies(connection: HTTPConnection) -> bool:
    """Return whether the page that opened a connection is of an allowed origin; False if it has none."""
    settings: Settings = connection.app.state.settings
    origin = connection.headers.get("origin", "")
    allowed = origin_pattern(settings.cors_allow_origins)
    if allowed and re.fullmatch(allowed, origin):
        return True
    scheme, _, host = origin.partition("://")
    if scheme not in ({"https"} if is_secure(settings) else {"http", "https"}):
        return False
    front_end = [urlsplit(url).netloc for url in (settings.public_url, settings.public_api_url) if url]
    return host in {*front_end, connection.headers.get("host")}
