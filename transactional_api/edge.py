"""The edge of a request: one transaction, committed once, before the answer leaves; or reads, where nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.telemetry import current_traceparent
from transactional_api import idempotency
from transactional_api.audit import trail
from transactional_api.db.session import SESSION, commit
from transactional_api.errors import Problem
from transactional_api.rate_limits import READS
from transactional_api.versions import STALE, StaleError

_SET_TRACE = text("SELECT set_config('neighborconnect.traceparent', :traceparent, true)")


class TransactionalRoute(APIRoute):
    """A route that runs in one transaction: success commits it, an error undoes it.

    The transaction carries the request's trace, so that change capture can write it beside each row image.
    A write with an ``Idempotency-Key`` keeps its answer in the same transaction, and every write its audit entry.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the route."""
        handle = super().get_route_handler()

        async def in_transaction(request: Request) -> Response:
            async with AsyncSession(request.app.state.engine, expire_on_commit=False) as session:
                request.scope[SESSION] = session
                if request.method in READS:
                    return await handle(request)
                event.listen(session.sync_session, "after_begin", _set_trace)
                try:
                    response = await handle(request)
                    if request.scope.get(STALE):
                        raise StaleError
                    await idempotency.remember(request, response, session=session)
                    await trail.enter(session, request)
                except Problem as problem:
                    if problem.keeps_changes:
                        await trail.enter(session, request)
                        await commit(session)
                    raise
                except idempotency.ReplayError as replay:
                    return replay.response
                await commit(session)
                return response

        return in_transaction


class AskingRoute(APIRoute):
    """A route that reads, may ask a model and changes nothing, so that it needs no transaction.

    What was said goes out as an event of its own. Who waits for a model lets the session go first (``let_go``).
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the route."""
        handle = super().get_route_handler()

        async def with_reads(request: Request) -> Response:
            async with request.app.state.plain.reads() as session:
                request.scope[SESSION] = session
                return await handle(request)

        return with_reads


def _set_trace(_session: Any, _transaction: Any, connection: Connection) -> None:
    connection.execute(_SET_TRACE, {"traceparent": current_traceparent.get() or ""})
