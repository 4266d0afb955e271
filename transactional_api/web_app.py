"""Static files of the reference web app at ``/app``, which calls the API as any other client does."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from neighborconnect.settings import DEMO_LOGINS_FILE_NAME, Settings

PREFIX: Final = "/app"
EMAIL_LINKS: Final = ("/verify-email", "/reset-password", "/undo")
"""Paths of the links in emails, whose query has a one-time token."""
_ASSETS: Final = "assets/"
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_NOT_FOUND: Final = 404
_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>NeighborConnect</title></head><body>
<h1>The web app is not built</h1>
<p>Run <code>make web</code> in the repository, then load this page again. The API works without it:
<a href="/docs">routes with examples</a>.</p>
</body></html>
"""


def install(app: FastAPI) -> None:
    """Serve the web app at ``/app`` of the API, and redirect the links of emails to it."""
    app.router.routes.extend(Route(path, _to_the_app, include_in_schema=False) for path in EMAIL_LINKS)
    app.router.routes.append(WebAppMount(app.state.settings))


async def _to_the_app(request: Request) -> Response:
    """Redirect a page of ``PUBLIC_URL`` to that of the app, where the API is at this URL itself."""
    return RedirectResponse(f"{PREFIX}{request.url.path}?{request.url.query}")


class WebAppMount(Mount):
    """The mount point, which is one route in metrics and logs."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(PREFIX, app=WebApp(settings), name="web_app")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for the web app."""
        match, child = super().matches(scope)
        return match, {**child, "route": self}


class WebApp(StaticFiles):
    """Files of a build. Addresses without a file are pages of the app, whose router reads them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(directory=settings.web_app_folder, check_dir=False)
        self._folder = settings.web_app_folder
        self._demo_logins = settings.neighborconnect_home / DEMO_LOGINS_FILE_NAME
        self._headers = {"Content-Security-Policy": _content_policy(settings)}

    async def check_config(self) -> None:
        """Accept a missing folder: it may be built while the API runs."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, the page of the app, or a page that states that it is not built."""
        response = await self._response("" if path == "." else path, scope)
        response.headers.update(self._headers)
        return response

    async def _response(self, path: str, scope: Scope) -> Response:
        if scope["path"] == PREFIX:
            return RedirectResponse(f"{PREFIX}/")
        if path == DEMO_LOGINS_FILE_NAME:
            return self._demo_login_list()
        if path and path != "index.html":
            try:
                response = await super().get_response(path, scope)
            except HTTPException as error:
                # A missing asset is of another build; a page in its place would be parsed as a script.
                if error.status_code != _NOT_FOUND or path.startswith(_ASSETS) or "." in Path(path).name:
                    raise
            else:
                response.headers["Cache-Control"] = _IMMUTABLE if path.startswith(_ASSETS) else "no-cache"
                return response
        try:
            response = await super().get_response("index.html", scope)
        except HTTPException as error:
            if error.status_code != _NOT_FOUND:
                raise
            return HTMLResponse(_NOT_BUILT, _NOT_FOUND)
        response.headers["Cache-Control"] = "no-cache"
        return response

    def _demo_login_list(self) -> Response:
        if not self._demo_logins.is_file():
            return JSONResponse({"logins": []})
        return FileResponse(self._demo_logins, headers={"Cache-Control": "no-store"})


def _content_policy(settings: Settings) -> str:
    """Return a policy that allows the files of the app, the API, and media of the object store or the CDN."""
    urls = (settings.s3_endpoint_url, settings.cdn_base_url, settings.public_url, settings.public_api_url)
    origins = {f"{parts.scheme}://{parts.netloc}" for url in urls if url and (parts := urlsplit(url)).netloc}
    media = " ".join(("'self'", *sorted(origins)))
    # Files are sent to the object store itself, and shown from memory until it has them.
    store = urlsplit(settings.s3_endpoint_url)
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {store.scheme}://{store.netloc}; "
        f"img-src {media} blob:; media-src {media}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
