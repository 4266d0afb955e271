"""Interactive prompt with history and completion of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from pipelines.query.session import SCHEMAS

HELP = "End a statement with `;`. `.tables` lists the tables, `.quit` ends. Tab completes names."
_KEYWORDS = (
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "JOIN",
    "USING",
    "WITH",
    "DESCRIBE",
    "SUMMARIZE",
)
_TABLES = (
    "SELECT table_schema, table_name, count(*) AS columns FROM information_schema.columns "
    "WHERE table_schema IN ('lake', 'marts', 'features', 'staging') GROUP BY ALL ORDER BY ALL"
)
_WORD = re.compile(r"[\w.]*$")


class NameCompleter(Completer):
    """Completion of table names, of the columns of tables in the statement, and of frequent keywords."""

    def __init__(self, columns: dict[str, list[str]]) -> None:
        """``columns`` has the columns by table (``schema.table``)."""
        self._columns = columns

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        """Yield the names that begin with the word before the cursor."""
        found = _WORD.search(document.text_before_cursor)
        word = found.group() if found else ""
        named = [table for table in self._columns if table in document.text]
        columns = {column for table in named for column in self._columns[table]}
        # After `lake.`, the tables of the schema follow; before, the schemas are enough.
        tables = self._columns if "." in word else [f"{schema}." for schema in SCHEMAS]
        for name in (*sorted(columns), *tables, *(_KEYWORDS if word else ())):
            if name.lower().startswith(word.lower()):
                yield Completion(name, start_position=-len(word))


def columns_by_table(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the columns of each view of the connection by ``schema.table``."""
    rows = connection.execute(
        "SELECT table_schema || '.' || table_name, list(column_name ORDER BY ordinal_position) "
        "FROM information_schema.columns WHERE table_schema IN (SELECT unnest(?)) GROUP BY ALL ORDER BY 1",
        [list(SCHEMAS)],
    ).fetchall()
    return dict(rows)


def statements(connection: duckdb.DuckDBPyConnection, *, history: Path, **options: Any) -> Iterator[str]:
    """Yield the statements that are typed until ``.quit`` or the end of the input; ``options`` are prompt_toolkit's."""
    columns = columns_by_table(connection)
    history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    history.touch(mode=0o600)
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)),
        completer=NameCompleter(columns),
        lexer=PygmentsLexer(SqlLexer),
        multiline=Condition(lambda: not _is_complete(session.default_buffer.text)),
        **options,
    )
    while True:
        try:
            text = session.prompt("sql> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text == ".quit":
            return
        if text == ".tables":
            yield _TABLES
        elif text.startswith("."):
            print(HELP)  # noqa: T201 (the answer of a prompt)
        elif text:
            yield text


def _is_complete(text: str) -> bool:
    """Return whether Enter submits the text: a command, a statement with its semicolon, or nothing."""
    text = text.strip()
    return not text or text.startswith(".") or text.endswith(";")
