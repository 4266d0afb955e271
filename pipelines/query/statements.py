"""Execution of one SQL statement that only reads."""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from pipelines.query.errors import QueryError

_READS: Final = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


def read(connection: duckdb.DuckDBPyConnection, statement: str) -> pa.RecordBatchReader:
    """Execute one statement and return its rows as a stream of Arrow batches.

    ``SELECT``, ``WITH``, ``VALUES``, ``DESCRIBE``, ``SUMMARIZE``, ``SHOW`` and ``EXPLAIN`` read.

    Raises:
        QueryError: if it is not exactly one statement that reads, or if DuckDB cannot execute it.
    """
    try:
        statements = connection.extract_statements(statement)
        if len(statements) != 1:
            raise QueryError(f"Expected one statement, got {len(statements)}.")
        if statements[0].type not in _READS:
            kind = statements[0].type.name.replace("_", " ")
            raise QueryError(f"{kind} is not possible: this connection only reads. Nothing was changed.")
        return connection.sql(statements[0]).to_arrow_reader()
    except duckdb.Error as error:
        raise QueryError(sentence(error)) from None


def sentence(error: Exception) -> str:
    """Return DuckDB's message in one sentence, without the excerpt of the statement."""
    message = str(error).partition("\n\n")[0]
    return " ".join(line.strip() for line in message.splitlines() if line.strip())
