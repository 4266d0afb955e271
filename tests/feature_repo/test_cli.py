from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from feature_repo import cli
from feature_repo.vendor_patches import FeatureStore
from feature_repo.views import VIEWS
from neighborconnect.settings import Settings


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(cli.features)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "250"})


def test_the_catalog_lists_every_view_and_its_features(store: FeatureStore, settings: Settings) -> None:
    with psycopg.connect(settings.feast_database_url) as connection:
        connection.execute("DELETE FROM offline.user_affinity")
        for user, evidence in (("ana", 1.0), ("ben", 4.0)):
            connection.execute(
                "INSERT INTO offline.user_affinity (user_id, event_timestamp, categories, evidence) "
                "VALUES (%s, %s, %s, %s)",
                (user, datetime(2026, 11, 16, tzinfo=UTC), ["books"], evidence),
            )
    listed = run().stdout
    assert all(name in listed for name in VIEWS)
    described = run("user_affinity").stdout
    assert "recommendation_serving" in described
    assert any(
        all(text in line for text in ("evidence", "0.0%", "2.5", "weighted acts")) for line in described.splitlines()
    )
    assert any("weights" in line and "100.0%" in line for line in described.splitlines())
    unknown = run("user_afinity")
    assert (unknown.exit_code, "There is no feature view 'user_afinity'" in unknown.stderr) == (1, True)


@pytest.mark.parametrize("view", list(VIEWS))
def test_every_feature_has_a_description_and_a_unit(view: str) -> None:
    assert all(field.description and field.tags["unit"] for field in VIEWS[view].features)


def test_feasts_own_command_reads_the_written_configuration(
    store: FeatureStore, settings: Settings, tmp_path: Path
) -> None:
    folder = cli.write_config(settings.model_copy(update={"neighborconnect_home": tmp_path}))
    assert (folder / cli.CONFIG_FILE).stat().st_mode & 0o077 == 0
    program = Path(sys.executable).with_name("feast")
    done = subprocess.run(
        [program, "--chdir", folder, "feature-views", "list"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "user_affinity" in done.stdout
