"""`neighborconnect sql` reads all stores, masks personal columns and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import polars as pl
import psycopg
import pytest
import typer
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from typer.testing import CliRunner, Result

from neighborconnect.settings import Settings
from pipelines.query import cli
from pipelines.query.prompt import NameCompleter, columns_by_table, statements
from pipelines.query.roles import Role
from pipelines.query.session import MASK, connect
from tests.pipelines.query.conftest import ANA


def run(settings: Settings, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(cli.sql)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "get_settings", lambda: settings)
        return CliRunner().invoke(app, list(arguments))


def test_lake_marts_and_features_are_read_without_an_extension(town: Settings) -> None:
    with connect(town) as connection:
        joined = connection.sql(
            "SELECT u.username, m.score FROM lake.users u JOIN marts.dim_users m ON m.user_id = u.id"
        ).fetchall()
        assert joined == [("ana", 1.5)]
        assert connection.sql("SELECT count(*) FROM lake.interactions").fetchall() == [(1,)]
        assert connection.sql("SELECT clicks_7d FROM features.user_activity LIMIT 0").fetchall() == []
        with pytest.raises(duckdb.PermissionException):
            connection.sql("INSTALL httpfs")


@pytest.mark.parametrize("table", ["lake.users", "marts.dim_users"])
def test_only_the_privacy_officer_sees_personal_columns(town: Settings, table: str) -> None:
    statement = f"SELECT DISTINCT neighborhood FROM {table} ORDER BY 1"
    with connect(town) as analyst:
        assert analyst.sql(statement).fetchall() == [(MASK,)]
        # Nor through the objects behind the views.
        registered = table.replace(".", "__")
        with pytest.raises(duckdb.BinderException):
            analyst.sql(f"SELECT neighborhood FROM {registered}")
    with connect(town, role=Role.PRIVACY_OFFICER) as officer:
        assert officer.sql(statement).fetchall()[0] == ("home-0",)


def test_a_role_without_its_password_reads_nothing(town: Settings) -> None:
    url = urlsplit(town.warehouse_privacy_officer_url or "")
    wrong = url._replace(netloc=f"privacy_officer:guess@{url.hostname}:{url.port}").geturl()
    result = run(
        town.model_copy(update={"warehouse_privacy_officer_url": wrong}),
        *("--role", "privacy_officer", "-c", "SELECT neighborhood FROM lake.users"),
    )
    assert result.exit_code == 1
    assert "password authentication failed" in result.stderr
    assert "home-" not in result.output


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DELETE FROM marts.dim_users", "DELETE is not possible: this connection only reads"),
        ("INSERT INTO lake.users (id) VALUES ('x')", "INSERT is not possible"),
        ("COPY (SELECT 1) TO 'out.csv'", "COPY is not possible"),
        ("EXPLAIN ANALYZE DELETE FROM marts.dim_users", "error: "),
        ("SET enable_external_access = true", "SET is not possible"),
        ("SELECT * FROM read_csv('/etc/passwd')", "file system operations are disabled"),
        ("SELECT * FROM lake.posst", "posst does not exist"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "Expected one statement, got 2"),
        ("SELECT city::int FROM marts.dim_users", "Could not convert string"),
    ],
)
def test_bad_statements_fail_with_one_sentence(town: Settings, statement: str, reason: str) -> None:
    result = run(town, "-c", statement, "--format", "csv")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert reason in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    with psycopg.connect(town.warehouse_url) as owner:
        assert owner.execute("SELECT count(*) FROM marts.dim_users").fetchone() == (1,)


def test_formats_contain_the_same_rows(town: Settings, tmp_path: Path) -> None:
    statement = "SELECT username, [1, 2] AS pair, TIMESTAMPTZ '2026-11-16 09:00+00' AS at FROM lake.users ORDER BY 1"
    for name in ("csv", "json", "parquet"):
        result = run(town, "-c", statement, "--format", name, "--out", str(tmp_path / f"rows.{name}"))
        assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows[0] == {"username": "ana", "pair": [1, 2], "at": "2026-11-16T09:00:00+00:00"}
    assert pl.read_parquet(tmp_path / "rows.parquet")["username"].to_list() == ["ana", "ben"]
    assert pl.read_csv(tmp_path / "rows.csv")["pair"].to_list() == ["[1, 2]"] * 2
    assert "ben" in run(town, "-c", statement).stdout
    assert "of which 1 are shown" in run(town, "-c", statement, "--limit", "1").stdout
    assert "--out FILE" in run(town, "-c", statement, "--format", "parquet").stderr


def test_a_failed_statement_leaves_an_existing_file(town: Settings, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("before")
    assert (
        run(town, "-c", "SELECT city::int FROM marts.dim_users", "--format", "csv", "--out", str(file)).exit_code == 1
    )
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_the_prompt_reads_statements_and_completes_names(town: Settings, tmp_path: Path) -> None:
    history = tmp_path / "history"
    with connect(town) as connection:
        completer = NameCompleter(columns_by_table(connection))

        def completions(text: str) -> list[str]:
            return [completion.text for completion in completer.get_completions(Document(text), None)]  # type: ignore[arg-type]

        assert completions("SELECT * FROM lake.us") == ["lake.users"]
        assert "lake." in completions("SELECT * FROM la")
        assert "username" in completions("SELECT * FROM lake.users WHERE usern")
        with create_pipe_input() as typed:
            typed.send_text(f"SELECT city\rFROM marts.dim_users WHERE user_id = '{ANA}';\r.quit\r")
            [statement] = statements(connection, history=history, input=typed, output=DummyOutput())
        assert connection.sql(statement).fetchall() == [("Brooklyn",)]
    assert "dim_users" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
