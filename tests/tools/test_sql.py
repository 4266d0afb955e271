"""The SQL tool of the runbooks."""

from __future__ import annotations

import pytest

from neighborconnect.settings import Settings
from tools import sql


class TestRun:
    def test_prints_rows_with_column_names(self, settings: Settings) -> None:
        assert sql.run(settings.database_url, "SELECT 1 AS a, NULL AS b UNION ALL SELECT 2, 'x' ORDER BY a") == (
            "a\tb\n1\t\n2\tx"
        )

    def test_counts_the_rows_of_a_write(self, settings: Settings) -> None:
        assert (
            sql.run(settings.database_url, "CREATE TEMPORARY TABLE numbers AS SELECT generate_series(1, 3)") == "3 rows"
        )


class TestMain:
    def test_reports_an_error_of_the_statement(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        assert settings.database_url
        assert sql.main(["SELECT nothing_like_this"]) == 1
        assert "nothing_like_this" in capsys.readouterr().err
