"""Dagster's web server behind the operator's password: ``python -m pipelines.webserver`` on ``DAGSTER_LISTEN``.

Dagster executes mutations for every client that reaches its port, including links, forms and scripts of any web page.
This server accepts GraphQL only as JSON in a POST of the same origin, with ``OPERATOR_PASSWORD``.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from neighborconnect.service_auth import RefuseCrossSiteRequests, RequireCredentials, hosts_of, refuse
from neighborconnect.settings import get_settings, listen_address
from pipelines.dagster_storage import POOL_MAX_OVERFLOW, POOL_RECYCLE_SECONDS

WORKSPACE = Path(__file__).parents[1] / "dagster_home" / "workspace.yaml"
HEALTH_PATH = "/server_info"
_GRAPHQL = "/graphql"
_JSON = "application/json"
_STATEMENT_TIMEOUT_MS = 15_000
_POLL_MS = 2_000
_SHUTDOWN_SECONDS = 4


def require_json_post(application: ASGIApp) -> ASGIApp:
    """Wrap an application to refuse GraphQL requests over HTTP that are not JSON in a POST."""

    async def application_with_check(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(_GRAPHQL):
            if scope["method"] != "POST":
                detail = "GraphQL requests must use POST."
                await refuse(HTTPStatus.METHOD_NOT_ALLOWED, detail, scope, receive, send)
                return
            if Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower() != _JSON:
                detail = f"The body must be {_JSON}."
                await refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, scope, receive, send)
                return
        await application(scope, receive, send)

    return application_with_check


def main() -> None:
    """Serve until SIGTERM."""
    settings = get_settings()
    host, port = listen_address(settings.dagster_listen)
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget(paths=[str(WORKSPACE)])
        with WorkspaceProcessContext(instance, version=__version__, workspace_load_target=target) as context:
            application = create_app_from_workspace_process_context(context, live_data_poll_rate=_POLL_MS)
            authenticated = RequireCredentials(
                require_json_post(application), password=settings.operator_password, open_paths=[HEALTH_PATH]
            )
            uvicorn.run(
                RefuseCrossSiteRequests(
                    authenticated, hosts=hosts_of(settings.dagster_url, more=settings.operator_hosts)
                ),
                host=host,
                port=port,
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )


if __name__ == "__main__":
    main()
