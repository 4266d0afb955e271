"""Unit of work of a request: one transaction, committed before the response is sent, or reads without a transaction."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from fastapi import Request, Response
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import current_traceparent
from transactional_api.core.audit import trail
from transactional_api.core.db.session import SESSION, commit
from transactional_api.core.db.statements import RUNNER, Reads, SessionRunner, StatementRunner
from transactional_api.core.errors import Problem
from transactional_api.core.http import idempotency
from transactional_api.core.http.etags import STALE, PreconditionFailedError
from transactional_api.core.http.query_parameters import StrictQueryRoute
from transactional_api.core.http.rate_limits import READS
from transactional_api.core.media.attachments import attachments_in
from transactional_api.core.media.references import resolve_attachments
from transactional_api.core.media.signed_links import noted_links
from transactional_api.core.media.stores import MEDIA
from transactional_api.core.viewer import Viewer

_SET_TRACE = text("SELECT set_config('neighborconnect.traceparent', :traceparent, true)")


class AttachmentRoute(StrictQueryRoute):
    """A route whose responses are completed with the uploads that they show, once and for all parts together."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _with_attachments(endpoint) if iscoroutinefunction(endpoint) else endpoint, **options)


def _with_attachments(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    async def wrapper(**arguments: Any) -> Any:
        response = await endpoint(**arguments)
        if parts := list(attachments_in(response)):
            viewer = next((value for value in arguments.values() if isinstance(value, Viewer)), None)
            await resolve_attachments(_runner_among(arguments.values()), parts, viewer=viewer)
        return response

    return wrapper


def _runner_among(arguments: Iterable[Any]) -> StatementRunner:
    """Return the database access among an endpoint's arguments, as a runner.

    Raises:
        TypeError: when an endpoint whose response shows uploads has none.
    """
    for argument in arguments:
        match argument:
            case StatementRunner():
                return argument
            case Reads():
                return argument.runner
            case AsyncSession():
                return SessionRunner(argument)
    raise TypeError("An endpoint whose response shows uploads needs a session, a runner or reads")


class TransactionalRoute(AttachmentRoute):
    """A route that runs in one transaction: success commits it, an error rolls it back.

    The transaction carries the request's trace, so that change capture can store it with each row image.
    A write with an ``Idempotency-Key`` stores its response, and every write its audit entry, in the same transaction.
    """

    commits_reads: ClassVar[bool] = False
    """Whether reads commit, too, so that they may be audited."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the route."""
        handle = super().get_route_handler()

        async def in_transaction(request: Request) -> Response:
            async with AsyncSession(request.app.state.engine, expire_on_commit=False) as session:
                session.info[MEDIA] = request.app.state.media
                request.scope[SESSION], request.scope[RUNNER] = session, SessionRunner(session)
                if request.method in READS and not self.commits_reads:
                    return await handle(request)
                event.listen(session.sync_session, "after_begin", _set_trace)
                try:
                    with noted_links() as links:
                        response = await handle(request)
                    if request.scope.get(STALE):
                        raise PreconditionFailedError
                    await idempotency.remember(request, response, session=session, links=links)
                    await trail.enter(session, request)
                except Problem as problem:
                    if problem.commits_changes:
                        await trail.enter(session, request)
                        await commit(session)
                    raise
                except idempotency.ReplayError as replay:
                    return replay.response
                await commit(session)
                return response

        return in_transaction


class ReadOnlyRoute(AttachmentRoute):
    """A route that reads, may call a model and changes nothing, so that it needs no transaction.

    The session is read-only and the runner commits each statement on its own. An endpoint that waits for a model first
    returns their connections to the pools (``Reads.release``).
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the route."""
        handle = super().get_route_handler()

        async def with_reads(request: Request) -> Response:
            async with (
                AsyncSession(request.app.state.read_only_engine, expire_on_commit=False) as session,
                request.app.state.psycopg_pool.autocommit() as runner,
            ):
                request.scope[SESSION], request.scope[RUNNER] = session, runner
                return await handle(request)

        return with_reads


def _set_trace(_session: Any, _transaction: Any, connection: Connection) -> None:
    connection.execute(_SET_TRACE, {"traceparent": current_traceparent() or ""})
