"""Run one SQL statement on the product database: ``python -m tools.sql "SELECT count(*) FROM users"``.

For machines without `psql`. Prints the rows as tab-separated text, or the number of changed rows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import psycopg

from neighborconnect.settings import get_settings

_URLS = ("database_url", "warehouse_url", "mlflow_database_url", "dagster_database_url", "feast_database_url")


def run(url: str, statement: str) -> str:
    """Run a statement in a transaction of its own; return its rows as text, column names first."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        if cursor.description is None:
            return f"{cursor.rowcount} rows"
        rows = [[column.name for column in cursor.description], *cursor]
    return "\n".join("\t".join("" if value is None else str(value) for value in row) for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the statement of the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.sql", description="Run one SQL statement.")
    parser.add_argument("statement", help="the statement; quote it for the shell")
    parser.add_argument("--database", choices=_URLS, default=_URLS[0], help="setting that names the database")
    options = parser.parse_args(arguments)
    try:
        sys.stdout.write(run(getattr(get_settings(), options.database), options.statement) + "\n")
    except psycopg.Error as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
