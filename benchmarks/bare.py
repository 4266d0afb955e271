"""The peer of ``benchmarks.reads``: a bare Starlette route over psycopg that runs the same statements.

It has no validation, no models and no rate limits; whoever asks gets the rows as JSON. ``python -m benchmarks.bare
PORT FILE`` serves what ``FILE`` (a pickle of path to ``Statements``) has.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import uvicorn
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from transactional_api.core.db.session import POOL_SIZE


class Statements(NamedTuple):
    """Statements of one path; settings that hold for a transaction need one."""

    sent: list[tuple[str, Any]]
    in_transaction: bool


def make_app(database_url: str, statements: dict[str, Statements]) -> Starlette:
    """Return an application that answers each path with the rows of its statements."""
    pool = AsyncConnectionPool(
        database_url, min_size=POOL_SIZE, max_size=POOL_SIZE, open=False, kwargs={"autocommit": True}
    )

    async def answer(request: Request) -> Response:
        rows: list[Any] = []
        sent, in_transaction = statements[request.url.path]
        async with pool.connection() as connection, connection.transaction() if in_transaction else nullcontext():
            cursor = connection.cursor(row_factory=dict_row)
            for statement, parameters in sent:
                rows += await (await cursor.execute(statement.encode(), parameters)).fetchall()
        return Response(orjson.dumps(rows, default=str), media_type="application/json")

    @asynccontextmanager
    async def connections(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    return Starlette(routes=[Route("/{path:path}", answer)], lifespan=connections)


def main() -> None:
    """Serve as the API does: uvloop and httptools."""
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    statements: dict[str, Statements] = pickle.loads(file.read_bytes())  # noqa: S301 (our own file of a moment ago)
    uvicorn.run(
        make_app(os.environ["DATABASE_URL"], statements),
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
